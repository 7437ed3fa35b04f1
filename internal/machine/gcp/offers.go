// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/api/compute/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// zone returns the zone of a machine: the one that its pool wants, or the first of the place's.
func (a *account) zone(ctx context.Context, wanted string) (string, error) {
	if wanted != "" && !strings.HasPrefix(wanted, a.place.Region+"-") {
		return "", &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf("the zone %s is not in %s: change the pool", wanted, a.place.Region)}
	}
	if wanted != "" {
		return wanted, nil
	}
	zones, err := a.zonesOf(ctx)
	if err != nil {
		return "", err
	}
	return zones[0], nil
}

// zonesOf returns the zones of the place, of which there is at least one.
func (a *account) zonesOf(ctx context.Context) ([]string, error) {
	if len(a.place.ZoneSuffixes) > 0 {
		var zones []string
		for _, suffix := range a.place.ZoneSuffixes {
			zones = append(zones, a.place.Region+"-"+suffix)
		}
		return zones, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.zones) > 0 {
		return a.zones, nil
	}
	doing := "looking for the zones of " + a.place.Region
	region, err := a.compute.Regions.Get(a.project, a.place.Region).Context(ctx).Do()
	if err != nil {
		return nil, explain(err, doing)
	}
	for _, zone := range region.Zones {
		a.zones = append(a.zones, last(zone))
	}
	if len(a.zones) == 0 {
		return nil, refused(v1alpha1.ReasonConfiguration, doing, "it has none")
	}
	slices.Sort(a.zones)
	return a.zones, nil
}

// machineType returns what Google says of a machine type.
func (a *account) machineType(ctx context.Context, zone, wanted string) (*compute.MachineType, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := zone + "/" + wanted
	if found, ok := a.types[key]; ok {
		return found, nil
	}
	found, err := a.compute.MachineTypes.Get(a.project, zone, wanted).Context(ctx).Do()
	if err != nil {
		return nil, explain(err, fmt.Sprintf("looking for the machine type %s in %s", wanted, zone))
	}
	a.types[key] = found
	return found, nil
}

// Offers returns the regions, and of the place its zones, the machine types of the first of them, and what the project has.
func (c *Cloud) Offers(ctx context.Context, account machine.Account) (machine.Offers, error) {
	a, err := c.account(ctx, account)
	if err != nil {
		return machine.Offers{}, err
	}
	zones, err := a.zonesOf(ctx)
	if err != nil {
		return machine.Offers{}, err
	}
	var o machine.Offers
	for _, zone := range zones {
		o.Zones = append(o.Zones, machine.Offer{Name: zone})
	}
	for _, list := range []struct {
		of string
		do func(context.Context, *machine.Offers) error
	}{
		{"regions", a.regions}, {"machine types", a.sizesOf(zones[0])}, {"images", a.images}, {"networks", a.networks}, {"subnets", a.subnets},
	} {
		if err := list.do(ctx, &o); err != nil {
			return machine.Offers{}, explain(err, "reading the "+list.of)
		}
	}
	for _, offers := range [][]machine.Offer{o.Places, o.Images, o.Networks, o.Subnets} {
		slices.SortFunc(offers, func(a, b machine.Offer) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(o.Sizes, func(a, b machine.Size) int {
		return cmp.Or(cmp.Compare(a.CPUs, b.CPUs), a.Memory.Cmp(b.Memory), strings.Compare(a.Name, b.Name))
	})
	return o, nil
}

func (a *account) regions(ctx context.Context, o *machine.Offers) error {
	return a.compute.Regions.List(a.project).Pages(ctx, func(page *compute.RegionList) error {
		for _, r := range page.Items {
			o.Places = append(o.Places, machine.Offer{Name: r.Name, Description: r.Description})
		}
		return nil
	})
}

func (a *account) sizesOf(zone string) func(context.Context, *machine.Offers) error {
	return func(ctx context.Context, o *machine.Offers) error {
		return a.compute.MachineTypes.List(a.project, zone).Pages(ctx, func(page *compute.MachineTypeList) error {
			for _, t := range page.Items {
				if t.Deprecated == nil {
					o.Sizes = append(o.Sizes, size(t))
				}
			}
			return nil
		})
	}
}

func (a *account) images(ctx context.Context, o *machine.Offers) error {
	return a.compute.Images.List(a.project).Pages(ctx, func(page *compute.ImageList) error {
		for _, i := range page.Items {
			o.Images = append(o.Images, machine.Offer{Name: i.Name, Description: i.Description})
		}
		return nil
	})
}

func (a *account) networks(ctx context.Context, o *machine.Offers) error {
	return a.compute.Networks.List(a.project).Pages(ctx, func(page *compute.NetworkList) error {
		for _, n := range page.Items {
			o.Networks = append(o.Networks, machine.Offer{Name: n.Name, Description: n.Description})
		}
		return nil
	})
}

func (a *account) subnets(ctx context.Context, o *machine.Offers) error {
	return a.compute.Subnetworks.List(a.project, a.place.Region).Pages(ctx, func(page *compute.SubnetworkList) error {
		for _, n := range page.Items {
			o.Subnets = append(o.Subnets, machine.Offer{Name: n.Name, Description: last(n.Network) + " " + n.IpCidrRange})
		}
		return nil
	})
}

func size(t *compute.MachineType) machine.Size {
	s := machine.Size{
		Offer:        machine.Offer{Name: t.Name, Description: t.Description},
		CPUs:         int(t.GuestCpus),
		Memory:       *resource.NewQuantity(t.MemoryMb<<20, resource.BinarySI),
		Architecture: "amd64",
	}
	if t.Architecture == "ARM64" {
		s.Architecture = "arm64"
	}
	for _, gpu := range t.Accelerators {
		s.GPUs += int(gpu.GuestAcceleratorCount)
	}
	return s
}
