// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"canopy.dev/canopy/internal/machine"
)

// ensureGroups finds the security groups that the cluster names, or has one with the rules that machines need.
func (n *network) ensureGroups(ctx context.Context) error {
	named := n.cluster.Named.SecurityGroups
	in := &ec2.DescribeSecurityGroupsInput{Filters: append(owned(n.cluster), filter("vpc-id", *n.vpc.VpcId))}
	if len(named) > 0 {
		in = &ec2.DescribeSecurityGroupsInput{GroupIds: named}
	}
	found, err := every(ctx, "ec2:DescribeSecurityGroups of the cluster's network", ec2.NewDescribeSecurityGroupsPaginator(n.ec2, in),
		func(o *ec2.DescribeSecurityGroupsOutput) []types.SecurityGroup { return o.SecurityGroups })
	if err != nil {
		return err
	}
	if len(named) > 0 {
		for _, g := range found {
			if *g.VpcId != *n.vpc.VpcId {
				return configuration("security group %s is in VPC %s, the machines are in %s", *g.GroupId, *g.VpcId, *n.vpc.VpcId)
			}
		}
		n.groups = named
		return nil
	}
	var group types.SecurityGroup
	if len(found) > 0 {
		group = found[0]
	} else {
		// Its name is unique in the VPC, which may be one that clusters of the same name share.
		out, err := n.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: new(fmt.Sprintf("%s-%.8s", nameOf(n.cluster), n.cluster.UID)), Description: new("Machines of the cluster " + n.cluster.Name), VpcId: n.vpc.VpcId,
			TagSpecifications: tagged(types.ResourceTypeSecurityGroup, tagsOf(n.cluster, nameOf(n.cluster))),
		}, once)
		if err != nil {
			return refuse("ec2:CreateSecurityGroup "+nameOf(n.cluster), err)
		}
		group = types.SecurityGroup{GroupId: out.GroupId}
	}
	n.groups = []string{*group.GroupId}
	rules := missing(rulesOf(*group.GroupId), group.IpPermissions)
	if len(rules) == 0 {
		return nil
	}
	_, err = n.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: rules}, settling)
	if err != nil && !is(err, "InvalidPermission.Duplicate") {
		return refuse("ec2:AuthorizeSecurityGroupIngress of "+*group.GroupId, err)
	}
	return nil
}

// rulesOf returns what the group lets in. Outwards AWS's groups let everything through.
func rulesOf(group string) []types.IpPermission {
	rules := []types.IpPermission{{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &group}}}}
	for _, r := range []struct {
		protocol string
		ports    machine.PortRange
	}{
		{"icmp", machine.PortRange{First: -1, Last: -1}},
		{"tcp", machine.PortRange{First: 22, Last: 22}},
		{"tcp", machine.OpenPorts},
		{"udp", machine.OpenPorts},
	} {
		rules = append(rules, types.IpPermission{
			IpProtocol: &r.protocol, FromPort: new(int32(r.ports.First)), ToPort: new(int32(r.ports.Last)),
			IpRanges: []types.IpRange{{CidrIp: new(everywhere)}},
		})
	}
	return rules
}

// missing returns those of the wanted rules, each with one source, that are not among what is there, where AWS puts those of
// the same ports together.
func missing(want, have []types.IpPermission) []types.IpPermission {
	covers := func(h, w types.IpPermission) bool {
		if *h.IpProtocol != *w.IpProtocol || !equal(h.FromPort, w.FromPort) || !equal(h.ToPort, w.ToPort) {
			return false
		}
		for _, p := range w.UserIdGroupPairs {
			if !slices.ContainsFunc(h.UserIdGroupPairs, func(o types.UserIdGroupPair) bool { return equal(o.GroupId, p.GroupId) }) {
				return false
			}
		}
		for _, r := range w.IpRanges {
			if !slices.ContainsFunc(h.IpRanges, func(o types.IpRange) bool { return equal(o.CidrIp, r.CidrIp) }) {
				return false
			}
		}
		return true
	}
	return slices.DeleteFunc(slices.Clone(want), func(w types.IpPermission) bool {
		return slices.ContainsFunc(have, func(h types.IpPermission) bool { return covers(h, w) })
	})
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
