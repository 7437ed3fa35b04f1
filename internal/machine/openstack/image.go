// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// official are how the public images of each operating system are called, of the version that machines have by default.
var official = map[v1alpha1.OperatingSystem]*regexp.Regexp{
	v1alpha1.Ubuntu:  regexp.MustCompile(`(?i)^(ubuntu.*(24\.04|noble)|noble)`),
	v1alpha1.Debian:  regexp.MustCompile(`(?i)^debian.*(\b13\b|trixie)`),
	v1alpha1.Flatcar: regexp.MustCompile(`(?i)^flatcar`),
}

// minimal are images without what a node needs.
var minimal = regexp.MustCompile(`(?i)minimal|arm64|aarch64|gpu`)

// imageOf returns the ID of the machine's image: its own, or the place's for its operating system, or the newest that the cloud
// offers to all.
func (a *account) imageOf(ctx context.Context, system v1alpha1.System) (string, error) {
	os, name := system.Chosen(a.place.Images)
	return machine.Lookup(a.known, "image/"+string(os)+"/"+name, func() (string, error) {
		if name == "" {
			return a.newestImage(ctx, os)
		}
		for _, query := range []images.ListOpts{{Name: name}, {ID: name}} {
			found, err := a.images(ctx, query)
			if err != nil {
				return "", err
			}
			if len(found) > 0 {
				return found[0].ID, nil
			}
		}
		return "", refusal(v1alpha1.ReasonConfiguration, "there is no image %s: correct the pool or the Datacenter", name)
	})
}

func (a *account) newestImage(ctx context.Context, system v1alpha1.OperatingSystem) (string, error) {
	found, err := a.images(ctx, images.ListOpts{Visibility: images.ImageVisibilityPublic})
	if err != nil {
		return "", err
	}
	for _, image := range found {
		if name := official[system]; name != nil && name.MatchString(image.Name) && !minimal.MatchString(image.Name) {
			return image.ID, nil
		}
	}
	return "", refusal(v1alpha1.ReasonConfiguration, "OpenStack has no public image of %s that is known by its name: name one in the Datacenter or the pool", system)
}

// images returns the images that can be used, the newest first.
func (a *account) images(ctx context.Context, query images.ListOpts) ([]images.Image, error) {
	query.Status = images.ImageStatusActive
	pages, err := images.List(a.image, query).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	found, err := images.ExtractImages(pages)
	slices.SortStableFunc(found, func(a, b images.Image) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return found, err
}

// flavor returns the ID of the flavor with that name or ID.
func (a *account) flavor(ctx context.Context, name string) (string, error) {
	return machine.Lookup(a.known, "flavor/"+name, func() (string, error) {
		found, err := a.flavors(ctx)
		if err != nil {
			return "", err
		}
		for _, flavor := range found {
			if flavor.Name == name || flavor.ID == name {
				return flavor.ID, nil
			}
		}
		var names []string
		for _, flavor := range found {
			names = append(names, flavor.Name)
		}
		slices.Sort(names)
		return "", refusal(v1alpha1.ReasonConfiguration, "there is no flavor %s: correct the pool; there are %s", name, strings.Join(names, ", "))
	})
}

func (a *account) flavors(ctx context.Context) ([]flavors.Flavor, error) {
	pages, err := flavors.ListDetail(a.compute, flavors.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing flavors: %w", err)
	}
	return flavors.ExtractFlavors(pages)
}
