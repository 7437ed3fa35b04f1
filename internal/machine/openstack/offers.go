// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns the regions of the catalog, and what there is in the place's. Prices are not OpenStack's business.
func (c *Cloud) Offers(ctx context.Context, opens machine.Account) (machine.Offers, error) {
	var offers machine.Offers
	err := c.do(ctx, opens, func(a *account) error {
		offers = machine.Offers{}
		for _, add := range []func(context.Context, *machine.Offers) error{a.offerPlaces, a.offerSizes, a.offerImages, a.offerNetworks} {
			if err := add(ctx, &offers); err != nil {
				return err
			}
		}
		return nil
	})
	for _, list := range []*[]machine.Offer{&offers.Places, &offers.Zones, &offers.Images, &offers.Networks, &offers.Subnets} {
		slices.SortFunc(*list, func(a, b machine.Offer) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Description, b.Description))
		})
		*list = slices.Compact(*list)
	}
	return offers, err
}

func (a *account) offerPlaces(ctx context.Context, offers *machine.Offers) error {
	if token, ok := a.token(); ok {
		catalog, err := token.ExtractServiceCatalog()
		if err != nil {
			return fmt.Errorf("reading the catalog: %w", err)
		}
		for _, service := range catalog.Entries {
			for _, endpoint := range service.Endpoints {
				if service.Type == a.compute.Type {
					offers.Places = append(offers.Places, machine.Offer{Name: cmp.Or(endpoint.RegionID, endpoint.Region)})
				}
			}
		}
	}
	pages, err := availabilityzones.List(a.compute).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("listing availability zones: %w", err)
	}
	zones, err := availabilityzones.ExtractAvailabilityZones(pages)
	for _, zone := range zones {
		if zone.ZoneState.Available {
			offers.Zones = append(offers.Zones, machine.Offer{Name: zone.ZoneName})
		}
	}
	return err
}

func (a *account) offerSizes(ctx context.Context, offers *machine.Offers) error {
	found, err := a.flavors(ctx)
	for _, flavor := range found {
		size := machine.Size{
			Offer: machine.Offer{Name: flavor.Name, Description: flavor.Description}, CPUs: flavor.VCPUs,
			Memory: *resource.NewQuantity(int64(flavor.RAM)<<20, resource.BinarySI),
		}
		if flavor.Disk > 0 {
			size.Disk = *resource.NewQuantity(int64(flavor.Disk)<<30, resource.BinarySI)
		}
		offers.Sizes = append(offers.Sizes, size)
	}
	slices.SortFunc(offers.Sizes, func(a, b machine.Size) int {
		return cmp.Or(cmp.Compare(a.CPUs, b.CPUs), a.Memory.Cmp(b.Memory), cmp.Compare(a.Name, b.Name))
	})
	return err
}

func (a *account) offerImages(ctx context.Context, offers *machine.Offers) error {
	found, err := a.images(ctx, images.ListOpts{})
	for _, image := range found {
		offers.Images = append(offers.Images, machine.Offer{Name: image.Name, Description: "of " + image.CreatedAt.UTC().Format("2006-01-02")})
	}
	return err
}

func (a *account) offerNetworks(ctx context.Context, offers *machine.Offers) error {
	found, err := a.networks(ctx, networks.ListOpts{})
	if err != nil {
		return err
	}
	for _, network := range found {
		offers.Networks = append(offers.Networks, machine.Offer{Name: network.Name, Description: network.ID})
	}
	ranges, err := a.subnets(ctx, subnets.ListOpts{})
	for _, subnet := range ranges {
		offers.Subnets = append(offers.Subnets, machine.Offer{Name: subnet.Name, Description: subnet.CIDR})
	}
	return err
}
