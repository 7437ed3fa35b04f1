// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

const (
	// networkRange are the addresses of a network of the cluster's own, all of which are its only subnet's. It is apart from
	// the default ranges of pods and Services.
	networkRange = "10.64.0.0/16"
	// operationWait is how long one call waits for an operation, operationLook how often it looks, and operationPause when the
	// operation is looked at again after that.
	operationWait  = 20 * time.Second
	operationLook  = time.Second
	operationPause = 5 * time.Second
	deleting       = "Deleting"
)

// EnsureNetwork makes a resource group, and in it a security group and a network with one subnet.
func (c *Cloud) EnsureNetwork(ctx context.Context, cl machine.Cluster) (v1alpha1.CloudNetwork, error) {
	a, err := c.account(cl.Account)
	if err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	result := cl.Named
	if result.ResourceGroup, err = a.ensureGroup(ctx, cl); err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	if len(cl.Named.SecurityGroups) == 0 {
		result.SecurityGroups = []string{name(cl)}
	}
	if cl.Named.Network == "" {
		result.Network = name(cl)
	}
	if len(cl.Named.Subnets) == 0 {
		result.Subnets = []string{subnetName}
	}
	steps := []func(context.Context, machine.Cluster, v1alpha1.CloudNetwork) error{a.ensureSecurityGroup, a.ensureVirtualNetwork}
	if cl.Named.Network != "" { // is looked at before anything is made
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(ctx, cl, result); err != nil {
			return v1alpha1.CloudNetwork{}, err
		}
	}
	return result, nil
}

func (a *account) ensureGroup(ctx context.Context, cl machine.Cluster) (string, error) {
	group, own := groupOf(cl)
	doing := "reading the resource group " + group
	found, err := a.groups.Get(ctx, group, nil)
	switch {
	case err == nil && own && !isOf(found.Tags, cl):
		return "", refused(v1alpha1.ReasonDependencies, doing, "it is there already, and not the cluster's")
	case err == nil:
		return group, nil
	case !own || !is(err, http.StatusNotFound):
		return "", explain(err, doing)
	}
	_, err = a.groups.CreateOrUpdate(ctx, group, armresources.ResourceGroup{Location: &a.place.Location, Tags: clusterTags(cl)}, nil)
	if err != nil {
		return "", explain(err, "making the resource group "+group)
	}
	return group, nil
}

func (a *account) ensureSecurityGroup(ctx context.Context, cl machine.Cluster, n v1alpha1.CloudNetwork) error {
	group, named := split(n.ResourceGroup, n.SecurityGroups[0])
	doing := "reading the network security group " + named
	_, err := a.security.Get(ctx, group, named, nil)
	if err == nil {
		return nil
	}
	if len(cl.Named.SecurityGroups) > 0 || !is(err, http.StatusNotFound) {
		return explain(err, doing)
	}
	doing = "making the network security group " + named
	poller, err := a.security.BeginCreateOrUpdate(ctx, group, named, armnetwork.SecurityGroup{
		Location: &a.place.Location, Tags: clusterTags(cl),
		Properties: &armnetwork.SecurityGroupPropertiesFormat{SecurityRules: rules()},
	}, nil)
	return wait(ctx, poller, err, doing)
}

// rules returns what is let in from outside. Within a network, and outwards, Azure lets everything through by itself.
func rules() []*armnetwork.SecurityRule {
	ports := fmt.Sprintf("%d-%d", machine.OpenPorts.First, machine.OpenPorts.Last)
	rule := func(priority int32, name string, protocol armnetwork.SecurityRuleProtocol, ports ...*string) *armnetwork.SecurityRule {
		return &armnetwork.SecurityRule{Name: &name, Properties: &armnetwork.SecurityRulePropertiesFormat{
			Priority: &priority, Protocol: &protocol, Access: new(armnetwork.SecurityRuleAccessAllow), Direction: new(armnetwork.SecurityRuleDirectionInbound),
			SourceAddressPrefix: new("*"), SourcePortRange: new("*"), DestinationAddressPrefix: new("*"), DestinationPortRanges: ports,
		}}
	}
	icmp := rule(120, "icmp", armnetwork.SecurityRuleProtocolIcmp)
	icmp.Properties.DestinationPortRange = new("*")
	return []*armnetwork.SecurityRule{
		rule(100, "tcp", armnetwork.SecurityRuleProtocolTCP, new("22"), &ports),
		rule(110, "udp", armnetwork.SecurityRuleProtocolUDP, &ports),
		icmp,
	}
}

func (a *account) ensureVirtualNetwork(ctx context.Context, cl machine.Cluster, n v1alpha1.CloudNetwork) error {
	group, named := split(n.ResourceGroup, n.Network)
	doing := "reading the virtual network " + named
	found, err := a.networks.Get(ctx, group, named, nil)
	if err == nil {
		return hasSubnet(found.VirtualNetwork, n.Subnets[0], doing)
	}
	if cl.Named.Network != "" || !is(err, http.StatusNotFound) {
		return explain(err, doing)
	}
	doing = "making the virtual network " + named
	poller, err := a.networks.BeginCreateOrUpdate(ctx, group, named, armnetwork.VirtualNetwork{
		Location: &a.place.Location, Tags: clusterTags(cl),
		Properties: &armnetwork.VirtualNetworkPropertiesFormat{
			AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{new(networkRange)}},
			Subnets: []*armnetwork.Subnet{{Name: new(subnetName), Properties: &armnetwork.SubnetPropertiesFormat{
				AddressPrefix: new(networkRange),
				// For cloud controllers, which look for it here to let in what load balancers bring.
				NetworkSecurityGroup: &armnetwork.SecurityGroup{ID: new(a.id(n.ResourceGroup, kindSecurityGroup, n.SecurityGroups[0]))},
			}}},
		},
	}, nil)
	return wait(ctx, poller, err, doing)
}

func hasSubnet(network armnetwork.VirtualNetwork, named, doing string) error {
	_, named = split("", named)
	if network.Properties != nil {
		for _, s := range network.Properties.Subnets {
			if of(s.Name) == named {
				return nil
			}
		}
	}
	return refused(v1alpha1.ReasonConfiguration, doing, "it has no subnet "+named)
}

// DeleteNetwork deletes the resource group; if that was named, what was made in it.
func (c *Cloud) DeleteNetwork(ctx context.Context, cl machine.Cluster) ([]string, error) {
	a, err := c.account(cl.Account)
	if err != nil {
		return nil, err
	}
	group, own := groupOf(cl)
	if own {
		return a.deleteGroup(ctx, cl, group)
	}
	// The security group last: the subnet uses it.
	left, err := a.deleteVirtualNetwork(ctx, cl, group)
	if err != nil || len(left) > 0 {
		return left, err
	}
	return a.deleteSecurityGroup(ctx, cl, group)
}

func (a *account) deleteGroup(ctx context.Context, cl machine.Cluster, group string) ([]string, error) {
	found, err := a.groups.Get(ctx, group, nil)
	if is(err, http.StatusNotFound) || err == nil && !isOf(found.Tags, cl) {
		return nil, nil
	}
	left := []string{"resource group " + group}
	if err == nil && (found.Properties == nil || of(found.Properties.ProvisioningState) != deleting) {
		_, err = a.groups.BeginDelete(ctx, group, nil)
	}
	return left, goes(err, "deleting the resource group "+group)
}

func (a *account) deleteVirtualNetwork(ctx context.Context, cl machine.Cluster, group string) ([]string, error) {
	if cl.Named.Network != "" {
		return nil, nil
	}
	found, err := a.networks.Get(ctx, group, name(cl), nil)
	if is(err, http.StatusNotFound) || err == nil && !isOf(found.Tags, cl) {
		return nil, nil
	}
	if err == nil && of(found.Properties.ProvisioningState) != deleting {
		_, err = a.networks.BeginDelete(ctx, group, name(cl), nil)
	}
	return []string{"virtual network " + name(cl)}, goes(err, "deleting the virtual network "+name(cl))
}

func (a *account) deleteSecurityGroup(ctx context.Context, cl machine.Cluster, group string) ([]string, error) {
	if len(cl.Named.SecurityGroups) > 0 {
		return nil, nil
	}
	found, err := a.security.Get(ctx, group, name(cl), nil)
	if is(err, http.StatusNotFound) || err == nil && !isOf(found.Tags, cl) {
		return nil, nil
	}
	if err == nil && of(found.Properties.ProvisioningState) != deleting {
		_, err = a.security.BeginDelete(ctx, group, name(cl), nil)
	}
	return []string{"network security group " + name(cl)}, goes(err, "deleting the network security group "+name(cl))
}

// goes explains why something does not go. That it is gone is no error.
func goes(err error, doing string) error {
	if err == nil || is(err, http.StatusNotFound) {
		return nil
	}
	return explain(err, doing)
}

// wait waits until an operation has ended, for a while.
func wait[T any](ctx context.Context, poller *runtime.Poller[T], err error, doing string) error {
	if err != nil {
		return explain(err, doing)
	}
	waiting, cancel := context.WithTimeout(ctx, operationWait)
	defer cancel()
	_, err = poller.PollUntilDone(waiting, &runtime.PollUntilDoneOptions{Frequency: operationLook})
	if err != nil && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return &machine.RefusedError{Reason: v1alpha1.ReasonWaitingForCloud, Message: doing + ": Azure has not finished yet", After: operationPause}
	}
	if err != nil {
		return explain(err, doing)
	}
	return nil
}
