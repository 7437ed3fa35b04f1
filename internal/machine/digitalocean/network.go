// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// EnsureNetwork makes a VPC, and a firewall for what has the cluster's tag. Of the network, Network is the VPC's ID, and
// SecurityGroups are tags: those on which firewalls work. A VPC may be named by its name or its ID.
func (d *Cloud) EnsureNetwork(ctx context.Context, c machine.Cluster) (v1alpha1.CloudNetwork, error) {
	none := v1alpha1.CloudNetwork{}
	client, place, err := connect(c.Account)
	if err != nil {
		return none, err
	}
	tags, err := d.tidy(ctx, client, c)
	if err != nil {
		return none, err
	}
	for _, named := range c.Named.SecurityGroups {
		if !slices.ContainsFunc(tags, func(t godo.Tag) bool { return t.Name == named }) {
			return none, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
				"there is no tag %q at DigitalOcean: a security group there is a tag that a firewall works on", named)}
		}
	}
	vpc, err := ensureVPC(ctx, client, place, c)
	if err != nil {
		return none, err
	}
	if len(c.Named.SecurityGroups) > 0 {
		return v1alpha1.CloudNetwork{Network: vpc, SecurityGroups: c.Named.SecurityGroups}, nil
	}
	tag := clusterTag(c)
	if !slices.ContainsFunc(tags, func(t godo.Tag) bool { return t.Name == tag }) {
		if _, _, err := client.Tags.Create(ctx, &godo.TagCreateRequest{Name: tag}); err != nil {
			return none, classify("creating tag "+tag, err)
		}
	}
	if err := ensureFirewall(ctx, client, c); err != nil {
		return none, err
	}
	return v1alpha1.CloudNetwork{Network: vpc, SecurityGroups: []string{tag}}, nil
}

// ensureVPC returns the ID of the cluster's VPC.
func ensureVPC(ctx context.Context, client *godo.Client, place *v1alpha1.DigitalOceanPlace, c machine.Cluster) (string, error) {
	vpcs, err := all(ctx, client.VPCs.List)
	if err != nil {
		return "", classify("listing VPCs", err)
	}
	if named := c.Named.Network; named != "" {
		for _, vpc := range vpcs {
			if (vpc.ID == named || vpc.Name == named) && vpc.RegionSlug == place.Region {
				return vpc.ID, nil
			}
		}
		return "", &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
			"there is no VPC %q in region %s of DigitalOcean: name one that is there, or none", named, place.Region)}
	}
	if vpc := vpcOf(vpcs, c); vpc != nil {
		return vpc.ID, nil
	}
	vpc, _, err := client.VPCs.Create(ctx, &godo.VPCCreateRequest{Name: nameOf(c), RegionSlug: place.Region, Description: clusterTag(c)})
	if err != nil {
		return "", classify("creating VPC "+nameOf(c), err)
	}
	return vpc.ID, nil
}

// vpcOf returns the VPC that was made for the cluster. VPCs have no tags, but a description.
func vpcOf(vpcs []*godo.VPC, c machine.Cluster) *godo.VPC {
	for _, vpc := range vpcs {
		if vpc.Name == nameOf(c) && vpc.Description == clusterTag(c) {
			return vpc
		}
	}
	return nil
}

func ensureFirewall(ctx context.Context, client *godo.Client, c machine.Cluster) error {
	firewall, err := firewallOf(ctx, client, c)
	if err != nil || firewall != nil {
		return err
	}
	_, _, err = client.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name: nameOf(c), Tags: []string{clusterTag(c)}, InboundRules: inbound(clusterTag(c)), OutboundRules: outbound(),
	})
	return classify("creating firewall "+nameOf(c), err)
}

// firewallOf returns the firewall that was made for the cluster, nil if there is none.
func firewallOf(ctx context.Context, client *godo.Client, c machine.Cluster) (*godo.Firewall, error) {
	firewalls, err := all(ctx, client.Firewalls.List)
	if err != nil {
		return nil, classify("listing firewalls", err)
	}
	for i := range firewalls {
		if firewalls[i].Name == nameOf(c) && slices.Contains(firewalls[i].Tags, clusterTag(c)) {
			return &firewalls[i], nil
		}
	}
	return nil, nil
}

const allPorts = "1-65535"

var everywhere = []string{"0.0.0.0/0", "::/0"}

// inbound lets everything in from Droplets with the tag, and from everywhere what machines.OpenPorts says, SSH and pings.
func inbound(tag string) []godo.InboundRule {
	peers, world := &godo.Sources{Tags: []string{tag}}, &godo.Sources{Addresses: everywhere}
	open := fmt.Sprintf("%d-%d", machine.OpenPorts.First, machine.OpenPorts.Last)
	return []godo.InboundRule{
		{Protocol: "tcp", PortRange: allPorts, Sources: peers},
		{Protocol: "udp", PortRange: allPorts, Sources: peers},
		{Protocol: "icmp", Sources: world},
		{Protocol: "tcp", PortRange: "22", Sources: world},
		{Protocol: "tcp", PortRange: open, Sources: world},
		{Protocol: "udp", PortRange: open, Sources: world},
	}
}

func outbound() []godo.OutboundRule {
	world := &godo.Destinations{Addresses: everywhere}
	return []godo.OutboundRule{
		{Protocol: "tcp", PortRange: allPorts, Destinations: world},
		{Protocol: "udp", PortRange: allPorts, Destinations: world},
		{Protocol: "icmp", Destinations: world},
	}
}

// tidy deletes the tags of machines of the cluster that no Droplet has any more, and returns all tags that are left.
// DigitalOcean keeps a tag for ever.
func (d *Cloud) tidy(ctx context.Context, client *godo.Client, c machine.Cluster) ([]godo.Tag, error) {
	d.creating.Lock()
	defer d.creating.Unlock()
	tags, err := all(ctx, client.Tags.List)
	if err != nil {
		return nil, classify("listing tags", err)
	}
	var left []godo.Tag
	for _, tag := range tags {
		if !strings.HasPrefix(tag.Name, machineTags(c)) || inUse(tag) {
			left = append(left, tag)
			continue
		}
		if err := deleteTag(ctx, client, tag.Name); err != nil {
			return nil, err
		}
	}
	return left, nil
}

func deleteTag(ctx context.Context, client *godo.Client, name string) error {
	_, err := client.Tags.Delete(ctx, name)
	return classify("deleting tag "+name, ignoreNotFound(err))
}

// inUse reports whether anything has the tag.
func inUse(tag godo.Tag) bool { return tag.Resources != nil && tag.Resources.Count > 0 }

// DeleteNetwork deletes the firewall, the VPC and then the tags. It deletes none while there are Droplets with the tag: they would
// not be found any more.
func (d *Cloud) DeleteNetwork(ctx context.Context, c machine.Cluster) ([]string, error) {
	client, _, err := connect(c.Account)
	if err != nil {
		return nil, err
	}
	tags, err := d.tidy(ctx, client, c)
	if err != nil {
		return nil, err
	}
	own := slices.IndexFunc(tags, func(t godo.Tag) bool { return t.Name == clusterTag(c) })
	if own >= 0 && inUse(tags[own]) {
		return []string{"what has the tag " + clusterTag(c)}, nil
	}
	firewall, err := firewallOf(ctx, client, c)
	if err != nil {
		return nil, err
	}
	if firewall != nil {
		if _, err := client.Firewalls.Delete(ctx, firewall.ID); ignoreNotFound(err) != nil {
			return nil, classify("deleting firewall "+firewall.Name, err)
		}
	}
	left, err := deleteVPC(ctx, client, c)
	if err != nil || left != nil {
		return left, err
	}
	if own >= 0 {
		return nil, deleteTag(ctx, client, clusterTag(c))
	}
	return nil, nil
}

// deleteVPC returns the VPC if it has members still, such as load balancers.
func deleteVPC(ctx context.Context, client *godo.Client, c machine.Cluster) ([]string, error) {
	vpcs, err := all(ctx, client.VPCs.List)
	if err != nil {
		return nil, classify("listing VPCs", err)
	}
	vpc := vpcOf(vpcs, c)
	if vpc == nil {
		return nil, nil
	}
	_, err = client.VPCs.Delete(ctx, vpc.ID)
	if hasStatus(err, http.StatusConflict) || hasStatus(err, http.StatusForbidden) && strings.Contains(err.Error(), "members") {
		return []string{"VPC " + vpc.Name + ", which has members"}, nil
	}
	return nil, classify("deleting VPC "+vpc.Name, ignoreNotFound(err))
}
