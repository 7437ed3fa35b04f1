// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package azure makes machines as virtual machines of Microsoft Azure. It runs inside the seed's manager, reads the
// credentials of a cluster and what there is in its subscription, and writes a resource group, a virtual network, a network
// security group and virtual machines there.
//
//	client.go    credentials → clients
//	network.go   what the machines of a cluster have in common
//	instance.go  one machine
//	address.go   where machines are reached
//	offers.go    what there is to choose from
//	verify.go    what the credentials may do
//	errors.go    what Azure says → whose business it is
//
// A cluster has a resource group of its own, unless it names one: with it goes whatever is in it. A virtual machine is asked
// for in one call with its disk, its network interface and its address, and all of that goes with it. Names are unique in a
// resource group, so that nothing can be made twice.
package azure

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"canopy.dev/canopy/internal/machine"
)

// Tags. Names of tags cannot have slashes here.
const (
	tagCluster = "canopy-cluster"
	tagMachine = "canopy-machine"
	tagPool    = "canopy-pool"
)

const (
	// maxName is the longest name of a virtual machine with Linux, and of what we make.
	maxName = 64
	// subnetName is the name of the subnet of a network that we make.
	subnetName = "nodes"
)

// name returns the name of what the machines of the cluster have in common.
func name(c machine.Cluster) string {
	sum := sha256.Sum256([]byte(c.UID))
	suffix := "-" + hex.EncodeToString(sum[:4])
	return shorten("canopy-"+c.Name, maxName-len(suffix)) + suffix
}

// groupOf returns the resource group of the cluster's machines, and whether it is one that we make.
func groupOf(c machine.Cluster) (group string, own bool) {
	if c.Named.ResourceGroup != "" {
		return c.Named.ResourceGroup, false
	}
	return name(c), true
}

// vmName returns the name of the machine's virtual machine: its own, if it can be one.
func vmName(m machine.Machine) string { return shorten(m.Name, maxName) }

func shorten(s string, n int) string { return strings.TrimRight(s[:min(len(s), n)], "-.") }

func clusterTags(c machine.Cluster) map[string]*string {
	return map[string]*string{tagCluster: new(string(c.UID))}
}

func machineTags(c machine.Cluster, m machine.Machine) map[string]*string {
	tags := clusterTags(c)
	tags[tagMachine], tags[tagPool] = new(string(m.UID)), &m.Pool
	return tags
}

// isOf reports whether what has the tags is the cluster's.
func isOf(tags map[string]*string, c machine.Cluster) bool {
	return of(tags[tagCluster]) == string(c.UID)
}

// of returns what p points to; for nil, the zero value.
func of[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// id returns the identifier of something in a resource group, or what was named if that is one already.
func (a *account) id(group, kind, named string) string {
	if strings.HasPrefix(named, "/") {
		return named
	}
	return "/subscriptions/" + a.subscription + "/resourceGroups/" + group + "/providers/" + kind + "/" + named
}

// The kinds of what is referred to by an identifier.
const (
	kindNetwork       = "Microsoft.Network/virtualNetworks"
	kindSecurityGroup = "Microsoft.Network/networkSecurityGroups"
	kindImage         = "Microsoft.Compute/images"
	kindIdentity      = "Microsoft.ManagedIdentity/userAssignedIdentities"
)

// split returns the resource group and the name of an identifier, or group and the identifier itself if it is only a name.
func split(group, id string) (inGroup, named string) {
	parts := strings.Split(id, "/")
	for i := range parts {
		if strings.EqualFold(parts[i], "resourceGroups") && i+1 < len(parts) {
			group = parts[i+1]
		}
	}
	return group, parts[len(parts)-1]
}
