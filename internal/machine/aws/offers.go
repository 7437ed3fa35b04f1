// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns what the account has at the region. AWS tells prices by another API, in other regions: sizes have none.
func (c *Cloud) Offers(ctx context.Context, where machine.Account) (machine.Offers, error) {
	a, err := c.account(where)
	if err != nil {
		return machine.Offers{}, err
	}
	var offers machine.Offers
	for _, ask := range []func(context.Context, *machine.Offers) error{a.offerPlaces, a.offerSizes, a.offerImages, a.offerNetworks} {
		if err := ask(ctx, &offers); err != nil {
			return machine.Offers{}, err
		}
	}
	for _, list := range [][]machine.Offer{offers.Places, offers.Zones, offers.Images, offers.Networks, offers.Subnets} {
		slices.SortFunc(list, func(a, b machine.Offer) int { return strings.Compare(a.Name, b.Name) })
	}
	return offers, nil
}

func (a *account) offerPlaces(ctx context.Context, offers *machine.Offers) error {
	regions, err := a.ec2.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}) // those that the account is opted in to
	if err != nil {
		return refuse("ec2:DescribeRegions", err)
	}
	for _, r := range regions.Regions {
		offers.Places = append(offers.Places, machine.Offer{Name: text(r.RegionName)})
	}
	zones, err := a.zones(ctx)
	for _, z := range zones {
		offers.Zones = append(offers.Zones, machine.Offer{Name: text(z.ZoneName), Description: text(z.ZoneId)})
	}
	return err
}

func (a *account) offerSizes(ctx context.Context, offers *machine.Offers) error {
	found, err := every(ctx, "ec2:DescribeInstanceTypes", ec2.NewDescribeInstanceTypesPaginator(a.ec2, &ec2.DescribeInstanceTypesInput{
		Filters: []types.Filter{filter("current-generation", "true"), filter("bare-metal", "false")},
	}), func(o *ec2.DescribeInstanceTypesOutput) []types.InstanceTypeInfo { return o.InstanceTypes })
	if err != nil {
		return err
	}
	for _, t := range found {
		if size, ok := sizeOf(t); ok {
			offers.Sizes = append(offers.Sizes, size)
		}
	}
	slices.SortFunc(offers.Sizes, func(a, b machine.Size) int {
		return cmp.Or(a.CPUs-b.CPUs, a.Memory.Cmp(b.Memory), strings.Compare(a.Name, b.Name))
	})
	return nil
}

func sizeOf(t types.InstanceTypeInfo) (machine.Size, bool) {
	architecture, ok := architectureOf(t)
	if !ok || t.VCpuInfo == nil || t.MemoryInfo == nil {
		return machine.Size{}, false
	}
	size := machine.Size{
		Offer:        machine.Offer{Name: string(t.InstanceType)},
		CPUs:         int(*t.VCpuInfo.DefaultVCpus),
		Memory:       *resource.NewQuantity(*t.MemoryInfo.SizeInMiB<<20, resource.BinarySI),
		Architecture: architectures[architecture],
	}
	if t.GpuInfo != nil {
		for _, gpu := range t.GpuInfo.Gpus {
			size.GPUs += int(*gpu.Count)
			size.Description = fmt.Sprintf("%s %s", text(gpu.Manufacturer), text(gpu.Name))
		}
	}
	return size, true
}

func (a *account) offerImages(ctx context.Context, offers *machine.Offers) error {
	found, err := every(ctx, "ec2:DescribeImages of the account",
		ec2.NewDescribeImagesPaginator(a.ec2, &ec2.DescribeImagesInput{Owners: []string{"self"}}),
		func(o *ec2.DescribeImagesOutput) []types.Image { return o.Images })
	for _, i := range found {
		offers.Images = append(offers.Images, machine.Offer{Name: *i.ImageId, Description: text(i.Name)})
	}
	return err
}

func (a *account) offerNetworks(ctx context.Context, offers *machine.Offers) error {
	vpcs, err := every(ctx, "ec2:DescribeVpcs of the account", ec2.NewDescribeVpcsPaginator(a.ec2, &ec2.DescribeVpcsInput{}),
		func(o *ec2.DescribeVpcsOutput) []types.Vpc { return o.Vpcs })
	if err != nil {
		return err
	}
	for _, v := range vpcs {
		offers.Networks = append(offers.Networks, machine.Offer{Name: *v.VpcId, Description: describe(v.Tags, text(v.CidrBlock))})
	}
	subnets, err := every(ctx, "ec2:DescribeSubnets of the account", ec2.NewDescribeSubnetsPaginator(a.ec2, &ec2.DescribeSubnetsInput{}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	for _, s := range subnets {
		offers.Subnets = append(offers.Subnets, machine.Offer{
			Name: *s.SubnetId, Description: describe(s.Tags, text(s.CidrBlock), text(s.AvailabilityZone), text(s.VpcId)),
		})
	}
	return err
}

// describe puts a name and what else there is to say together.
func describe(tags []types.Tag, more ...string) string {
	if name := valueOf(tags, "Name"); name != "" {
		more = append([]string{name}, more...)
	}
	return strings.Join(more, ", ")
}
