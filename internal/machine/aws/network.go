// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// vpcBlock is the range of the VPCs that are made. Each has one cluster's machines only, so all have the same; it is apart from
// the ranges that clusters have for pods and Services unless told otherwise.
const vpcBlock = "10.0.0.0/16"

// everywhere is where machines let the world in from, and what they reach.
const everywhere = "0.0.0.0/0"

// network is what the machines of a cluster have in common, as far as it is known.
type network struct {
	*account

	cluster machine.Cluster
	vpc     types.Vpc
	subnets []types.Subnet
	groups  []string
}

// EnsureNetwork finds or makes the VPC, a public subnet, and a security group.
func (c *Cloud) EnsureNetwork(ctx context.Context, cluster machine.Cluster) (v1alpha1.CloudNetwork, error) {
	a, err := c.account(cluster.Account)
	if err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	n, err := a.network(ctx, cluster, "")
	if err == nil {
		err = a.profile(ctx, cluster.Named.Role)
	}
	if err != nil {
		return v1alpha1.CloudNetwork{}, err
	}
	result := v1alpha1.CloudNetwork{Network: *n.vpc.VpcId, SecurityGroups: n.groups, Role: cluster.Named.Role}
	for _, s := range n.subnets {
		result.Subnets = append(result.Subnets, *s.SubnetId)
	}
	return result, nil
}

// network finds what the machines have in common, and makes what is missing and not named: if zone is not empty, a subnet in
// this zone too.
func (a *account) network(ctx context.Context, cluster machine.Cluster, zone string) (*network, error) {
	n := &network{account: a, cluster: cluster}
	if len(cluster.Named.SecurityGroups) > 0 && len(cluster.Named.Subnets) == 0 && cluster.Named.Network == "" {
		return nil, configuration("the cluster names security groups, but not the network that they are in: name it, or its subnets")
	}
	var err error
	if named := cluster.Named.Subnets; len(named) > 0 {
		err = n.findSubnets(ctx, named)
	} else {
		err = n.ensureSubnets(ctx, zone)
	}
	if err == nil {
		err = n.ensureGroups(ctx)
	}
	return n, err
}

// findSubnets finds the subnets that the cluster names, and their VPC.
func (n *network) findSubnets(ctx context.Context, named []string) error {
	found, err := every(ctx, "ec2:DescribeSubnets of the cluster's network",
		ec2.NewDescribeSubnetsPaginator(n.ec2, &ec2.DescribeSubnetsInput{SubnetIds: named}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	if err != nil {
		return err
	}
	vpc := n.cluster.Named.Network
	for _, id := range named {
		at := slices.IndexFunc(found, func(s types.Subnet) bool { return *s.SubnetId == id })
		if at < 0 {
			return configuration("there is no subnet %s in %s, which the cluster names", id, n.region)
		}
		if vpc == "" {
			vpc = *found[at].VpcId
		}
		if *found[at].VpcId != vpc {
			return configuration("subnet %s is in VPC %s and not in %s: name subnets of one VPC", id, *found[at].VpcId, vpc)
		}
		n.subnets = append(n.subnets, found[at])
	}
	n.vpc = types.Vpc{VpcId: &vpc}
	return nil
}

// ensureSubnets has at least one public subnet of the cluster's own, in its own VPC or in that which it names.
func (n *network) ensureSubnets(ctx context.Context, zone string) error {
	if err := n.ensureVPC(ctx); err != nil {
		return err
	}
	there, err := every(ctx, "ec2:DescribeSubnets of VPC "+*n.vpc.VpcId,
		ec2.NewDescribeSubnetsPaginator(n.ec2, &ec2.DescribeSubnetsInput{Filters: []types.Filter{filter("vpc-id", *n.vpc.VpcId)}}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	if err != nil {
		return err
	}
	var used []netip.Prefix
	for _, s := range there {
		if block, err := netip.ParsePrefix(*s.CidrBlock); err == nil {
			used = append(used, block)
		}
		if valueOf(s.Tags, machine.TagCluster) == string(n.cluster.UID) {
			n.subnets = append(n.subnets, s)
		}
	}
	inZone := func(s types.Subnet) bool { return zone == "" || *s.AvailabilityZone == zone }
	if !slices.ContainsFunc(n.subnets, inZone) {
		made, err := n.makeSubnet(ctx, zone, used)
		if err != nil {
			return err
		}
		n.subnets = append(n.subnets, made)
	}
	// The order in which they were made: machines without a zone go to the first.
	slices.SortFunc(n.subnets, func(a, b types.Subnet) int { return compareBlocks(*a.CidrBlock, *b.CidrBlock) })
	gateway, err := n.ensureGateway(ctx)
	if err != nil {
		return err
	}
	return n.ensureRoutes(ctx, gateway)
}

func (n *network) ensureVPC(ctx context.Context) error {
	in := &ec2.DescribeVpcsInput{Filters: owned(n.cluster)}
	if id := n.cluster.Named.Network; id != "" {
		in = &ec2.DescribeVpcsInput{VpcIds: []string{id}}
	}
	found, err := every(ctx, "ec2:DescribeVpcs of the cluster's network", ec2.NewDescribeVpcsPaginator(n.ec2, in),
		func(o *ec2.DescribeVpcsOutput) []types.Vpc { return o.Vpcs })
	switch {
	case err != nil:
		return err
	case len(found) > 0: // several if an answer got lost and the VPC was not found at once; the others go with the cluster
		n.vpc = slices.MinFunc(found, func(a, b types.Vpc) int { return strings.Compare(*a.VpcId, *b.VpcId) })
		return nil
	case n.cluster.Named.Network != "":
		return configuration("there is no VPC %s in %s, which the cluster names", n.cluster.Named.Network, n.region)
	}
	out, err := n.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{
		CidrBlock: new(vpcBlock), TagSpecifications: tagged(types.ResourceTypeVpc, tagsOf(n.cluster, nameOf(n.cluster))),
	}, once)
	if err != nil {
		return refuse("ec2:CreateVpc for cluster "+n.cluster.Name, err)
	}
	n.vpc = *out.Vpc
	return nil
}

func (n *network) makeSubnet(ctx context.Context, zone string, used []netip.Prefix) (types.Subnet, error) {
	if zone == "" {
		zones, err := n.zones(ctx)
		if err != nil {
			return types.Subnet{}, err
		}
		if len(zones) == 0 {
			return types.Subnet{}, configuration("no availability zone of %s is available to the account", n.region)
		}
		zone = *zones[0].ZoneName
	}
	block, err := freeBlock(*n.vpc.CidrBlock, used)
	if err != nil {
		return types.Subnet{}, configuration("VPC %s: %v: name subnets of it", *n.vpc.VpcId, err)
	}
	out, err := n.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: n.vpc.VpcId, CidrBlock: new(block.String()), AvailabilityZone: &zone,
		TagSpecifications: tagged(types.ResourceTypeSubnet, append(tagsOf(n.cluster, nameOf(n.cluster)+"-"+zone), tag("kubernetes.io/role/elb", "1"))),
	}, once)
	if err != nil {
		return types.Subnet{}, refuse("ec2:CreateSubnet in "+zone, err)
	}
	return *out.Subnet, nil
}

// ensureGateway returns the internet gateway of the VPC. One of a VPC that the cluster names is never made: that it has none
// may be on purpose.
func (n *network) ensureGateway(ctx context.Context) (string, error) {
	named, filters := n.cluster.Named.Network != "", owned(n.cluster)
	if named {
		filters = []types.Filter{filter("attachment.vpc-id", *n.vpc.VpcId)}
	}
	found, err := every(ctx, "ec2:DescribeInternetGateways of VPC "+*n.vpc.VpcId,
		ec2.NewDescribeInternetGatewaysPaginator(n.ec2, &ec2.DescribeInternetGatewaysInput{Filters: filters}),
		func(o *ec2.DescribeInternetGatewaysOutput) []types.InternetGateway { return o.InternetGateways })
	if err != nil {
		return "", err
	}
	attached := func(g types.InternetGateway) bool {
		return slices.ContainsFunc(g.Attachments, func(a types.InternetGatewayAttachment) bool { return *a.VpcId == *n.vpc.VpcId })
	}
	if at := slices.IndexFunc(found, attached); at >= 0 {
		return *found[at].InternetGatewayId, nil
	}
	if named {
		return "", configuration("VPC %s has no internet gateway: give it one, or name subnets with another way out", *n.vpc.VpcId)
	}
	var gateway *string
	if len(found) > 0 {
		gateway = found[0].InternetGatewayId
	} else {
		out, err := n.ec2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
			TagSpecifications: tagged(types.ResourceTypeInternetGateway, tagsOf(n.cluster, nameOf(n.cluster))),
		}, once)
		if err != nil {
			return "", refuse("ec2:CreateInternetGateway for cluster "+n.cluster.Name, err)
		}
		gateway = out.InternetGateway.InternetGatewayId
	}
	_, err = n.ec2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: n.vpc.VpcId}, settling)
	if err != nil && !is(err, "Resource.AlreadyAssociated") {
		return "", refuse("ec2:AttachInternetGateway "+*gateway+" to "+*n.vpc.VpcId, err)
	}
	return *gateway, nil
}

// ensureRoutes has a route table with the gateway as the way out for the cluster's own subnets.
func (n *network) ensureRoutes(ctx context.Context, gateway string) error {
	found, err := every(ctx, "ec2:DescribeRouteTables of VPC "+*n.vpc.VpcId,
		ec2.NewDescribeRouteTablesPaginator(n.ec2, &ec2.DescribeRouteTablesInput{Filters: append(owned(n.cluster), filter("vpc-id", *n.vpc.VpcId))}),
		func(o *ec2.DescribeRouteTablesOutput) []types.RouteTable { return o.RouteTables })
	if err != nil {
		return err
	}
	var table types.RouteTable
	if len(found) > 0 {
		table = slices.MinFunc(found, func(a, b types.RouteTable) int { return strings.Compare(*a.RouteTableId, *b.RouteTableId) })
	} else {
		out, err := n.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{
			VpcId: n.vpc.VpcId, TagSpecifications: tagged(types.ResourceTypeRouteTable, tagsOf(n.cluster, nameOf(n.cluster))),
		}) // the SDK gives it a token
		if err != nil {
			return refuse("ec2:CreateRouteTable in "+*n.vpc.VpcId, err)
		}
		table = *out.RouteTable
	}
	isOut := func(r types.Route) bool {
		return r.DestinationCidrBlock != nil && *r.DestinationCidrBlock == everywhere
	}
	if !slices.ContainsFunc(table.Routes, isOut) {
		_, err := n.ec2.CreateRoute(ctx, &ec2.CreateRouteInput{
			RouteTableId: table.RouteTableId, DestinationCidrBlock: new(everywhere), GatewayId: &gateway,
		}, settling)
		if err != nil && !is(err, "RouteAlreadyExists") {
			return refuse("ec2:CreateRoute in "+*table.RouteTableId, err)
		}
	}
	for _, s := range n.subnets {
		isOf := func(a types.RouteTableAssociation) bool { return a.SubnetId != nil && *a.SubnetId == *s.SubnetId }
		if slices.ContainsFunc(table.Associations, isOf) {
			continue
		}
		_, err := n.ec2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table.RouteTableId, SubnetId: s.SubnetId}, settling)
		if err != nil && !is(err, "Resource.AlreadyAssociated") {
			return refuse("ec2:AssociateRouteTable "+*table.RouteTableId+" with "+*s.SubnetId, err)
		}
	}
	return nil
}

// profile returns an error if the cluster names an instance profile that there is not. None is made: what runs on machines
// needs nothing of AWS, and what does has credentials of its own.
func (a *account) profile(ctx context.Context, role string) error {
	if role == "" {
		return nil
	}
	name := role[strings.LastIndex(role, "/")+1:] // of arn:aws:iam::123456789012:instance-profile/path/name
	_, err := a.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	return refuse("iam:GetInstanceProfile "+name, err)
}

// zones returns the availability zones that are there for the account, by name. Local and wavelength zones, which it would
// have to opt in to, are not among them.
func (a *account) zones(ctx context.Context) ([]types.AvailabilityZone, error) {
	out, err := a.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{Filters: []types.Filter{
		filter("zone-type", "availability-zone"), filter("state", "available"),
	}})
	if err != nil {
		return nil, refuse("ec2:DescribeAvailabilityZones of "+a.region, err)
	}
	slices.SortFunc(out.AvailabilityZones, func(a, b types.AvailabilityZone) int { return strings.Compare(*a.ZoneName, *b.ZoneName) })
	return out.AvailabilityZones, nil
}

// pages are the answers to one question.
type pages[O any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*ec2.Options)) (O, error)
}

// every returns the items of all pages.
func every[O, T any](ctx context.Context, call string, p pages[O], items func(O) []T) ([]T, error) {
	var all []T
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, refuse(call, err)
		}
		all = append(all, items(page)...)
	}
	return all, nil
}
