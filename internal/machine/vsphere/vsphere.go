// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package vsphere makes machines on vSphere: each is a clone of a template, in a folder that its cluster has to itself. It runs
// inside the seed's manager, and reads and writes nothing but a vCenter. vSphere has no tags that come with a new virtual
// machine, so they are written into its extra configuration; of two clones with the same name in the same folder vCenter
// makes one.
//
//	session.go     credentials and place → a session, which is opened again when it has ended
//	inventory.go   names → vCenter's references to what they name
//	network.go     the cluster's folder
//	instance.go    clones: made, found and deleted
//	clones.go      clones that are still being made, which vCenter does not list yet
//	guestinfo.go   what a machine is told about itself
//	addresses.go   static addresses, each given to one machine
//	offers.go      what can be had
//	verify.go      what the credentials may do
//	errors.go      vCenter's faults → reasons
package vsphere

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/internal/machine"
)

// Cloud makes machines on vSphere.
type Cloud struct {
	mu       sync.Mutex
	sessions machine.Opened[*slot]
	clones   map[types.UID]*clone

	// giving is held while addresses are given out.
	giving sync.Mutex
}

var _ machine.Cloud = &Cloud{}

// New returns the cloud.
func New() *Cloud {
	return &Cloud{sessions: machine.NewOpened[*slot](), clones: map[types.UID]*clone{}}
}
