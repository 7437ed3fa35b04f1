// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package openstack makes machines on OpenStack: servers of Nova. It runs inside the seed's manager, and reads and writes nothing
// but Keystone, Nova, Neutron and Glance. What it makes in Neutron says whose it is in its description, which unlike a tag is
// written while it is made; servers have a tag of their cluster, and say in their metadata what they were made for.
//
//	client.go     credentials and place → clients of the services
//	network.go    network, subnet and router of a cluster, made or named
//	unmake.go     and how they go
//	group.go      its security group
//	instance.go   servers
//	floating.go   their floating IPs, and the ports that these need
//	image.go      names → images and flavors
//	offers.go     what can be had
//	verify.go     what the credentials may do
//	errors.go     answers of the services → reasons
package openstack

import (
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/internal/machine"
)

// Cloud makes machines on OpenStack.
type Cloud struct {
	accounts machine.Opened[*account]
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud.
func New() *Cloud { return &Cloud{accounts: machine.NewOpened[*account]()} }

// Keys of a server's metadata: Nova does not take the slashes of machine.TagCluster and machine.TagMachine.
const (
	keyCluster = "canopy.dev:cluster"
	keyMachine = "canopy.dev:machine"
)

// serverTag is the tag that all servers of a cluster have: Nova finds them by it.
func serverTag(cluster types.UID) string { return "canopy:" + string(cluster) }

// description is that of all that a cluster has in Neutron.
func description(cluster types.UID) string { return machine.TagCluster + "=" + string(cluster) }

// nameOf is the name of what a cluster has in Neutron.
func nameOf(c machine.Cluster) string { return "canopy-" + c.Name }
