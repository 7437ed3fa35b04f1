// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns the regions, and what can be had in that of the place. Networks are VPCs, by their names.
func (d *Cloud) Offers(ctx context.Context, a machine.Account) (machine.Offers, error) {
	client, place, err := connect(a)
	if err != nil {
		return machine.Offers{}, err
	}
	offers := machine.Offers{}
	regions, err := all(ctx, client.Regions.List)
	if err != nil {
		return offers, classify("listing regions", err)
	}
	for _, r := range regions {
		if r.Available {
			offers.Places = append(offers.Places, machine.Offer{Name: r.Slug, Description: r.Name})
		}
	}
	sizes, err := all(ctx, client.Sizes.List)
	if err != nil {
		return offers, classify("listing sizes", err)
	}
	for _, s := range sizes {
		if s.Available && slices.Contains(s.Regions, place.Region) {
			offers.Sizes = append(offers.Sizes, sizeOf(s))
		}
	}
	images, err := all(ctx, client.Images.ListDistribution)
	if err != nil {
		return offers, classify("listing images", err)
	}
	for _, i := range images {
		if i.Slug != "" && slices.Contains(i.Regions, place.Region) {
			offers.Images = append(offers.Images, machine.Offer{Name: i.Slug, Description: i.Distribution + " " + i.Name})
		}
	}
	vpcs, err := all(ctx, client.VPCs.List)
	if err != nil {
		return offers, classify("listing VPCs", err)
	}
	for _, v := range vpcs {
		if v.RegionSlug == place.Region {
			offers.Networks = append(offers.Networks, machine.Offer{Name: v.Name, Description: v.IPRange})
		}
	}
	for _, list := range [][]machine.Offer{offers.Places, offers.Images, offers.Networks} {
		slices.SortFunc(list, func(x, y machine.Offer) int { return cmp.Compare(x.Name, y.Name) })
	}
	slices.SortStableFunc(offers.Sizes, func(x, y machine.Size) int {
		return cmp.Or(cmp.Compare(x.CPUs, y.CPUs), x.Memory.Cmp(y.Memory), cmp.Compare(x.Name, y.Name))
	})
	return offers, nil
}

// sizeOf returns a size, whose memory is in MiB and whose disk in GiB there.
func sizeOf(s godo.Size) machine.Size {
	size := machine.Size{
		Offer: machine.Offer{Name: s.Slug, Description: s.Description}, CPUs: s.Vcpus,
		Memory:       resource.MustParse(fmt.Sprintf("%dMi", s.Memory)),
		Disk:         resource.MustParse(fmt.Sprintf("%dGi", s.Disk)),
		PricePerHour: strconv.FormatFloat(s.PriceHourly, 'f', -1, 64), Currency: "USD",
		Architecture: "amd64",
	}
	if s.GPUInfo != nil {
		size.GPUs = s.GPUInfo.Count
	}
	return size
}
