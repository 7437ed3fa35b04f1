// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"context"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// addressKey returns what addresses are known by: capitals in Azure's identifiers mean nothing, and are not always the same.
func addressKey(id string) string { return strings.ToLower(id) }

// learnAddresses reads the addresses of all machines in the resource group if one of those that run has none yet. They are in
// the network interfaces, and in the public addresses that those name.
func (a *account) learnAddresses(ctx context.Context, group string, vms []*armcompute.VirtualMachine) error {
	if !slices.ContainsFunc(vms, func(vm *armcompute.VirtualMachine) bool {
		_, known := a.addresses.Get(addressKey(of(vm.ID)))
		return !known && of(vm.Properties.ProvisioningState) == "Succeeded"
	}) {
		return nil
	}
	nics, err := a.nics(ctx, group)
	if err != nil {
		return explain(err, "reading the network interfaces of the resource group "+group)
	}
	public, err := a.public(ctx, group)
	if err != nil {
		return explain(err, "reading the public addresses of the resource group "+group)
	}
	for _, nic := range nics {
		if nic.Properties == nil || nic.Properties.VirtualMachine == nil {
			continue
		}
		if addresses := addressesOf(nic, public); len(addresses) > 0 {
			a.addresses.Add(addressKey(of(nic.Properties.VirtualMachine.ID)), addresses)
		}
	}
	return nil
}

// addressesOf returns the addresses of a network interface; none as long as one is still missing.
func addressesOf(nic *armnetwork.Interface, public map[string]string) []clusterv1.MachineAddress {
	var found []clusterv1.MachineAddress
	for _, ip := range nic.Properties.IPConfigurations {
		if ip.Properties == nil || of(ip.Properties.PrivateIPAddress) == "" {
			return nil
		}
		found = append(found, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: *ip.Properties.PrivateIPAddress})
		if ip.Properties.PublicIPAddress == nil {
			continue
		}
		address := public[addressKey(of(ip.Properties.PublicIPAddress.ID))]
		if address == "" {
			return nil
		}
		found = append(found, clusterv1.MachineAddress{Type: clusterv1.MachineExternalIP, Address: address})
	}
	return found
}

func (a *account) nics(ctx context.Context, group string) ([]*armnetwork.Interface, error) {
	var all []*armnetwork.Interface
	pager := a.interfaces.NewListPager(group, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
	}
	return all, nil
}

func (a *account) public(ctx context.Context, group string) (map[string]string, error) {
	all := map[string]string{}
	pager := a.publicIPs.NewListPager(group, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, ip := range page.Value {
			if ip.Properties != nil {
				all[addressKey(of(ip.ID))] = of(ip.Properties.IPAddress)
			}
		}
	}
	return all, nil
}
