// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/test/cloud/core"
)

var (
	tagName = regexp.MustCompile(`^[a-zA-Z0-9_:-]{1,255}$`)
	vpcName = regexp.MustCompile(`^[a-zA-Z0-9.-]{1,255}$`)
	ports   = regexp.MustCompile(`^[0-9]+(-[0-9]+)?$|^all$`)
)

// uuid returns one that was never returned before.
func (c *Cloud) uuid() string { return fmt.Sprintf("7e57c10d-0000-4000-8000-%012d", c.Serial()) }

func (c *Cloud) listVPCs(r *http.Request) (int, any, error) { return page(c, r, "vpcs", c.vpcs.All()) }

func (c *Cloud) createVPC(r *http.Request) (int, any, error) {
	var o godo.VPCCreateRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	_, taken := c.vpcs.Find(func(v *godo.VPC) bool { return v.Name == o.Name })
	switch {
	case !vpcName.MatchString(o.Name):
		return 0, nil, invalid("Name is invalid")
	case taken:
		return 0, nil, invalid("Name has already been taken")
	case !slices.ContainsFunc(regions, func(r godo.Region) bool { return r.Slug == o.RegionSlug }):
		return 0, nil, invalid("Region is invalid")
	case len(o.Description) > 255:
		return 0, nil, invalid("Description is too long (maximum is 255 characters)")
	}
	id := c.uuid()
	vpc := &godo.VPC{
		ID: id, URN: "do:vpc:" + id, Name: o.Name, Description: o.Description, RegionSlug: o.RegionSlug,
		IPRange: fmt.Sprintf("10.%d.0.0/20", 100+c.Serial()%100), CreatedAt: time.Now().UTC(),
	}
	c.vpcs.Put(id, vpc)
	return http.StatusCreated, map[string]any{"vpc": vpc}, nil
}

func (c *Cloud) deleteVPC(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	if _, there := c.vpcs.Get(id); !there {
		return 0, nil, notFound()
	}
	if len(c.Instances(r.Context(), func(i *core.Instance) bool { return i.Detail == id })) > 0 {
		return 0, nil, core.Refuse(core.Conflict, "Can not delete VPC with members")
	}
	c.vpcs.Remove(id)
	return http.StatusNoContent, nil, nil
}

func (c *Cloud) listFirewalls(r *http.Request) (int, any, error) {
	return page(c, r, "firewalls", c.firewalls.All())
}

func (c *Cloud) createFirewall(r *http.Request) (int, any, error) {
	var o godo.FirewallRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	if err := c.checkFirewall(o); err != nil {
		return 0, nil, err
	}
	firewall := &godo.Firewall{
		ID: c.uuid(), Name: o.Name, Status: "succeeded", InboundRules: o.InboundRules, OutboundRules: o.OutboundRules,
		DropletIDs: o.DropletIDs, Tags: o.Tags, Created: time.Now().UTC().Format(time.RFC3339),
	}
	c.firewalls.Put(firewall.ID, firewall)
	return http.StatusAccepted, map[string]any{"firewall": firewall}, nil
}

// checkFirewall refuses what the API refuses.
func (c *Cloud) checkFirewall(o godo.FirewallRequest) error {
	if !hostname.MatchString(o.Name) {
		return invalid("firewall must have a name of letters, digits, dots and dashes")
	}
	if len(o.InboundRules)+len(o.OutboundRules) == 0 {
		return invalid("firewall must have at least one rule")
	}
	if _, taken := c.firewalls.Find(func(f *godo.Firewall) bool { return f.Name == o.Name }); taken {
		return core.Refuse(core.Conflict, "duplicate name")
	}
	tags := slices.Clone(o.Tags)
	var addresses []string
	for _, rule := range o.InboundRules {
		if rule.Sources == nil || len(rule.Sources.Addresses)+len(rule.Sources.Tags) == 0 || !rightPorts(rule.Protocol, rule.PortRange) {
			return invalid("inbound rule of %s is invalid", rule.Protocol)
		}
		tags, addresses = append(tags, rule.Sources.Tags...), append(addresses, rule.Sources.Addresses...)
	}
	for _, rule := range o.OutboundRules {
		if rule.Destinations == nil || len(rule.Destinations.Addresses)+len(rule.Destinations.Tags) == 0 || !rightPorts(rule.Protocol, rule.PortRange) {
			return invalid("outbound rule of %s is invalid", rule.Protocol)
		}
		tags, addresses = append(tags, rule.Destinations.Tags...), append(addresses, rule.Destinations.Addresses...)
	}
	for _, tag := range tags {
		if _, there := c.tags.Get(tag); !there {
			return invalid("tag %s does not exist", tag)
		}
	}
	for _, address := range addresses {
		if _, err := netip.ParsePrefix(address); err != nil {
			return invalid("address %s is invalid", address)
		}
	}
	return nil
}

// rightPorts reports whether a rule of the protocol may have these ports.
func rightPorts(protocol, range_ string) bool {
	switch protocol {
	case "tcp", "udp":
		return ports.MatchString(range_)
	case "icmp":
		return range_ == ""
	}
	return false
}

func (c *Cloud) deleteFirewall(r *http.Request) (int, any, error) {
	if !c.firewalls.Remove(r.PathValue("id")) {
		return 0, nil, notFound()
	}
	return http.StatusNoContent, nil, nil
}

func (c *Cloud) listTags(r *http.Request) (int, any, error) {
	all := []godo.Tag{}
	for _, name := range c.tags.All() {
		n := c.Members(func(i *core.Instance) bool { return i.State != core.Ending && hasTag(i, name) })
		all = append(all, godo.Tag{Name: name, Resources: &godo.TaggedResources{Count: n, Droplets: &godo.TaggedDropletsResources{Count: n}}})
	}
	return page(c, r, "tags", all)
}

func (c *Cloud) createTag(r *http.Request) (int, any, error) {
	var o godo.TagCreateRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	if !tagName.MatchString(o.Name) {
		return 0, nil, invalid("Name is invalid")
	}
	if _, there := c.tags.Get(o.Name); !there {
		c.tags.Put(o.Name, o.Name)
	}
	return http.StatusCreated, map[string]any{"tag": godo.Tag{Name: o.Name, Resources: &godo.TaggedResources{}}}, nil
}

func (c *Cloud) deleteTag(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	if !c.tags.Remove(name) {
		return 0, nil, notFound()
	}
	for _, i := range c.Instances(r.Context(), func(i *core.Instance) bool { return hasTag(i, name) }) {
		delete(i.Tags, name)
	}
	return http.StatusNoContent, nil, nil
}
