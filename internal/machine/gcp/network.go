// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

const (
	// nodeRange are the addresses of machines in a network of their own. It is apart from the default ranges of pods and
	// Services.
	nodeRange = "10.64.0.0/16"
	// operationWait is how long one call waits for an operation, and operationPause when it is looked at again.
	operationWait  = 20 * time.Second
	operationPause = 5 * time.Second
)

// EnsureNetwork makes a network, a subnet of it in the region, and firewall rules for machines with the cluster's network
// tag. In a network that the spec names, the subnet is one that is there.
func (c *Cloud) EnsureNetwork(ctx context.Context, cl machine.Cluster) (v1alpha1.CloudNetwork, error) {
	a, err := c.account(ctx, cl.Account)
	if err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	network, own := networkOf(cl, a.project)
	if err := a.ensureNetwork(ctx, cl, network, own); err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	result := cl.Named
	if own {
		result.Network = network.name
	}
	if result.Subnets, err = a.ensureSubnets(ctx, cl, network, own); err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	if len(cl.Named.SecurityGroups) == 0 {
		if err := a.ensureFirewall(ctx, cl, network); err != nil {
			return v1alpha1.CloudNetwork{}, err
		}
		result.SecurityGroups = []string{name(cl)}
	}
	return result, nil
}

func (a *account) ensureNetwork(ctx context.Context, cl machine.Cluster, network reference, own bool) error {
	doing := "reading the network " + network.name
	found, err := a.compute.Networks.Get(network.project, network.name).Context(ctx).Do()
	if err == nil {
		return ours(own, found.Description, cl, doing)
	}
	if !own || !is(err, http.StatusNotFound) {
		return explain(err, doing)
	}
	doing = "making the network " + network.name
	op, err := a.compute.Networks.Insert(network.project, &compute.Network{
		Name: network.name, Description: description(cl),
		RoutingConfig:         &compute.NetworkRoutingConfig{RoutingMode: "REGIONAL"},
		AutoCreateSubnetworks: false, ForceSendFields: []string{"AutoCreateSubnetworks"}, // absent means an old kind of network
	}).Context(ctx).Do()
	return a.wait(ctx, network.project, op, err, doing)
}

// ours returns an error for what has the name of something that we make, and was made by somebody else.
func ours(own bool, found string, cl machine.Cluster, doing string) error {
	if own && found != description(cl) {
		return refused(v1alpha1.ReasonDependencies, doing, "it is there already and its description is not "+description(cl))
	}
	return nil
}

func (a *account) ensureSubnets(ctx context.Context, cl machine.Cluster, network reference, own bool) ([]string, error) {
	region := a.place.Region
	for _, named := range cl.Named.Subnets {
		subnet := refer(named, network.project)
		if _, err := a.compute.Subnetworks.Get(subnet.project, region, subnet.name).Context(ctx).Do(); err != nil {
			return nil, explain(err, fmt.Sprintf("reading the subnet %s in %s", named, region))
		}
	}
	switch {
	case len(cl.Named.Subnets) > 0:
		return cl.Named.Subnets, nil
	case !own:
		return a.subnetOf(ctx, network)
	}
	subnet := reference{project: a.project, name: name(cl)}
	doing := "reading the subnet " + subnet.name
	found, err := a.compute.Subnetworks.Get(subnet.project, region, subnet.name).Context(ctx).Do()
	if err == nil {
		return []string{subnet.name}, ours(true, found.Description, cl, doing)
	}
	if !is(err, http.StatusNotFound) {
		return nil, explain(err, doing)
	}
	doing = "making the subnet " + subnet.name
	op, err := a.compute.Subnetworks.Insert(subnet.project, region, &compute.Subnetwork{
		Name: subnet.name, Description: description(cl), Network: network.network(), IpCidrRange: nodeRange,
		PrivateIpGoogleAccess: true,
	}).Context(ctx).Do()
	return []string{subnet.name}, a.wait(ctx, subnet.project, op, err, doing)
}

// subnetOf returns the only subnet that a named network has in the region.
func (a *account) subnetOf(ctx context.Context, network reference) ([]string, error) {
	doing := fmt.Sprintf("looking for the subnet of the network %s in %s", network.name, a.place.Region)
	var found []string
	err := a.compute.Subnetworks.List(network.project, a.place.Region).Pages(ctx, func(page *compute.SubnetworkList) error {
		for _, s := range page.Items {
			if strings.HasSuffix(s.Network, "/"+network.network()) {
				found = append(found, s.Name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, explain(err, doing)
	}
	if len(found) != 1 {
		return nil, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf("%s: it has %d there: name one beside the network", doing, len(found))}
	}
	if network.project != a.project {
		found[0] = reference{network.project, found[0]}.subnet(a.place.Region)
	}
	return found, nil
}

// rules returns the firewall rules of the cluster. Outwards Google's networks let everything through by themselves.
func rules(cl machine.Cluster, network reference) []*compute.Firewall {
	tag := name(cl)
	ports := fmt.Sprintf("%d-%d", machine.OpenPorts.First, machine.OpenPorts.Last)
	rule := func(suffix string) *compute.Firewall {
		return &compute.Firewall{Name: tag + suffix, Description: description(cl), Network: network.network(), Direction: "INGRESS", TargetTags: []string{tag}}
	}
	between, outside := rule("-internal"), rule("-public")
	between.SourceTags = []string{tag}
	between.Allowed = []*compute.FirewallAllowed{{IPProtocol: "all"}}
	outside.SourceRanges = []string{"0.0.0.0/0"}
	outside.Allowed = []*compute.FirewallAllowed{
		{IPProtocol: "tcp", Ports: []string{"22", ports}}, {IPProtocol: "udp", Ports: []string{ports}}, {IPProtocol: "icmp"},
	}
	return []*compute.Firewall{between, outside}
}

func (a *account) ensureFirewall(ctx context.Context, cl machine.Cluster, network reference) error {
	there, err := a.firewalls(ctx, network.project, fmt.Sprintf("(description = %q)", description(cl)))
	if err != nil {
		return err
	}
	for _, rule := range rules(cl, network) {
		if slices.ContainsFunc(there, func(f *compute.Firewall) bool { return f.Name == rule.Name }) {
			continue
		}
		doing := "making the firewall rule " + rule.Name
		op, err := a.compute.Firewalls.Insert(network.project, rule).Context(ctx).Do()
		if err := a.wait(ctx, network.project, op, err, doing); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) firewalls(ctx context.Context, project, filter string) ([]*compute.Firewall, error) {
	var found []*compute.Firewall
	err := a.compute.Firewalls.List(project).Filter(filter).Pages(ctx, func(page *compute.FirewallList) error {
		found = append(found, page.Items...)
		return nil
	})
	if err != nil {
		return nil, explain(err, "reading the firewall rules")
	}
	return found, nil
}

// DeleteNetwork deletes what EnsureNetwork has made: rules and subnet first, and when they are gone the network.
func (c *Cloud) DeleteNetwork(ctx context.Context, cl machine.Cluster) ([]string, error) {
	a, err := c.account(ctx, cl.Account)
	if err != nil {
		return nil, err
	}
	network, own := networkOf(cl, a.project)
	made, err := a.madeNetwork(ctx, cl, own)
	if err != nil {
		return nil, err
	}
	left, others, err := a.deleteFirewall(ctx, cl, network, made)
	if err != nil || made == nil {
		return left, err
	}
	left = append(left, "network "+made.Name)
	subnet, err := a.deleteSubnet(ctx, cl)
	switch {
	case err != nil:
		return left, err
	case subnet:
		left = append(left, "subnet "+name(cl))
	case len(left) > 1: // rules
	case len(others) > 0:
		return left, refused(v1alpha1.ReasonDependencies, "deleting the network "+made.Name, "firewall rules of others use it: "+strings.Join(others, ", "))
	default:
		_, err = a.compute.Networks.Delete(a.project, made.Name).Context(ctx).Do()
		return left, goes(err, "deleting the network "+made.Name)
	}
	return left, nil
}

// madeNetwork returns the network that was made for the cluster; nil if there is none.
func (a *account) madeNetwork(ctx context.Context, cl machine.Cluster, own bool) (*compute.Network, error) {
	if !own {
		return nil, nil
	}
	found, err := a.compute.Networks.Get(a.project, name(cl)).Context(ctx).Do()
	if is(err, http.StatusNotFound) || err == nil && found.Description != description(cl) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "reading the network "+name(cl))
	}
	return found, nil
}

// deleteFirewall deletes the cluster's firewall rules. It returns them, and the names of those that others have made in its
// own network, which cannot go before them.
func (a *account) deleteFirewall(ctx context.Context, cl machine.Cluster, network reference, made *compute.Network) (left, others []string, err error) {
	filter := fmt.Sprintf("(description = %q)", description(cl))
	if made != nil {
		filter += fmt.Sprintf(" OR (network = %q)", made.SelfLink)
	}
	found, err := a.firewalls(ctx, network.project, filter)
	if err != nil {
		return nil, nil, err
	}
	for _, rule := range found {
		if rule.Description != description(cl) {
			others = append(others, rule.Name)
			continue
		}
		left = append(left, "firewall rule "+rule.Name)
		_, err := a.compute.Firewalls.Delete(network.project, rule.Name).Context(ctx).Do()
		if err := goes(err, "deleting the firewall rule "+rule.Name); err != nil {
			return left, others, err
		}
	}
	return left, others, nil
}

// deleteSubnet reports whether the subnet that was made for the cluster is still there.
func (a *account) deleteSubnet(ctx context.Context, cl machine.Cluster) (bool, error) {
	found, err := a.compute.Subnetworks.Get(a.project, a.place.Region, name(cl)).Context(ctx).Do()
	if is(err, http.StatusNotFound) || err == nil && found.Description != description(cl) {
		return false, nil
	}
	if err != nil {
		return false, explain(err, "reading the subnet "+name(cl))
	}
	_, err = a.compute.Subnetworks.Delete(a.project, a.place.Region, name(cl)).Context(ctx).Do()
	return true, goes(err, "deleting the subnet "+name(cl))
}

// goes explains why something does not go. That it is on its way, or gone, is no error.
func goes(err error, doing string) error {
	if err == nil || is(err, http.StatusNotFound) || saidReason(err) == "resourceNotReady" {
		return nil
	}
	return explain(err, doing)
}

// wait waits until an operation has ended, for a while: Google answers when it has. What is there already is made.
func (a *account) wait(ctx context.Context, project string, op *compute.Operation, err error, doing string) error {
	if is(err, http.StatusConflict) {
		return nil
	}
	if err != nil {
		return explain(err, doing)
	}
	waiting, cancel := context.WithTimeout(ctx, operationWait)
	defer cancel()
	for op.Status != "DONE" {
		if op.Region != "" {
			op, err = a.compute.RegionOperations.Wait(project, last(op.Region), op.Name).Context(waiting).Do()
		} else {
			op, err = a.compute.GlobalOperations.Wait(project, op.Name).Context(waiting).Do()
		}
		if err != nil && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded) {
			return &machine.RefusedError{Reason: v1alpha1.ReasonWaitingForCloud, Message: doing + ": Google Cloud has not finished yet", After: operationPause}
		}
		if err != nil {
			return explain(err, doing)
		}
	}
	if op.Error != nil {
		return explainOperation(op, doing)
	}
	return nil
}
