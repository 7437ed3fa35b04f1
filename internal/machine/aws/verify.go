// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// What is tried, and with what, where the account has nothing to try it with.
const (
	triedType  = "t3.small"
	triedVPC   = "vpc-00000000000000000"
	triedImage = "ami-00000000000000000"
	triedBlock = "10.0.0.0/20"
	triedName  = "canopy-dry-run"
)

// Verify tries all that reads or makes something, as a dry run: EC2 then says what it would have said, and does nothing.
// What changes or deletes cannot be tried, since the policy in the documentation allows that for what carries our tag only.
func (c *Cloud) Verify(ctx context.Context, where machine.Account) error {
	a, err := c.account(where)
	if err != nil {
		return err
	}
	who, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return refuse("sts:GetCallerIdentity", err)
	}
	t := &trial{account: a}
	t.reads(ctx)
	t.makes(ctx)
	if t.err != nil || len(t.denied) == 0 {
		return t.err
	}
	return &machine.RefusedError{Reason: v1alpha1.ReasonUnauthorized, Message: fmt.Sprintf("%s may not do %s in %s: %s",
		text(who.Arn), strings.Join(t.denied, ", "), a.region, advice[v1alpha1.ReasonUnauthorized])}
}

// trial is what was found out so far.
type trial struct {
	*account

	// vpc and image are for what is made in one, or of one: best tried with what there is.
	vpc, image *string
	// denied are the actions that the credentials may not do. err says why it is not known.
	denied []string
	err    error
}

// reads tries all that reads.
func (t *trial) reads(ctx context.Context) {
	dry := new(true)
	t.vpc, t.image = new(triedVPC), new(triedImage)
	if vpcs := try(ctx, t, "ec2:DescribeVpcs", t.ec2.DescribeVpcs, &ec2.DescribeVpcsInput{}); vpcs != nil && len(vpcs.Vpcs) > 0 {
		t.vpc = vpcs.Vpcs[0].VpcId
	}
	parameter := fmt.Sprintf(parameters[v1alpha1.Ubuntu], architectures[types.ArchitectureTypeX8664])
	if found := try(ctx, t, "ssm:GetParameter", t.ssm.GetParameter, &ssm.GetParameterInput{Name: &parameter}); found != nil {
		t.image = found.Parameter.Value
	}
	try(ctx, t, "ec2:DescribeImages", t.ec2.DescribeImages, &ec2.DescribeImagesInput{DryRun: dry, ImageIds: []string{*t.image}})
	try(ctx, t, "ec2:DescribeSubnets", t.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeInternetGateways", t.ec2.DescribeInternetGateways, &ec2.DescribeInternetGatewaysInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeRouteTables", t.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeSecurityGroups", t.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeNetworkInterfaces", t.ec2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeAvailabilityZones", t.ec2.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeRegions", t.ec2.DescribeRegions, &ec2.DescribeRegionsInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeInstanceTypes", t.ec2.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{DryRun: dry})
	try(ctx, t, "ec2:DescribeInstances", t.ec2.DescribeInstances, &ec2.DescribeInstancesInput{DryRun: dry})
}

// makes tries all that makes something, with its tags.
func (t *trial) makes(ctx context.Context) {
	dry := new(true)
	of := func(kind types.ResourceType) []types.TagSpecification {
		return tagged(kind, []types.Tag{tag("Name", triedName), tag(machine.TagCluster, triedName)})
	}
	try(ctx, t, "ec2:CreateVpc", t.ec2.CreateVpc, &ec2.CreateVpcInput{
		DryRun: dry, CidrBlock: new(vpcBlock), TagSpecifications: of(types.ResourceTypeVpc),
	})
	try(ctx, t, "ec2:CreateSubnet", t.ec2.CreateSubnet, &ec2.CreateSubnetInput{
		DryRun: dry, VpcId: t.vpc, CidrBlock: new(triedBlock), TagSpecifications: of(types.ResourceTypeSubnet),
	})
	try(ctx, t, "ec2:CreateInternetGateway", t.ec2.CreateInternetGateway, &ec2.CreateInternetGatewayInput{
		DryRun: dry, TagSpecifications: of(types.ResourceTypeInternetGateway),
	})
	try(ctx, t, "ec2:CreateRouteTable", t.ec2.CreateRouteTable, &ec2.CreateRouteTableInput{
		DryRun: dry, VpcId: t.vpc, TagSpecifications: of(types.ResourceTypeRouteTable),
	})
	try(ctx, t, "ec2:CreateSecurityGroup", t.ec2.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{
		DryRun: dry, VpcId: t.vpc, GroupName: new(triedName), Description: new(triedName), TagSpecifications: of(types.ResourceTypeSecurityGroup),
	})
	try(ctx, t, "ec2:RunInstances", t.ec2.RunInstances, &ec2.RunInstancesInput{
		DryRun: dry, MinCount: new(int32(1)), MaxCount: new(int32(1)), ImageId: t.image, InstanceType: triedType,
		TagSpecifications: of(types.ResourceTypeInstance),
	})
}

// try makes a call and notes if the credentials may not. It returns the answer; nil if there is none.
func try[I, O, P any](ctx context.Context, t *trial, action string, call func(context.Context, *I, ...func(P)) (*O, error), in *I) *O {
	if t.err != nil {
		return nil
	}
	out, err := call(ctx, in)
	switch {
	case err == nil, is(err, "DryRunOperation"):
		return out
	case is(err, codesUnauthorized...):
		t.denied = append(t.denied, action)
	case !harmless(err):
		t.err = refuse(action, err)
	}
	return nil
}

// harmless is true of an error about what was asked for, which is not there or is full: AWS looks at that after it has looked
// at the rights.
func harmless(err error) bool {
	refused, ok := errors.AsType[*machine.RefusedError](refuse("", err))
	return ok && refused.Reason != v1alpha1.ReasonUnauthenticated && refused.Reason != v1alpha1.ReasonRateLimited
}
