// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"canopy.dev/canopy/test/cloud/core"
)

type vpc struct {
	about

	ID    string `xml:"vpcId"`
	Block string `xml:"cidrBlock"`
	State string `xml:"state"`
}

func (v *vpc) attribute(filter string) ([]string, bool) {
	if filter == "vpc-id" {
		return []string{v.id}, true
	}
	return v.tag(filter)
}

type subnet struct {
	about

	ID    string `xml:"subnetId"`
	VPC   string `xml:"vpcId"`
	Block string `xml:"cidrBlock"`
	Zone  string `xml:"availabilityZone"`
	State string `xml:"state"`
}

func (s *subnet) attribute(filter string) ([]string, bool) {
	switch filter {
	case "vpc-id":
		return []string{s.VPC}, true
	case "availability-zone":
		return []string{s.Zone}, true
	}
	return s.tag(filter)
}

type gateway struct {
	about

	ID          string       `xml:"internetGatewayId"`
	Attachments []attachment `xml:"attachmentSet>item"`
}

type attachment struct {
	VPC   string `xml:"vpcId"`
	State string `xml:"state"`
}

func (g *gateway) attribute(filter string) ([]string, bool) {
	if filter == "attachment.vpc-id" {
		return []string{g.vpc()}, true
	}
	return g.tag(filter)
}

// vpc returns the VPC that the gateway is attached to; empty: none.
func (g *gateway) vpc() string {
	if len(g.Attachments) == 0 {
		return ""
	}
	return g.Attachments[0].VPC
}

type routeTable struct {
	about

	ID           string        `xml:"routeTableId"`
	VPC          string        `xml:"vpcId"`
	Routes       []route       `xml:"routeSet>item"`
	Associations []association `xml:"associationSet>item"`
}

type route struct {
	Destination string `xml:"destinationCidrBlock"`
	Gateway     string `xml:"gatewayId"`
	State       string `xml:"state"`
}

type association struct {
	ID     string `xml:"routeTableAssociationId"`
	Subnet string `xml:"subnetId,omitempty"`
	Main   bool   `xml:"main"`
}

func (t *routeTable) attribute(filter string) ([]string, bool) {
	if filter == "vpc-id" {
		return []string{t.VPC}, true
	}
	return t.tag(filter)
}

// networkInterface is that of a load balancer, or of what somebody else made. Those of instances are not shown.
type networkInterface struct {
	about

	// ending is true once that which has it was deleted; then it has gone after looks.
	ending bool
	looks  int

	ID          string    `xml:"networkInterfaceId"`
	VPC         string    `xml:"vpcId"`
	Subnet      string    `xml:"subnetId"`
	Description string    `xml:"description"`
	Groups      []groupID `xml:"groupSet>item"`
}

type groupID struct {
	ID string `xml:"groupId"`
}

func (i *networkInterface) attribute(filter string) ([]string, bool) {
	if filter == "vpc-id" {
		return []string{i.VPC}, true
	}
	return i.tag(filter)
}

// minBits and maxBits are the lengths of prefixes that VPCs and subnets can have.
const minBits, maxBits = 16, 28

// done is the answer to what has no other.
type done struct {
	Return bool `xml:"return"`
}

// id returns one that was never returned before.
func (c *Cloud) id(prefix string) string {
	return fmt.Sprintf("%s-%017x", prefix, 0xa0000000+c.Serial())
}

// blockOf returns a range that a VPC or a subnet may have.
func blockOf(r *call, kind string) (netip.Prefix, error) {
	block, err := netip.ParsePrefix(r.params.get("CidrBlock"))
	switch {
	case err != nil || block.Masked() != block || !block.Addr().Is4():
		return block, fail("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", r.params.get("CidrBlock"))
	case block.Bits() < minBits || block.Bits() > maxBits:
		return block, fail("Invalid"+kind+".Range", "The CIDR '%s' is invalid.", block)
	}
	return block, nil
}

func createVPC(c *Cloud, r *call) (any, error) {
	block, err := blockOf(r, "Vpc")
	if err != nil {
		return nil, err
	}
	tags, err := r.tags("vpc")
	if err != nil {
		return nil, err
	}
	v := c.makeVPC(r.region, c.id("vpc"), block.String(), tags)
	c.vpcs.Put(v.id, v)
	return struct {
		VPC *vpc `xml:"vpc"`
	}{v}, nil
}

// makeVPC makes a VPC with what each has, and goes with it.
func (c *Cloud) makeVPC(region, id, block string, tags tagSet) *vpc {
	home := func(id string) about { return about{id: id, region: region} }
	table, g := c.id("rtb"), c.id("sg")
	c.tables.Give(table, &routeTable{
		about: home(table), ID: table, VPC: id, Routes: []route{{block, "local", "active"}}, Associations: []association{{ID: c.id("rtbassoc"), Main: true}},
	})
	c.groups.Give(g, &group{about: home(g), ID: g, Name: defaultGroup, VPC: id})
	return &vpc{about: about{id, region, tags}, ID: id, Block: block, State: "available"}
}

func createSubnet(c *Cloud, r *call) (any, error) {
	v, err := find(r, c.vpcs, "VpcID", r.params.get("VpcId"))
	if err != nil {
		return nil, err
	}
	block, err := blockOf(r, "Subnet")
	if err != nil {
		return nil, err
	}
	if whole := netip.MustParsePrefix(v.Block); !whole.Contains(block.Addr()) || block.Bits() < whole.Bits() {
		return nil, fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", block)
	}
	if _, taken := c.subnets.Find(func(s *subnet) bool { return s.VPC == v.id && netip.MustParsePrefix(s.Block).Overlaps(block) }); taken {
		return nil, fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", block)
	}
	zone := r.params.get("AvailabilityZone")
	if zone == "" {
		zone = r.region + "a"
	}
	if !slices.Contains(zonesOf(r.region), zone) {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid.", zone)
	}
	tags, err := r.tags("subnet")
	if err != nil {
		return nil, err
	}
	id := c.id("subnet")
	s := &subnet{about: about{id, r.region, tags}, ID: id, VPC: v.id, Block: block.String(), Zone: zone, State: "available"}
	c.subnets.Put(id, s)
	return struct {
		Subnet *subnet `xml:"subnet"`
	}{s}, nil
}

func createGateway(c *Cloud, r *call) (any, error) {
	tags, err := r.tags("internet-gateway")
	if err != nil {
		return nil, err
	}
	id := c.id("igw")
	g := &gateway{about: about{id, r.region, tags}, ID: id}
	c.gateways.Put(id, g)
	return struct {
		Gateway *gateway `xml:"internetGateway"`
	}{g}, nil
}

func attach(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.gateways, "InternetGatewayID", r.params.get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	v, err := find(r, c.vpcs, "VpcID", r.params.get("VpcId"))
	if err != nil {
		return nil, err
	}
	if g.vpc() != "" {
		return nil, fail("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.id, g.vpc())
	}
	if other, taken := c.gateways.Find(func(g *gateway) bool { return g.vpc() == v.id }); taken {
		return nil, fail("InvalidParameterValue", "Network %s already has an internet gateway attached (%s)", v.id, other.id)
	}
	g.Attachments = []attachment{{v.id, "available"}}
	return done{true}, nil
}

func createTable(c *Cloud, r *call) (any, error) {
	v, err := find(r, c.vpcs, "VpcID", r.params.get("VpcId"))
	if err != nil {
		return nil, err
	}
	tags, err := r.tags("route-table")
	if err != nil {
		return nil, err
	}
	id := c.id("rtb")
	token := "route-table " + r.params.get("ClientToken")
	if known, again := c.tokens[token]; again && r.params.has("ClientToken") {
		id = known.id
	} else {
		c.tokens[token] = &record{id: id}
		c.tables.Put(id, &routeTable{about: about{id, r.region, tags}, ID: id, VPC: v.id, Routes: []route{{v.Block, "local", "active"}}})
	}
	t, err := find(r, c.tables, "RouteTableID", id)
	return struct {
		Table *routeTable `xml:"routeTable"`
	}{t}, err
}

func createRoute(c *Cloud, r *call) (any, error) {
	t, err := find(r, c.tables, "RouteTableID", r.params.get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	g, err := find(r, c.gateways, "InternetGatewayID", r.params.get("GatewayId"))
	if err != nil {
		return nil, err
	}
	to := r.params.get("DestinationCidrBlock")
	switch _, err := netip.ParsePrefix(to); {
	case err != nil:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid.", to)
	case g.vpc() != t.VPC:
		return nil, fail("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.id, g.id)
	case slices.ContainsFunc(t.Routes, func(o route) bool { return o.Destination == to }):
		return nil, fail("RouteAlreadyExists", "The route identified by %s already exists.", to)
	}
	t.Routes = append(t.Routes, route{to, g.id, "active"})
	return done{true}, nil
}

func associate(c *Cloud, r *call) (any, error) {
	t, err := find(r, c.tables, "RouteTableID", r.params.get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	s, err := find(r, c.subnets, "SubnetID", r.params.get("SubnetId"))
	if err != nil {
		return nil, err
	}
	if s.VPC != t.VPC {
		return nil, fail("InvalidParameterValue", "route table %s and subnet %s belong to different networks", t.id, s.id)
	}
	if other, taken := c.tables.Find(func(t *routeTable) bool { return t.routes(s.id) }); taken {
		return nil, fail("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association of %s", t.id, other.id)
	}
	a := association{ID: c.id("rtbassoc"), Subnet: s.id}
	t.Associations = append(t.Associations, a)
	return struct {
		ID string `xml:"associationId"`
	}{a.ID}, nil
}

// routes reports whether it is a subnet's.
func (t *routeTable) routes(subnet string) bool {
	return slices.ContainsFunc(t.Associations, func(a association) bool { return a.Subnet == subnet })
}

// inUse returns an error if there are instances or network interfaces for which is is true.
func (c *Cloud) inUse(what string, is func(vpc, subnet string, groups []string) bool) error {
	if c.Members(func(i *core.Instance) bool { d := i.Detail.(*Detail); return is(d.VPC, d.Subnet, d.Groups) }) > 0 {
		return fail("DependencyViolation", "%s has dependencies and cannot be deleted.", what)
	}
	for _, i := range c.interfaces.All() {
		var groups []string
		for _, g := range i.Groups {
			groups = append(groups, g.ID)
		}
		if is(i.VPC, i.Subnet, groups) {
			if i.ending && i.looks == 0 {
				c.interfaces.Remove(i.id)
				continue
			}
			i.looks--
			return fail("DependencyViolation", "%s has dependencies and cannot be deleted.", what)
		}
	}
	return nil
}

func deleteSubnet(c *Cloud, r *call) (any, error) {
	s, err := find(r, c.subnets, "SubnetID", r.params.get("SubnetId"))
	if err != nil {
		return nil, err
	}
	if err := c.inUse("The subnet '"+s.id+"'", func(_, subnet string, _ []string) bool { return subnet == s.id }); err != nil {
		return nil, err
	}
	for _, t := range c.tables.All() {
		t.Associations = slices.DeleteFunc(t.Associations, func(a association) bool { return a.Subnet == s.id })
	}
	c.subnets.Remove(s.id)
	return done{true}, nil
}

func deleteTable(c *Cloud, r *call) (any, error) {
	t, err := find(r, c.tables, "RouteTableID", r.params.get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, fail("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", t.id)
	}
	c.tables.Remove(t.id)
	return done{true}, nil
}

func detach(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.gateways, "InternetGatewayID", r.params.get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	network := r.params.get("VpcId")
	if g.vpc() != network {
		return nil, fail("Gateway.NotAttached", "resource %s is not attached to network %s", g.id, network)
	}
	if c.Members(func(i *core.Instance) bool { d := i.Detail.(*Detail); return d.VPC == network && d.Public }) > 0 {
		return nil, fail("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", network)
	}
	g.Attachments = nil
	return done{true}, nil
}

func deleteGateway(c *Cloud, r *call) (any, error) {
	g, err := find(r, c.gateways, "InternetGatewayID", r.params.get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	if g.vpc() != "" {
		return nil, fail("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.id)
	}
	c.gateways.Remove(g.id)
	return done{true}, nil
}

func deleteVPC(c *Cloud, r *call) (any, error) {
	v, err := find(r, c.vpcs, "VpcID", r.params.get("VpcId"))
	if err != nil {
		return nil, err
	}
	_, hasSubnet := c.subnets.Find(func(s *subnet) bool { return s.VPC == v.id })
	_, hasGateway := c.gateways.Find(func(g *gateway) bool { return g.vpc() == v.id })
	_, hasTable := c.tables.Find(func(t *routeTable) bool { return t.VPC == v.id && !t.isMain() })
	_, hasGroup := c.groups.Find(func(g *group) bool { return g.VPC == v.id && g.Name != defaultGroup })
	if hasSubnet || hasGateway || hasTable || hasGroup {
		return nil, fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.id)
	}
	for _, t := range c.tables.All() {
		if t.VPC == v.id {
			c.tables.Remove(t.id)
		}
	}
	for _, g := range c.groups.All() {
		if g.VPC == v.id {
			c.groups.Remove(g.id)
		}
	}
	c.vpcs.Remove(v.id)
	return done{true}, nil
}

func (t *routeTable) isMain() bool {
	return slices.ContainsFunc(t.Associations, func(a association) bool { return a.Main })
}

// groupText is what names and descriptions of security groups may be.
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)
