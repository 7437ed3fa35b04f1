// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package aws makes machines that are instances of EC2, by AWS's own SDK. It runs inside the seed's manager and the API; it
// reads its inputs and the account, and writes to the account alone.
//
//	client.go        credentials → clients of EC2, IAM, SSM and STS
//	network.go       VPC, subnets, internet gateway, route table, security group, found by tag
//	unmake.go        lets go of them in the order in which AWS allows it
//	instance.go      instances; the client token is made of the machine's UID
//	image.go         which image: the spec's, the place's, or the newest that its maker publishes
//	offers.go        regions, zones, instance types, and what the account has
//	verify.go        what the credentials may do, by dry runs
//	controller.go    what AWS's cloud controller manager is told
//	errors.go        AWS's error codes → reasons
package aws

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"canopy.dev/canopy/internal/machine"
)

// Cloud is Amazon Web Services.
type Cloud struct {
	accounts machine.Opened[*account]
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud.
func New() *Cloud { return &Cloud{accounts: machine.NewOpened[*account]()} }

// name of what is made for the cluster.
func nameOf(c machine.Cluster) string { return "canopy-" + c.Name }

// tagsOf returns the tags of what belongs to the cluster. The third is by which AWS's cloud controller manager and volume
// driver know what is the cluster's.
func tagsOf(c machine.Cluster, name string) []types.Tag {
	return []types.Tag{
		tag("Name", name),
		tag(machine.TagCluster, string(c.UID)),
		tag("kubernetes.io/cluster/"+c.Name, "owned"),
	}
}

// tagged tags what is being made. A tag that is added later would be missing after a crash.
func tagged(kind types.ResourceType, tags []types.Tag) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: tags}}
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

// owned is the filter of what belongs to the cluster.
func owned(c machine.Cluster) []types.Filter {
	return []types.Filter{filter("tag:"+machine.TagCluster, string(c.UID))}
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

// valueOf returns the value of a tag; empty if there is none.
func valueOf(tags []types.Tag, key string) string {
	for _, t := range tags {
		if t.Key != nil && *t.Key == key && t.Value != nil {
			return *t.Value
		}
	}
	return ""
}

// providerID returns an instance's name as AWS's cloud controller manager writes it.
func providerID(zone, id string) string { return fmt.Sprintf("aws:///%s/%s", zone, id) }
