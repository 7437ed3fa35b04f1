// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns the locations, and of the place its zones and sizes, and what the subscription has.
func (c *Cloud) Offers(ctx context.Context, account machine.Account) (machine.Offers, error) {
	a, err := c.account(account)
	if err != nil {
		return machine.Offers{}, err
	}
	var o machine.Offers
	for _, read := range []struct {
		of string
		do func(context.Context, *machine.Offers) error
	}{{"locations", a.locations}, {"sizes", a.sizes}, {"images", a.ownImages}, {"virtual networks", a.ownNetworks}} {
		if err := read.do(ctx, &o); err != nil {
			return machine.Offers{}, explain(err, "reading the "+read.of)
		}
	}
	for _, offers := range [][]machine.Offer{o.Places, o.Zones, o.Images, o.Networks, o.Subnets} {
		slices.SortFunc(offers, func(a, b machine.Offer) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(o.Sizes, func(a, b machine.Size) int {
		return cmp.Or(cmp.Compare(a.CPUs, b.CPUs), a.Memory.Cmp(b.Memory), strings.Compare(a.Name, b.Name))
	})
	return o, nil
}

// locations are those with virtual machines. Azure lists them by the names that people see; the others are those in small
// letters and without spaces.
func (a *account) locations(ctx context.Context, o *machine.Offers) error {
	provider, err := a.providers.Get(ctx, "Microsoft.Compute", nil)
	if err != nil {
		return err
	}
	for _, kind := range provider.ResourceTypes {
		if of(kind.ResourceType) != "virtualMachines" {
			continue
		}
		for _, location := range kind.Locations {
			o.Places = append(o.Places, machine.Offer{Name: strings.ReplaceAll(strings.ToLower(of(location)), " ", ""), Description: of(location)})
		}
	}
	return nil
}

func (a *account) sizes(ctx context.Context, o *machine.Offers) error {
	zones := map[string]bool{}
	pager := a.skus.NewListPager(&armcompute.ResourceSKUsClientListOptions{Filter: new("location eq '" + a.place.Location + "'")})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, sku := range page.Value {
			if of(sku.ResourceType) != "virtualMachines" || notHere(sku) {
				continue
			}
			o.Sizes = append(o.Sizes, size(sku))
			for _, location := range sku.LocationInfo {
				for _, zone := range location.Zones {
					zones[of(zone)] = true
				}
			}
		}
	}
	for zone := range zones {
		o.Zones = append(o.Zones, machine.Offer{Name: zone})
	}
	return nil
}

// notHere reports whether the subscription cannot have the size at the place.
func notHere(sku *armcompute.ResourceSKU) bool {
	return slices.ContainsFunc(sku.Restrictions, func(r *armcompute.ResourceSKURestrictions) bool {
		return of(r.Type) == armcompute.ResourceSKURestrictionsTypeLocation
	})
}

func size(sku *armcompute.ResourceSKU) machine.Size {
	s := machine.Size{Offer: machine.Offer{Name: of(sku.Name), Description: of(sku.Family)}, Architecture: "amd64"}
	for _, capability := range sku.Capabilities {
		number, _ := strconv.ParseFloat(of(capability.Value), 64) // zero for what is no number
		switch of(capability.Name) {
		case "vCPUs":
			s.CPUs = int(number)
		case "MemoryGB":
			s.Memory = *resource.NewQuantity(int64(number*(1<<30)), resource.BinarySI)
		case "GPUs":
			s.GPUs = int(number)
		case "CpuArchitectureType":
			if strings.EqualFold(of(capability.Value), "Arm64") {
				s.Architecture = "arm64"
			}
		}
	}
	return s
}

func (a *account) ownImages(ctx context.Context, o *machine.Offers) error {
	pager := a.images.NewListPager(nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, image := range page.Value {
			o.Images = append(o.Images, machine.Offer{Name: of(image.ID), Description: of(image.Name)})
		}
	}
	return nil
}

func (a *account) ownNetworks(ctx context.Context, o *machine.Offers) error {
	pager := a.networks.NewListAllPager(nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, network := range page.Value {
			if of(network.Location) != a.place.Location || network.Properties == nil {
				continue
			}
			o.Networks = append(o.Networks, machine.Offer{Name: of(network.ID), Description: of(network.Name)})
			for _, subnet := range network.Properties.Subnets {
				o.Subnets = append(o.Subnets, machine.Offer{Name: of(subnet.ID), Description: of(network.Name) + " " + of(subnet.Name)})
			}
		}
	}
	return nil
}
