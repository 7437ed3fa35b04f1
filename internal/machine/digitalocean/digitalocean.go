// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package digitalocean is the cloud whose machines are Droplets. It runs inside the seed's manager and calls DigitalOcean's
// API with the token of a Preset.
//
//	network.go   the VPC and the firewall of a cluster
//	droplet.go   the Droplets
//	offers.go    regions, sizes, images and VPCs to choose from
//	verify.go    what a token may do
//	errors.go    who has to act on an error
//
// Names of Droplets and of much else are not unique there, and nothing takes a token of idempotency. So a Droplet belongs to
// the machine whose tag it has, and a VPC and a firewall, which have unique names, are the cluster's by their name.
package digitalocean

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/digitalocean/godo"
	"golang.org/x/oauth2"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// TokenKey is the only key of the credentials: a personal access token.
const TokenKey = "token"

const (
	// callTimeout is how long a call may take.
	callTimeout = time.Minute
	// pageSize is the largest that there is.
	pageSize = 200
)

// Cloud is DigitalOcean.
type Cloud struct {
	// creating is held, shared, while a Droplet and its tag are made, and alone while tags without a Droplet are deleted.
	creating sync.RWMutex
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud.
func New() *Cloud { return &Cloud{} }

// connect returns a client, and the place as this cloud knows it.
func connect(a machine.Account) (*godo.Client, *v1alpha1.DigitalOceanPlace, error) {
	place := a.Place.DigitalOcean
	if place == nil {
		return nil, nil, fmt.Errorf("the place is at %s, not at DigitalOcean", a.Place.Name())
	}
	token := strings.TrimSpace(string(a.Credentials[TokenKey]))
	if token == "" {
		return nil, nil, &machine.RefusedError{
			Reason:  v1alpha1.ReasonUnauthenticated,
			Message: fmt.Sprintf("the Secret with the credentials for DigitalOcean lacks the key %q: put a personal access token there", TokenKey),
		}
	}
	var opts []godo.ClientOpt
	if place.Endpoint != "" {
		opts = append(opts, godo.SetBaseURL(place.Endpoint))
	}
	client, err := godo.New(&http.Client{
		Timeout: callTimeout,
		// The connections below are the process's, for all clients.
		Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})},
	}, opts...)
	if err != nil {
		return nil, nil, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf("the endpoint of DigitalOcean: %v", err)}
	}
	return client, place, nil
}

// nameOf is the name of what a cluster has, unique in any account.
func nameOf(c machine.Cluster) string { return fmt.Sprintf("canopy-%s-%.8s", c.Name, c.UID) }

// DigitalOcean's tags have no values, and no dots or slashes in them.
const (
	clusterPrefix = "canopy-cluster:"
	machinePrefix = "canopy-machine:"
)

// clusterTag is on every Droplet of the cluster.
func clusterTag(c machine.Cluster) string { return clusterPrefix + string(c.UID) }

// machineTags begin with the same for all machines of the cluster, so that they are found when they are of no more use.
func machineTags(c machine.Cluster) string { return machinePrefix + string(c.UID) + ":" }

func machineTag(c machine.Cluster, uid types.UID) string { return machineTags(c) + string(uid) }

// all reads all pages of a list.
func all[T any](ctx context.Context, list func(context.Context, *godo.ListOptions) ([]T, *godo.Response, error)) ([]T, error) {
	var items []T
	opts := &godo.ListOptions{Page: 1, PerPage: pageSize}
	for {
		page, response, err := list(ctx, opts)
		if err != nil {
			return nil, err
		}
		items = append(items, page...)
		if response.Links == nil || response.Links.IsLastPage() {
			return items, nil
		}
		opts.Page++
	}
}
