// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package hetzner is the cloud whose machines are servers of Hetzner Cloud. It runs inside the seed's manager and calls
// Hetzner's API with the token of a Preset, which opens one project there.
//
//	network.go   the private network and the firewall of a cluster
//	server.go    the servers
//	offers.go    locations, server types, images and networks to choose from, and what a token may do
//	errors.go    who has to act on an error
//
// Everything has labels there, and names are unique in a project: what is made twice is refused the second time.
package hetzner

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// TokenKey is the only key of the credentials: an API token of the project.
const TokenKey = "token"

// callTimeout is how long a call may take.
const callTimeout = time.Minute

// Cloud is Hetzner Cloud.
type Cloud struct{}

var _ machine.Cloud = Cloud{}

// New returns the cloud.
func New() Cloud { return Cloud{} }

// connect returns a client, and the place as this cloud knows it.
func connect(a machine.Account) (*hcloud.Client, *v1alpha1.HetznerPlace, error) {
	place := a.Place.Hetzner
	if place == nil {
		return nil, nil, fmt.Errorf("the place is at %s, not at Hetzner", a.Place.Name())
	}
	token := strings.TrimSpace(string(a.Credentials[TokenKey]))
	if token == "" {
		return nil, nil, &machine.RefusedError{
			Reason:  v1alpha1.ReasonUnauthenticated,
			Message: fmt.Sprintf("the Secret with the credentials for Hetzner lacks the key %q: put an API token there", TokenKey),
		}
	}
	opts := []hcloud.ClientOption{
		hcloud.WithToken(token),
		hcloud.WithApplication("canopy", ""),
		hcloud.WithHTTPClient(&http.Client{Timeout: callTimeout}),
		hcloud.WithRetryOpts(hcloud.RetryOpts{}), // whoever calls tries again, ever more slowly
	}
	if place.Endpoint != "" {
		opts = append(opts, hcloud.WithEndpoint(place.Endpoint))
	}
	return hcloud.NewClient(opts...), place, nil
}

// nameOf is the name of what a cluster has, unique in any project.
func nameOf(c machine.Cluster) string { return fmt.Sprintf("canopy-%s-%.8s", c.Name, c.UID) }

func labelsOf(c machine.Cluster) map[string]string {
	return map[string]string{machine.TagCluster: string(c.UID)}
}

// ofCluster selects what belongs to the cluster.
func ofCluster(c machine.Cluster) hcloud.ListOpts {
	return hcloud.ListOpts{LabelSelector: machine.TagCluster + "==" + string(c.UID)}
}

// idOf reads an ID that was written by us or by the cloud.
func idOf(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the ID of what is at Hetzner is a number, not %q", id)
	}
	return n, nil
}
