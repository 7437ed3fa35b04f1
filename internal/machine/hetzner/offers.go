// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/internal/machine"
)

// Offers returns the locations, and what can be had in that of the place.
func (Cloud) Offers(ctx context.Context, a machine.Account) (machine.Offers, error) {
	client, place, err := connect(a)
	if err != nil {
		return machine.Offers{}, err
	}
	offers := machine.Offers{}
	locations, err := client.Location.All(ctx)
	if err != nil {
		return offers, classify("listing locations", err)
	}
	for _, l := range locations {
		offers.Places = append(offers.Places, machine.Offer{Name: l.Name, Description: l.City + ", " + l.Country})
	}
	types, err := client.ServerType.All(ctx)
	if err != nil {
		return offers, classify("listing server types", err)
	}
	for _, t := range types {
		if size, ok := sizeOf(t, place.Location); ok {
			offers.Sizes = append(offers.Sizes, size)
		}
	}
	images, err := client.Image.AllWithOpts(ctx, hcloud.ImageListOpts{Type: []hcloud.ImageType{hcloud.ImageTypeSystem}, Status: []hcloud.ImageStatus{hcloud.ImageStatusAvailable}})
	if err != nil {
		return offers, classify("listing images", err)
	}
	for _, i := range images { // of which there is one for each architecture
		offer := machine.Offer{Name: i.Name, Description: i.Description}
		if !i.IsDeprecated() && !slices.Contains(offers.Images, offer) {
			offers.Images = append(offers.Images, offer)
		}
	}
	networks, err := client.Network.All(ctx)
	if err != nil {
		return offers, classify("listing networks", err)
	}
	for _, n := range networks {
		offers.Networks = append(offers.Networks, machine.Offer{Name: n.Name, Description: n.IPRange.String()})
	}
	for _, list := range [][]machine.Offer{offers.Places, offers.Images, offers.Networks} {
		slices.SortFunc(list, func(x, y machine.Offer) int { return cmp.Compare(x.Name, y.Name) })
	}
	slices.SortStableFunc(offers.Sizes, func(x, y machine.Size) int {
		return cmp.Or(cmp.Compare(x.CPUs, y.CPUs), x.Memory.Cmp(y.Memory), cmp.Compare(x.Name, y.Name))
	})
	return offers, nil
}

// sizeOf returns a server type whose memory and disk are in GB there, if it can be had in the location.
func sizeOf(t *hcloud.ServerType, location string) (machine.Size, bool) {
	at := slices.IndexFunc(t.Locations, func(l hcloud.ServerTypeLocation) bool { return l.Location.Name == location })
	if at < 0 || !t.Locations[at].Available || t.Locations[at].IsDeprecated() {
		return machine.Size{}, false
	}
	size := machine.Size{
		Offer: machine.Offer{Name: t.Name, Description: fmt.Sprintf("%s, %s CPUs", t.Description, t.CPUType)}, CPUs: t.Cores,
		Memory:       resource.MustParse(fmt.Sprintf("%dMi", int(t.Memory*1024))),
		Disk:         resource.MustParse(fmt.Sprintf("%dGi", t.Disk)),
		Architecture: "amd64",
	}
	if t.Architecture == hcloud.ArchitectureARM {
		size.Architecture = "arm64"
	}
	for _, p := range t.Pricings {
		if p.Location.Name == location {
			size.PricePerHour, size.Currency = p.Hourly.Net, "EUR"
		}
	}
	return size, true
}

// Verify reads, and asks to delete what nothing is: only a token for reading and writing is told that there is none.
func (Cloud) Verify(ctx context.Context, a machine.Account) error {
	client, _, err := connect(a)
	if err != nil {
		return err
	}
	if _, _, err := client.Server.List(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{PerPage: 1}}); err != nil {
		return classify("verifying that the token may read", err)
	}
	_, err = client.Firewall.Delete(ctx, &hcloud.Firewall{ID: math.MaxInt64})
	if hcloud.IsError(err, hcloud.ErrorCodeInvalidInput) {
		return nil
	}
	return classify("verifying that the token may write", ignoreNotFound(err))
}
