// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"net/netip"
	"slices"
	"strings"
)

// defaultGroup is the name of the security group that each VPC has.
const defaultGroup = "default"

// group is a security group.
type group struct {
	about

	ID          string `xml:"groupId"`
	Name        string `xml:"groupName"`
	Description string `xml:"groupDescription"`
	VPC         string `xml:"vpcId"`
	Rules       []rule `xml:"ipPermissions>item"`
}

// rule has all sources of a protocol and its ports.
type rule struct {
	Protocol string    `xml:"ipProtocol"`
	From     string    `xml:"fromPort,omitempty"`
	To       string    `xml:"toPort,omitempty"`
	Groups   []groupID `xml:"groups>item"`
	Ranges   []ipRange `xml:"ipRanges>item"`
}

type ipRange struct {
	CIDR string `xml:"cidrIp"`
}

func (g *group) attribute(filter string) ([]string, bool) {
	switch filter {
	case "vpc-id":
		return []string{g.VPC}, true
	case "group-id":
		return []string{g.id}, true
	case "group-name":
		return []string{g.Name}, true
	case "ip-permission.group-id":
		var sources []string
		for _, r := range g.Rules {
			for _, source := range r.Groups {
				sources = append(sources, source.ID)
			}
		}
		return sources, true
	}
	return g.tag(filter)
}

func createGroup(c *Cloud, r *call) (any, error) {
	v, err := find(r, c.vpcs, "VpcID", r.params.get("VpcId"))
	if err != nil {
		return nil, err
	}
	name := r.params.get("GroupName")
	for _, text := range []string{name, r.params.get("GroupDescription")} {
		if !groupText.MatchString(text) || strings.HasPrefix(text, "sg-") {
			return nil, fail("InvalidParameterValue", "Value (%s) for a name or a description is invalid. Character sets beyond ASCII are not supported.", text)
		}
	}
	if _, taken := c.groups.Find(func(g *group) bool { return g.VPC == v.id && g.Name == name }); taken {
		return nil, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.id)
	}
	tags, err := r.tags("security-group")
	if err != nil {
		return nil, err
	}
	id := c.id("sg")
	c.groups.Put(id, &group{about: about{id, r.region, tags}, ID: id, Name: name, Description: r.params.get("GroupDescription"), VPC: v.id})
	return struct {
		ID     string `xml:"groupId"`
		Return bool   `xml:"return"`
	}{id, true}, nil
}

func authorize(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.groups, "Group", r.params.get("GroupId"))
	if err != nil {
		return nil, err
	}
	rules := slices.Clone(g.Rules)
	for _, p := range r.params.each("IpPermissions") {
		if rules, err = c.add(r, rules, p); err != nil {
			return nil, err
		}
	}
	g.Rules = rules // all or none
	return done{true}, nil
}

// add adds the rules of one permission to those that there are.
func (c *Cloud) add(r *call, rules []rule, p params) ([]rule, error) {
	protocol, from, to := p.get("IpProtocol"), p.get("FromPort"), p.get("ToPort")
	ports := protocol == "tcp" || protocol == "udp" || protocol == "icmp"
	if !ports && protocol != "-1" || ports && (from == "" || to == "") {
		return nil, fail("InvalidParameterValue", "Invalid value '%s' for IP protocol with the ports '%s' to '%s'.", protocol, from, to)
	}
	if protocol == "-1" {
		from, to = "", ""
	}
	at := slices.IndexFunc(rules, func(o rule) bool { return o.Protocol == protocol && o.From == from && o.To == to })
	if at < 0 {
		at, rules = len(rules), append(rules, rule{Protocol: protocol, From: from, To: to})
	}
	own := rules[at]
	for _, pair := range p.each("Groups") {
		if _, err := find(r, c.groups, "Group", pair.get("GroupId")); err != nil {
			return nil, err
		}
		if source := (groupID{pair.get("GroupId")}); slices.Contains(own.Groups, source) {
			return nil, fail("InvalidPermission.Duplicate", "the specified rule already exists")
		}
		own.Groups = append(slices.Clone(own.Groups), groupID{pair.get("GroupId")})
	}
	for _, from := range p.each("IpRanges") {
		block, err := netip.ParsePrefix(from.get("CidrIp"))
		if err != nil {
			return nil, fail("InvalidParameterValue", "CIDR block %s is malformed", from.get("CidrIp"))
		}
		if source := (ipRange{block.String()}); slices.Contains(own.Ranges, source) {
			return nil, fail("InvalidPermission.Duplicate", "the specified rule already exists")
		}
		own.Ranges = append(slices.Clone(own.Ranges), ipRange{block.String()})
	}
	if len(own.Groups)+len(own.Ranges) == 0 {
		return nil, fail("MissingParameter", "A rule needs a source.")
	}
	rules[at] = own
	return rules, nil
}

// revoke takes rules away. Each has to be there.
func revoke(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.groups, "Group", r.params.get("GroupId"))
	if err != nil {
		return nil, err
	}
	rules := slices.Clone(g.Rules)
	for _, p := range r.params.each("IpPermissions") {
		if rules, err = remove(rules, p); err != nil {
			return nil, err
		}
	}
	g.Rules = rules // all or none
	return done{true}, nil
}

// remove removes the rules of one permission from those that there are.
func remove(rules []rule, p params) ([]rule, error) {
	at := slices.IndexFunc(rules, func(o rule) bool {
		return o.Protocol == p.get("IpProtocol") && o.From == p.get("FromPort") && o.To == p.get("ToPort")
	})
	missing := fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	if at < 0 {
		return nil, missing
	}
	own := rules[at]
	for _, pair := range p.each("Groups") {
		source := groupID{pair.get("GroupId")}
		if !slices.Contains(own.Groups, source) {
			return nil, missing
		}
		own.Groups = slices.DeleteFunc(slices.Clone(own.Groups), func(o groupID) bool { return o == source })
	}
	for _, from := range p.each("IpRanges") {
		source := ipRange{from.get("CidrIp")}
		if !slices.Contains(own.Ranges, source) {
			return nil, missing
		}
		own.Ranges = slices.DeleteFunc(slices.Clone(own.Ranges), func(o ipRange) bool { return o == source })
	}
	if rules[at] = own; len(own.Groups)+len(own.Ranges) == 0 {
		rules = slices.Delete(rules, at, at+1)
	}
	return rules, nil
}

func deleteGroup(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.groups, "Group", r.params.get("GroupId"))
	if err != nil {
		return nil, err
	}
	if g.Name == defaultGroup {
		return nil, fail("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.id)
	}
	if err := c.inUse("resource "+g.id, func(_, _ string, groups []string) bool { return slices.Contains(groups, g.id) }); err != nil {
		return nil, err
	}
	for _, other := range c.groups.All() {
		for _, rule := range other.Rules {
			if other != g && slices.Contains(rule.Groups, groupID{g.id}) {
				return nil, fail("DependencyViolation", "resource %s has a dependent object", g.id)
			}
		}
	}
	c.groups.Remove(g.id)
	return done{true}, nil
}
