// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// thing is something that was made for a cluster.
type thing struct {
	kind, id, vpc string
	delete        func(context.Context) error
}

func (t thing) String() string { return t.kind + " " + t.id }

// DeleteNetwork deletes what carries the cluster's tag, each before what it is in. What others have in it is told, since only
// they can let go of it.
func (c *Cloud) DeleteNetwork(ctx context.Context, cluster machine.Cluster) ([]string, error) {
	a, err := c.account(cluster.Account)
	if err != nil {
		return nil, err
	}
	things, err := a.things(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var left []thing
	for _, t := range things {
		err := t.delete(ctx)
		switch {
		case err == nil, is(err, codesNotFound...):
		case is(err, "DependencyViolation", "InvalidGroup.InUse"):
			left = append(left, t)
		default:
			return nil, refuse("deleting "+t.String()+" of cluster "+cluster.Name, err)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	names := namesOf(left)
	foreign, err := a.foreign(ctx, cluster, left)
	if err != nil || len(foreign) == 0 {
		return names, err
	}
	return names, &machine.RefusedError{Reason: v1alpha1.ReasonDependencies, Message: fmt.Sprintf(
		"%s of cluster %s cannot go: %s of somebody else is in it: delete what that belongs to, in %s",
		strings.Join(names, ", "), cluster.Name, strings.Join(foreign, ", "), a.region)}
}

// things returns all that was made for the cluster, in the order in which it can go.
func (a *account) things(ctx context.Context, cluster machine.Cluster) ([]thing, error) {
	const of = " of the cluster"
	filters := owned(cluster)
	groups, err := every(ctx, "ec2:DescribeSecurityGroups"+of, ec2.NewDescribeSecurityGroupsPaginator(a.ec2, &ec2.DescribeSecurityGroupsInput{Filters: filters}),
		func(o *ec2.DescribeSecurityGroupsOutput) []types.SecurityGroup { return o.SecurityGroups })
	if err != nil {
		return nil, err
	}
	subnets, err := every(ctx, "ec2:DescribeSubnets"+of, ec2.NewDescribeSubnetsPaginator(a.ec2, &ec2.DescribeSubnetsInput{Filters: filters}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	if err != nil {
		return nil, err
	}
	tables, err := every(ctx, "ec2:DescribeRouteTables"+of, ec2.NewDescribeRouteTablesPaginator(a.ec2, &ec2.DescribeRouteTablesInput{Filters: filters}),
		func(o *ec2.DescribeRouteTablesOutput) []types.RouteTable { return o.RouteTables })
	if err != nil {
		return nil, err
	}
	gateways, err := every(ctx, "ec2:DescribeInternetGateways"+of, ec2.NewDescribeInternetGatewaysPaginator(a.ec2, &ec2.DescribeInternetGatewaysInput{Filters: filters}),
		func(o *ec2.DescribeInternetGatewaysOutput) []types.InternetGateway { return o.InternetGateways })
	if err != nil {
		return nil, err
	}
	vpcs, err := every(ctx, "ec2:DescribeVpcs"+of, ec2.NewDescribeVpcsPaginator(a.ec2, &ec2.DescribeVpcsInput{Filters: filters}),
		func(o *ec2.DescribeVpcsOutput) []types.Vpc { return o.Vpcs })
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, g := range groups {
		things = append(things, thing{"security group", *g.GroupId, *g.VpcId, func(ctx context.Context) error {
			_, err := a.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId})
			return err
		}})
	}
	for _, s := range subnets {
		things = append(things, thing{"subnet", *s.SubnetId, *s.VpcId, func(ctx context.Context) error {
			_, err := a.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId})
			return err
		}})
	}
	for _, t := range tables { // a subnet that has gone is associated with none
		things = append(things, thing{"route table", *t.RouteTableId, *t.VpcId, func(ctx context.Context) error {
			_, err := a.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: t.RouteTableId})
			return err
		}})
	}
	for _, g := range gateways {
		things = append(things, a.gatewayThing(g))
	}
	for _, v := range vpcs {
		things = append(things, thing{"VPC", *v.VpcId, *v.VpcId, func(ctx context.Context) error {
			_, err := a.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: v.VpcId})
			return err
		}})
	}
	return things, nil
}

func (a *account) gatewayThing(g types.InternetGateway) thing {
	t := thing{kind: "internet gateway", id: *g.InternetGatewayId}
	if len(g.Attachments) > 0 {
		t.vpc = *g.Attachments[0].VpcId
	}
	t.delete = func(ctx context.Context) error {
		if t.vpc != "" {
			_, err := a.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &t.id, VpcId: &t.vpc})
			if err != nil && !is(err, "Gateway.NotAttached") {
				return err
			}
		}
		_, err := a.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &t.id})
		return err
	}
	return t
}

// foreign returns what is in the VPCs of things, in the way of their going, and not the cluster's: load balancers, databases
// and the like have network interfaces, and security groups and subnets are what people make.
func (a *account) foreign(ctx context.Context, cluster machine.Cluster, left []thing) ([]string, error) {
	var vpcs []string
	for _, t := range left {
		if t.vpc != "" {
			vpcs = append(vpcs, t.vpc)
		}
	}
	slices.Sort(vpcs)
	in := []types.Filter{filter("vpc-id", slices.Compact(vpcs)...)}
	own := func(tags []types.Tag) bool { return valueOf(tags, machine.TagCluster) == string(cluster.UID) }
	interfaces, err := every(ctx, "ec2:DescribeNetworkInterfaces of the cluster's network",
		ec2.NewDescribeNetworkInterfacesPaginator(a.ec2, &ec2.DescribeNetworkInterfacesInput{Filters: in}),
		func(o *ec2.DescribeNetworkInterfacesOutput) []types.NetworkInterface { return o.NetworkInterfaces })
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, i := range interfaces {
		if inWay(i, left) && !own(i.TagSet) {
			foreign = append(foreign, fmt.Sprintf("network interface %s (%s)", *i.NetworkInterfaceId, text(i.Description)))
		}
	}
	if len(foreign) > 0 || !slices.ContainsFunc(left, isVPC) {
		return foreign, nil
	}
	subnets, err := every(ctx, "ec2:DescribeSubnets of the cluster's network",
		ec2.NewDescribeSubnetsPaginator(a.ec2, &ec2.DescribeSubnetsInput{Filters: in}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	if err != nil {
		return nil, err
	}
	for _, s := range subnets {
		if !own(s.Tags) {
			foreign = append(foreign, "subnet "+*s.SubnetId)
		}
	}
	groups, err := every(ctx, "ec2:DescribeSecurityGroups of the cluster's network",
		ec2.NewDescribeSecurityGroupsPaginator(a.ec2, &ec2.DescribeSecurityGroupsInput{Filters: in}),
		func(o *ec2.DescribeSecurityGroupsOutput) []types.SecurityGroup { return o.SecurityGroups })
	for _, g := range groups {
		if !own(g.Tags) && text(g.GroupName) != "default" {
			foreign = append(foreign, fmt.Sprintf("security group %s (%s)", *g.GroupId, text(g.GroupName)))
		}
	}
	return foreign, err
}

func isVPC(t thing) bool { return t.kind == "VPC" }

// inWay reports whether an interface is in something that is to go.
func inWay(i types.NetworkInterface, left []thing) bool {
	return slices.ContainsFunc(left, func(t thing) bool {
		return isVPC(t) && t.id == text(i.VpcId) || t.id == text(i.SubnetId) ||
			slices.ContainsFunc(i.Groups, func(g types.GroupIdentifier) bool { return t.id == text(g.GroupId) })
	})
}

func namesOf(things []thing) []string {
	var names []string
	for _, t := range things {
		names = append(names, t.String())
	}
	return names
}

// text returns what a pointer of the SDK's points to; empty if it points nowhere.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
