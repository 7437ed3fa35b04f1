// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// block is the addresses of a network that is made. Pods and Services have others by default.
var block = &net.IPNet{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(16, 32)}

// EnsureNetwork makes a private network unless the cluster or the place names one, because no firewall there can let in the
// public addresses of machines that come and go; and a firewall for the public ones. What is named may be named by its name or
// its ID; what is returned are IDs.
func (Cloud) EnsureNetwork(ctx context.Context, c machine.Cluster) (v1alpha1.CloudNetwork, error) {
	none := v1alpha1.CloudNetwork{}
	client, place, err := connect(c.Account)
	if err != nil {
		return none, err
	}
	network, err := ensureNetwork(ctx, client, place, c)
	if err != nil {
		return none, err
	}
	firewalls, err := ensureFirewalls(ctx, client, c)
	if err != nil {
		return none, err
	}
	return v1alpha1.CloudNetwork{Network: network, SecurityGroups: firewalls}, nil
}

func ensureNetwork(ctx context.Context, client *hcloud.Client, place *v1alpha1.HetznerPlace, c machine.Cluster) (string, error) {
	named := c.Named.Network
	if named == "" {
		named = place.Network
	}
	if named != "" {
		network, _, err := client.Network.Get(ctx, named)
		if err != nil {
			return "", classify("reading network "+named, err)
		}
		if network == nil {
			return "", missing("network", named)
		}
		return strconv.FormatInt(network.ID, 10), nil
	}
	networks, err := networksOf(ctx, client, c)
	if err != nil {
		return "", err
	}
	if len(networks) > 0 {
		return strconv.FormatInt(networks[0].ID, 10), nil
	}
	location, _, err := client.Location.GetByName(ctx, place.Location)
	if err != nil {
		return "", classify("reading location "+place.Location, err)
	}
	if location == nil {
		return "", missing("location", place.Location)
	}
	network, _, err := client.Network.Create(ctx, hcloud.NetworkCreateOpts{
		Name: nameOf(c), Labels: labelsOf(c), IPRange: block,
		Subnets: []hcloud.NetworkSubnet{{Type: hcloud.NetworkSubnetTypeCloud, IPRange: block, NetworkZone: location.NetworkZone}},
	})
	if err != nil {
		return "", classify("creating network "+nameOf(c), err)
	}
	return strconv.FormatInt(network.ID, 10), nil
}

func missing(kind, name string) error {
	return &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
		"there is no %s %q in this project at Hetzner: name one that is there", kind, name)}
}

// ensureFirewalls returns the IDs of the cluster's firewalls.
func ensureFirewalls(ctx context.Context, client *hcloud.Client, c machine.Cluster) ([]string, error) {
	var ids []string
	for _, named := range c.Named.SecurityGroups {
		firewall, _, err := client.Firewall.Get(ctx, named)
		if err != nil {
			return nil, classify("reading firewall "+named, err)
		}
		if firewall == nil {
			return nil, missing("firewall", named)
		}
		ids = append(ids, strconv.FormatInt(firewall.ID, 10))
	}
	if len(ids) > 0 {
		return ids, nil
	}
	firewalls, err := firewallsOf(ctx, client, c)
	if err != nil {
		return nil, err
	}
	if len(firewalls) > 0 {
		return []string{strconv.FormatInt(firewalls[0].ID, 10)}, nil
	}
	made, _, err := client.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: nameOf(c), Labels: labelsOf(c), Rules: rules()})
	if err != nil {
		return nil, classify("creating firewall "+nameOf(c), err)
	}
	return []string{strconv.FormatInt(made.Firewall.ID, 10)}, nil
}

var everywhere = []net.IPNet{
	{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
	{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
}

// rules are for the public addresses: a private network has no firewall, and what goes out is let through.
func rules() []hcloud.FirewallRule {
	open := fmt.Sprintf("%d-%d", machine.OpenPorts.First, machine.OpenPorts.Last)
	in := func(protocol hcloud.FirewallRuleProtocol, port string) hcloud.FirewallRule {
		rule := hcloud.FirewallRule{Direction: hcloud.FirewallRuleDirectionIn, Protocol: protocol, SourceIPs: everywhere}
		if port != "" {
			rule.Port = &port
		}
		return rule
	}
	return []hcloud.FirewallRule{
		in(hcloud.FirewallRuleProtocolICMP, ""),
		in(hcloud.FirewallRuleProtocolTCP, "22"),
		in(hcloud.FirewallRuleProtocolTCP, open),
		in(hcloud.FirewallRuleProtocolUDP, open),
	}
}

// networksOf and firewallsOf return what was made for the cluster.
func networksOf(ctx context.Context, client *hcloud.Client, c machine.Cluster) ([]*hcloud.Network, error) {
	networks, err := client.Network.AllWithOpts(ctx, hcloud.NetworkListOpts{ListOpts: ofCluster(c)})
	return networks, classify("listing networks", err)
}

func firewallsOf(ctx context.Context, client *hcloud.Client, c machine.Cluster) ([]*hcloud.Firewall, error) {
	firewalls, err := client.Firewall.AllWithOpts(ctx, hcloud.FirewallListOpts{ListOpts: ofCluster(c)})
	return firewalls, classify("listing firewalls", err)
}

// DeleteNetwork deletes the firewall and the network. Hetzner would take a network from what is in it, so what is in use is
// left alone.
func (Cloud) DeleteNetwork(ctx context.Context, c machine.Cluster) ([]string, error) {
	client, _, err := connect(c.Account)
	if err != nil {
		return nil, err
	}
	var left []string
	firewalls, err := firewallsOf(ctx, client, c)
	if err != nil {
		return nil, err
	}
	for _, firewall := range firewalls {
		_, err := client.Firewall.Delete(ctx, firewall)
		if hcloud.IsError(err, hcloud.ErrorCodeResourceInUse, hcloud.ErrorCodeConflict) {
			left = append(left, "firewall "+firewall.Name+", which is in use")
			continue
		}
		if ignoreNotFound(err) != nil {
			return nil, classify("deleting firewall "+firewall.Name, err)
		}
	}
	networks, err := networksOf(ctx, client, c)
	if err != nil {
		return nil, err
	}
	for _, network := range networks {
		if n := len(network.Servers) + len(network.LoadBalancers); n > 0 {
			left = append(left, fmt.Sprintf("network %s, which %d servers and load balancers are in", network.Name, n))
			continue
		}
		if _, err := client.Network.Delete(ctx, network); ignoreNotFound(err) != nil {
			return nil, classify("deleting network "+network.Name, err)
		}
	}
	return left, nil
}
