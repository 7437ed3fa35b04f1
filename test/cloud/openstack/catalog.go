// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import "net/http"

// What somebody else has made.
const (
	GivenNetwork = "d32019d3-bc6e-4319-9c1d-6722fc136a22"
	GivenSubnet  = "08eae331-0402-425a-923c-34f7cfe39c1b"
	GivenGroup   = "85cc3048-abc3-43cc-89b3-377341426ac5"
	givenOutside = "376da547-b977-4cfe-9cba-275c80debf57"
)

// Images of the cloud.
const (
	Ubuntu = "70a599e0-31e7-49b7-b260-868f441e862b"
	debian = "4e1a6a4b-2b0c-4e7b-9a77-2f6e7b0a1d0e"
)

var zones = []string{"nova", "nova-2"}

var flavors = []object{
	{"id": "1", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 20, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": "", "os-flavor-access:is_public": true},
	{"id": "3", "name": "m1.large", "vcpus": 4, "ram": 8192, "disk": 80, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": "", "os-flavor-access:is_public": true},
	{"id": "2", "name": "m1.medium", "vcpus": 2, "ram": 4096, "disk": 0, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": "", "os-flavor-access:is_public": true},
}

var images = []object{
	image("a3c1d0b2-6f0e-4f7e-8b1a-9f0d6b0c1e11", "Ubuntu 24.04 2024-05-01", "2024-05-01T00:00:00Z"),
	image("b3c1d0b2-6f0e-4f7e-8b1a-9f0d6b0c1e12", "Ubuntu Minimal 24.04", "2026-09-01T00:00:00Z"),
	image(Ubuntu, "ubuntu-24.04-noble", "2026-08-01T00:00:00Z"),
	image("c3c1d0b2-6f0e-4f7e-8b1a-9f0d6b0c1e13", "Ubuntu 22.04", "2026-10-01T00:00:00Z"),
	image(debian, "Debian 13", "2026-07-01T00:00:00Z"),
}

func image(id, name, created string) object {
	return object{
		"id": id, "name": name, "status": "active", "visibility": "public", "created_at": created, "updated_at": created,
		"tags": []string{}, "min_disk": 0, "min_ram": 0, "container_format": "bare", "disk_format": "qcow2", "owner": "p-admin",
	}
}

func (c *Cloud) give() {
	for kind, o := range map[string]object{
		"network": {
			"id": GivenNetwork, "name": "shared", "description": "", "status": "ACTIVE", "router:external": false, "is_default": false, "subnets": []string{GivenSubnet},
		},
		"subnet":         {"id": GivenSubnet, "name": "shared-v4", "description": "", "network_id": GivenNetwork, "cidr": "192.0.2.0/24", "ip_version": 4},
		"security_group": {"id": GivenGroup, "name": "office", "description": "", "security_group_rules": []object{}},
	} {
		c.collections[kind].table.Give(o["id"].(string), o)
	}
	c.collections["network"].table.Give(givenOutside, object{
		"id": givenOutside, "name": "public", "description": "", "status": "ACTIVE", "router:external": true, "is_default": true, "subnets": []string{},
	})
}

func (c *Cloud) listFlavors(r *http.Request) (int, any, error) {
	return answerPage(c, r, "flavors", flavors)
}

func (c *Cloud) listZones(*http.Request) (int, any, error) {
	all := []object{}
	for _, zone := range zones {
		all = append(all, object{"zoneName": zone, "zoneState": object{"available": true}, "hosts": nil})
	}
	return http.StatusOK, object{"availabilityZoneInfo": all}, nil
}

func (c *Cloud) listImages(r *http.Request) (int, any, error) {
	found := []object{}
	for _, image := range images {
		is := true
		for _, name := range []string{"name", "id", "status", "visibility"} {
			if want := r.URL.Query().Get(name); want != "" {
				is = is && image[name] == want
			}
		}
		if is {
			found = append(found, image)
		}
	}
	page, next := cut(c, r, found)
	body := object{"images": page, "first": r.URL.Path, "schema": "/v2/schemas/images"}
	if next != "" {
		body["next"] = "/v2/images" + next[len(r.URL.Path):]
	}
	return http.StatusOK, body, nil
}
