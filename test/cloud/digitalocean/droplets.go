// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/test/cloud/core"
)

// order is what a Droplet is made of.
type order struct {
	Name     string          `json:"name"`
	Region   string          `json:"region"`
	Size     string          `json:"size"`
	Image    json.RawMessage `json:"image"`
	UserData string          `json:"user_data"`
	Tags     []string        `json:"tags"`
	VPC      string          `json:"vpc_uuid"`
}

var hostname = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

// maxUserData is 64 KiB.
const maxUserData = 64 << 10

func (c *Cloud) createDroplet(r *http.Request) (int, any, error) {
	var o order
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	if err := c.check(o); err != nil {
		return 0, nil, err
	}
	instance := core.Instance{
		ID: strconv.Itoa(300000000 + c.Serial()), Name: o.Name, Size: o.Size, Zone: o.Region,
		Tags: map[string]string{}, UserData: []byte(o.UserData), Detail: o.VPC,
	}
	for _, tag := range o.Tags {
		instance.Tags[tag] = ""
	}
	launched, err := c.Launch(r.Context(), instance)
	if err != nil {
		return 0, nil, err
	}
	for _, tag := range o.Tags { // which makes those that there are not
		if _, there := c.tags.Get(tag); !there {
			c.tags.Put(tag, tag)
		}
	}
	return http.StatusAccepted, map[string]any{"droplet": droplet(launched)}, nil
}

// check refuses what the API refuses.
func (c *Cloud) check(o order) error {
	switch size := sizeOf(o.Size); {
	case !hostname.MatchString(o.Name):
		return invalid("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
	case !slices.ContainsFunc(regions, func(r godo.Region) bool { return r.Slug == o.Region }):
		return invalid("You specified an invalid region for Droplet creation.")
	case size == nil:
		return invalid("You specified an invalid size for Droplet creation.")
	case !slices.Contains(size.Regions, o.Region):
		return core.Refuse(core.SoldOut, "")
	case !imageThere(o.Image):
		return invalid("You specified an invalid image for Droplet creation.")
	case len(o.UserData) > maxUserData:
		return invalid("User data is too long (maximum is 64 KiB)")
	}
	if vpc, ok := c.vpcs.Get(o.VPC); o.VPC != "" && (!ok || vpc.RegionSlug != o.Region) {
		return invalid("You specified an invalid VPC for Droplet creation.")
	}
	for _, tag := range o.Tags {
		if !tagName.MatchString(tag) {
			return invalid("Tag name %q is invalid", tag)
		}
	}
	return nil
}

// imageThere reports whether there is an image with the slug or the number.
func imageThere(name json.RawMessage) bool {
	return slices.ContainsFunc(images, func(i godo.Image) bool {
		return string(name) == strconv.Itoa(i.ID) || string(name) == strconv.Quote(i.Slug)
	})
}

func (c *Cloud) listDroplets(r *http.Request) (int, any, error) {
	tag := r.URL.Query().Get("tag_name")
	all := []*godo.Droplet{}
	for _, i := range c.Instances(r.Context(), func(i *core.Instance) bool { return tag == "" || hasTag(i, tag) }) {
		if i.State != core.Ending { // which only holds up its VPC
			all = append(all, droplet(i))
		}
	}
	return page(c, r, "droplets", all)
}

func (c *Cloud) deleteDroplet(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	if i := c.Instance(r.Context(), id); i == nil || i.State == core.Ending {
		return 0, nil, notFound()
	}
	_, err := c.End(r.Context(), id)
	return http.StatusNoContent, nil, err
}

func (c *Cloud) deleteDropletsByTag(r *http.Request) (int, any, error) {
	tag := r.URL.Query().Get("tag_name")
	if tag == "" {
		return 0, nil, invalid("tag_name is missing")
	}
	for _, i := range c.Instances(r.Context(), func(i *core.Instance) bool { return hasTag(i, tag) }) {
		if _, err := c.End(r.Context(), i.ID); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusNoContent, nil, nil
}

func hasTag(i *core.Instance, tag string) bool {
	_, has := i.Tags[tag]
	return has
}

// droplet is an instance as the API shows it.
func droplet(i *core.Instance) *godo.Droplet {
	size := sizeOf(i.Size)
	id, _ := strconv.Atoi(i.ID)
	vpc, _ := i.Detail.(string)
	d := &godo.Droplet{
		ID: id, Name: i.Name, Memory: size.Memory, Vcpus: size.Vcpus, Disk: size.Disk, SizeSlug: i.Size, Size: size,
		Status: "new", Created: i.Created.Format(time.RFC3339), Tags: slices.Sorted(maps.Keys(i.Tags)), VPCUUID: vpc,
		Region: &godo.Region{Slug: i.Zone}, Networks: &godo.Networks{},
	}
	if i.State == core.Running {
		d.Status = "active"
	}
	for kind, address := range map[string]string{"private": i.PrivateIP, "public": i.PublicIP} {
		if address != "" && i.State == core.Running {
			d.Networks.V4 = append(d.Networks.V4, godo.NetworkV4{IPAddress: address, Type: kind})
		}
	}
	slices.SortFunc(d.Networks.V4, func(a, b godo.NetworkV4) int { return len(b.Type) - len(a.Type) })
	return d
}
