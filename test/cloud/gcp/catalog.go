// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"maps"
	"slices"

	"google.golang.org/api/compute/v1"
)

// regions are the suffixes of the zones by region. The first region of all has no zone with the suffix a, as the real one.
var regions = map[string][]string{
	"us-east1": {"b", "c", "d"},
	"us-west1": {"a", "b", "c"},
}

func zones() []string {
	var all []string
	for _, region := range slices.Sorted(maps.Keys(regions)) {
		for _, suffix := range regions[region] {
			all = append(all, region+"-"+suffix)
		}
	}
	return all
}

// machineTypes are the same in all zones.
var machineTypes = map[string]*compute.MachineType{
	"e2-small":       {Name: "e2-small", GuestCpus: 2, MemoryMb: 2048, Architecture: "X86_64", IsSharedCpu: true},
	"e2-standard-2":  {Name: "e2-standard-2", GuestCpus: 2, MemoryMb: 8192, Architecture: "X86_64"},
	"e2-standard-4":  {Name: "e2-standard-4", GuestCpus: 4, MemoryMb: 16384, Architecture: "X86_64"},
	"t2a-standard-2": {Name: "t2a-standard-2", GuestCpus: 2, MemoryMb: 8192, Architecture: "ARM64"},
	"g2-standard-4": {
		Name: "g2-standard-4", GuestCpus: 4, MemoryMb: 16384, Architecture: "X86_64",
		Accelerators: []*compute.MachineTypeAccelerators{{GuestAcceleratorCount: 1, GuestAcceleratorType: "nvidia-l4"}},
	},
}

// images are those that instances can boot; the families of Google's own, and one of the project's.
var images = map[string]bool{
	"projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64": true,
	"projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-arm64": true,
	"projects/debian-cloud/global/images/family/debian-13":                true,
	"projects/debian-cloud/global/images/family/debian-13-arm64":          true,
	"projects/kinvolk-public/global/images/family/flatcar-stable":         true,
	"projects/demo-project/global/images/own":                             true,
}

func (c *Cloud) region(name string) *compute.Region {
	r := &compute.Region{Name: name, SelfLink: link(c.path("regions/" + name)), Status: "UP"}
	for _, suffix := range regions[name] {
		r.Zones = append(r.Zones, link(c.path("zones/"+name+"-"+suffix)))
	}
	return r
}

func (c *Cloud) getRegion(r call) (any, error) {
	name := r.PathValue("region")
	if _, ok := regions[name]; !ok {
		return nil, notFound(c.path("regions/" + name))
	}
	return c.region(name), nil
}

func (c *Cloud) listRegions(r call) (any, error) {
	var all []*compute.Region
	for _, name := range slices.Sorted(maps.Keys(regions)) {
		all = append(all, c.region(name))
	}
	return list(c, r, all)
}

func (c *Cloud) getMachineType(r call) (any, error) {
	found, ok := machineTypes[r.PathValue("machineType")]
	if !ok || !slices.Contains(zones(), r.PathValue("zone")) {
		return nil, notFound(pathOf(r.URL.Path))
	}
	return found, nil
}

func (c *Cloud) listMachineTypes(r call) (any, error) {
	var all []*compute.MachineType
	for _, name := range slices.Sorted(maps.Keys(machineTypes)) {
		all = append(all, machineTypes[name])
	}
	return list(c, r, all)
}

func (c *Cloud) listImages(r call) (any, error) {
	return list(c, r, []*compute.Image{{Name: "own", Description: "an image of the project's own", SelfLink: link(c.path("global/images/own"))}})
}
