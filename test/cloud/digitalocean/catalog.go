// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"net/http"

	"github.com/digitalocean/godo"
)

// Some of what there is to choose from.
var (
	everywhere = []string{"ams1", "ams3", "fra1", "lon1", "nyc1"}
	regions    = []godo.Region{
		{Slug: "ams1", Name: "Amsterdam 1", Available: true},
		{Slug: "lon1", Name: "London 1", Available: true},
		{Slug: "nyc1", Name: "New York 1", Available: true},
		{Slug: "ams3", Name: "Amsterdam 3", Available: true},
		{Slug: "fra1", Name: "Frankfurt 1", Available: true},
		{Slug: "nyc2", Name: "New York 2"},
	}
	sizes = []godo.Size{
		{Slug: "s-4vcpu-8gb", Description: "Basic", Memory: 8192, Vcpus: 4, Disk: 160, PriceHourly: 0.07143, Available: true, Regions: everywhere},
		{Slug: "s-2vcpu-4gb", Description: "Basic", Memory: 4096, Vcpus: 2, Disk: 80, PriceHourly: 0.03571, Available: true, Regions: everywhere},
		{Slug: "c-2", Description: "CPU-Optimized", Memory: 4096, Vcpus: 2, Disk: 25, PriceHourly: 0.0625, Available: true, Regions: []string{"nyc1"}},
		{Slug: "gpu-h100x1-80gb", Description: "H100 GPU", Memory: 245760, Vcpus: 20, Disk: 720, PriceHourly: 3.39, Available: true, Regions: []string{"nyc1"}, GPUInfo: &godo.GPUInfo{Count: 1, Model: "nvidia_h100"}},
	}
	images = []godo.Image{
		{ID: 155133621, Name: "24.04 (LTS) x64", Distribution: "Ubuntu", Slug: "ubuntu-24-04-x64", Public: true, Status: "available", Regions: everywhere},
		{ID: 195576643, Name: "13 x64", Distribution: "Debian", Slug: "debian-13-x64", Public: true, Status: "available", Regions: everywhere},
	}
)

func sizeOf(slug string) *godo.Size {
	for i := range sizes {
		if sizes[i].Slug == slug {
			return &sizes[i]
		}
	}
	return nil
}

func (c *Cloud) listRegions(r *http.Request) (int, any, error) { return page(c, r, "regions", regions) }

func (c *Cloud) listSizes(r *http.Request) (int, any, error) { return page(c, r, "sizes", sizes) }

func (c *Cloud) listImages(r *http.Request) (int, any, error) { return page(c, r, "images", images) }
