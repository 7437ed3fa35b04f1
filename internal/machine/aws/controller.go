// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"canopy.dev/canopy/internal/machine"
)

// ControllerConfig returns the configurations of AWS's cloud controller manager for a cluster: its own, and that of the SDK in it,
// with the credentials. All that it makes carries the tag KubernetesCluster, by which the policy of the credentials knows it, and
// the one by which all else of the cluster is known to it.
func ControllerConfig(c machine.Cluster) (own, sdk string, err error) {
	if len(c.Network.Subnets) == 0 {
		return "", "", configuration("the network of cluster %s has no subnets yet", c.Name)
	}
	controller := &settings{}
	controller.section("Global")
	controller.set("Region", c.Place.AWS.Region)
	controller.set("VPC", c.Network.Network)
	controller.set("SubnetID", c.Network.Subnets[0]) // with the VPC, it says that the process runs elsewhere
	controller.set("KubernetesClusterTag", c.Name)

	value := func(key string) string { return string(c.Credentials[key]) }
	account := &settings{}
	account.section("default")
	account.set("region", c.Place.AWS.Region)
	account.set("endpoint_url", c.Place.AWS.Endpoint)
	if c.Place.AWS.Endpoint != "" {
		account.set("services", "endpoints")
	}
	if role := value(KeyRoleARN); role != "" {
		account.set("role_arn", role)
		account.set("external_id", value(KeyExternalID))
		account.set("role_session_name", "canopy")
		account.set("source_profile", "key")
		account.section("profile key")
	}
	account.set("aws_access_key_id", value(KeyAccessKeyID))
	account.set("aws_secret_access_key", value(KeySecretAccessKey))
	account.set("aws_session_token", value(KeySessionToken))
	if c.Place.AWS.Endpoint != "" { // a role is assumed before the SDK has looked at the endpoint of all services
		account.section("services endpoints")
		account.WriteString("sts =\n")
		account.set("  endpoint_url", c.Place.AWS.Endpoint)
	}
	return controller.String(), account.String(), errors.Join(controller.err, account.err)
}

// settings is a file of sections with keys and values.
type settings struct {
	strings.Builder

	err error
}

func (s *settings) section(name string) { fmt.Fprintf(s, "[%s]\n", name) }

// set writes a value unless it is empty. One with a line break would be another setting.
func (s *settings) set(key, value string) {
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		s.err = configuration("what is %s for AWS's cloud controller manager has a line break in it", key)
	case value != "":
		fmt.Fprintf(s, "%s = %s\n", key, value)
	}
}
