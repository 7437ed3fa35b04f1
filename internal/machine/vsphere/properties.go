// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"net/netip"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"
)

// Keys of a machine's extra configuration, which is where it says what it was made for.
const (
	keyCluster = "canopy.cluster"
	keyMachine = "canopy.machine"
	keyAddress = "canopy.address"
)

// extra is the property with one key of a machine's extra configuration. All of it would be its user data as well.
func extra(key string) string { return `config.extraConfig["` + key + `"]` }

// machineProperties are those of a virtualMachine.
var machineProperties = vim.PropertySpec{Type: "VirtualMachine", PathSet: []string{
	"name", "config.instanceUuid", "config.uuid", "config.createDate", "runtime.powerState", "runtime.connectionState", "guest.net",
	extra(keyCluster), extra(keyMachine), extra(keyAddress),
}}

// virtualMachine is one as vCenter sees it. While it is being cloned, all but its name may be missing.
type virtualMachine struct {
	ref vim.ManagedObjectReference
	// id is vCenter's own UUID of it, and uuid the one that it sees itself.
	name, id, uuid string
	created        time.Time
	power          vim.VirtualMachinePowerState
	connection     vim.VirtualMachineConnectionState
	// reported are the addresses of its network cards, by its own word.
	reported []netip.Addr
	// cluster and machine are the UIDs of what it was made for, and address the static one that it was given.
	cluster, machine, address string
}

func virtualMachineOf(object vim.ObjectContent) virtualMachine {
	vm := virtualMachine{ref: object.Obj}
	for _, p := range object.PropSet {
		switch value := p.Val.(type) {
		case string:
			switch p.Name {
			case "name":
				vm.name = value
			case "config.instanceUuid":
				vm.id = value
			case "config.uuid":
				vm.uuid = value
			}
		case time.Time:
			vm.created = value
		case vim.VirtualMachinePowerState:
			vm.power = value
		case vim.VirtualMachineConnectionState:
			vm.connection = value
		case vim.ArrayOfGuestNicInfo:
			vm.reported = addressesOf(value.GuestNicInfo)
		case vim.OptionValue:
			text, _ := value.Value.(string)
			switch value.Key {
			case keyCluster:
				vm.cluster = text
			case keyMachine:
				vm.machine = text
			case keyAddress:
				vm.address = text
			}
		}
	}
	return vm
}

// addressesOf returns the addresses of network cards, and not of the bridges and tunnels that the machine has made itself.
func addressesOf(cards []vim.GuestNicInfo) []netip.Addr {
	var addresses []netip.Addr
	for _, card := range cards {
		for _, text := range card.IpAddress {
			if a, err := netip.ParseAddr(text); err == nil && card.DeviceConfigId >= 0 && a.IsGlobalUnicast() {
				addresses = append(addresses, a)
			}
		}
	}
	return addresses
}

// below selects what is in a folder, and with deep what is in folders of that folder as well.
func below(folder vim.ManagedObjectReference, deep bool) vim.ObjectSpec {
	traversal := &vim.TraversalSpec{SelectionSpec: vim.SelectionSpec{Name: "folder"}, Type: "Folder", Path: "childEntity", Skip: vim.NewBool(false)}
	if deep {
		traversal.SelectSet = []vim.BaseSelectionSpec{&vim.SelectionSpec{Name: "folder"}}
	}
	return vim.ObjectSpec{Obj: folder, Skip: vim.NewBool(true), SelectSet: []vim.BaseSelectionSpec{traversal}}
}

// retrieve reads properties, in one call.
func (s *session) retrieve(ctx context.Context, specs ...vim.PropertyFilterSpec) ([]vim.ObjectContent, error) {
	content, err := mo.RetrievePropertiesEx(ctx, s.client, vim.RetrievePropertiesEx{This: s.client.ServiceContent.PropertyCollector, SpecSet: specs})
	if err != nil {
		return nil, err
	}
	for _, object := range content {
		for _, missing := range object.MissingSet {
			// A virtual machine that is being made has not all properties yet.
			if _, unset := missing.Fault.Fault.(*vim.InvalidProperty); !unset {
				return nil, soap.WrapVimFault(missing.Fault.Fault)
			}
		}
	}
	return content, nil
}

// machinesBelow returns the virtual machines in a folder, and with deep in its folders as well.
func (s *session) machinesBelow(ctx context.Context, folder vim.ManagedObjectReference, deep bool) ([]virtualMachine, error) {
	content, err := s.retrieve(ctx, vim.PropertyFilterSpec{ObjectSet: []vim.ObjectSpec{below(folder, deep)}, PropSet: []vim.PropertySpec{machineProperties}})
	var machines []virtualMachine
	for _, object := range content {
		machines = append(machines, virtualMachineOf(object))
	}
	return machines, err
}
