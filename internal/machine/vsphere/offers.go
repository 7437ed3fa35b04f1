// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/vmware/govmomi/view"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns the datacenters of the vCenter, and the compute clusters, templates and port groups of the place's. Machines
// are of any size.
func (c *Cloud) Offers(ctx context.Context, a machine.Account) (machine.Offers, error) {
	var offers machine.Offers
	err := c.do(ctx, a, func(s *session) error {
		in, err := s.inventory(ctx)
		if err != nil {
			return err
		}
		offers = machine.Offers{}
		if offers.Places, err = s.offers(ctx, s.client.ServiceContent.RootFolder, "Datacenter"); err != nil {
			return err
		}
		if offers.Zones, err = s.offers(ctx, in.datacenter.Reference(), "ClusterComputeResource"); err != nil {
			return err
		}
		if offers.Networks, err = s.offers(ctx, in.datacenter.Reference(), "Network", "DistributedVirtualPortgroup"); err != nil {
			return err
		}
		offers.Images, err = s.offers(ctx, in.datacenter.Reference(), "VirtualMachine")
		return err
	})
	return offers, err
}

// offers returns what there is of the kinds below an object. Of virtual machines these are the templates.
func (s *session) offers(ctx context.Context, root vim.ManagedObjectReference, kinds ...string) ([]machine.Offer, error) {
	container, err := view.NewManager(s.client).CreateContainerView(ctx, root, kinds, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = container.Destroy(ctx) }() // vCenter does so too, at the end of the session
	spec := vim.PropertyFilterSpec{ObjectSet: []vim.ObjectSpec{{
		Obj: container.Reference(), Skip: vim.NewBool(true), SelectSet: []vim.BaseSelectionSpec{container.TraversalSpec()},
	}}}
	for _, kind := range kinds {
		properties := []string{"name"}
		if kind == "VirtualMachine" {
			properties = append(properties, "config.template", "config.guestFullName")
		}
		spec.PropSet = append(spec.PropSet, vim.PropertySpec{Type: kind, PathSet: properties})
	}
	content, err := s.retrieve(ctx, spec)
	if err != nil {
		return nil, err
	}
	offers := []machine.Offer{}
	for _, object := range content {
		offer, isTemplate := machine.Offer{}, object.Obj.Type != "VirtualMachine"
		for _, p := range object.PropSet {
			switch p.Name {
			case "name":
				offer.Name, _ = p.Val.(string)
			case "config.template":
				isTemplate, _ = p.Val.(bool)
			case "config.guestFullName":
				offer.Description, _ = p.Val.(string)
			}
		}
		// The ports of a distributed switch that lead out of it are not for machines.
		if isTemplate && !strings.Contains(offer.Name, "-DVUplinks-") {
			offers = append(offers, offer)
		}
	}
	slices.SortFunc(offers, func(a, b machine.Offer) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(offers), nil
}
