// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"net/http"

	"github.com/hetznercloud/hcloud-go/v2/hcloud/schema"
)

// Some of what there is to choose from.
var (
	locations = []schema.Location{
		{ID: 1, Name: "fsn1", City: "Falkenstein", Country: "DE", NetworkZone: "eu-central"},
		{ID: 3, Name: "hel1", City: "Helsinki", Country: "FI", NetworkZone: "eu-central"},
		{ID: 4, Name: "ash", City: "Ashburn, VA", Country: "US", NetworkZone: "us-east"},
	}
	serverTypes = []schema.ServerType{
		serverType(116, "cx33", "x86", 4, 8),
		serverType(114, "cx23", "x86", 2, 4),
		serverType(45, "cax11", "arm", 2, 4),
	}
	images = []schema.Image{
		image(161547269, "ubuntu-24.04", "x86"), image(161547270, "ubuntu-24.04", "arm"),
		image(310557660, "debian-13", "x86"), image(310557661, "debian-13", "arm"),
	}
)

func serverType(id int64, name, architecture string, cores int, memory float32) schema.ServerType {
	return schema.ServerType{
		ID: id, Name: name, Description: name, Cores: cores, Memory: memory, Disk: 20 * cores, StorageType: "local", CPUType: "shared",
		Architecture: architecture,
		Prices:       []schema.PricingServerTypePrice{{Location: "fsn1", PriceHourly: schema.Price{Net: "0.0056", Gross: "0.0067"}}},
		Locations:    []schema.ServerTypeLocation{{ID: 1, Name: "fsn1", Available: true}, {ID: 3, Name: "hel1"}},
	}
}

func image(id int64, name, architecture string) schema.Image {
	return schema.Image{ID: id, Name: &name, Description: name, Type: "system", Status: "available", Architecture: architecture}
}

func (c *Cloud) listLocations(r *http.Request) (int, any, error) {
	return page(c, r, "locations", locations, func(l schema.Location) labeled { return labeled{name: l.Name} })
}

func (c *Cloud) listServerTypes(r *http.Request) (int, any, error) {
	return page(c, r, "server_types", serverTypes, func(t schema.ServerType) labeled { return labeled{name: t.Name} })
}

func (c *Cloud) listImages(r *http.Request) (int, any, error) {
	return page(c, r, "images", images, func(i schema.Image) labeled { return labeled{name: *i.Name} })
}
