// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud/schema"

	"canopy.dev/canopy/test/cloud/core"
)

var hostname = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

// maxUserData is 32 KiB.
const maxUserData = 32 << 10

func (c *Cloud) createServer(r *http.Request) (int, any, error) {
	var o schema.ServerCreateRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	if err := c.check(o); err != nil {
		return 0, nil, err
	}
	tags := map[string]string{}
	if o.Labels != nil {
		tags = *o.Labels
	}
	launched, err := c.Launch(r.Context(), core.Instance{
		ID: strconv.Itoa(60000000 + c.Serial()), Name: o.Name, Size: o.ServerType.Name, Zone: o.Location,
		Tags: tags, UserData: []byte(o.UserData), Detail: o,
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, schema.ServerCreateResponse{Server: server(launched), Action: action("create_server")}, nil
}

// check refuses what the API refuses.
func (c *Cloud) check(o schema.ServerCreateRequest) error {
	switch {
	case !hostname.MatchString(o.Name):
		return invalid("invalid input in field 'name'")
	case !slices.ContainsFunc(serverTypes, func(t schema.ServerType) bool { return t.Name == o.ServerType.Name }):
		return notFound("server_type")
	case !slices.ContainsFunc(images, func(i schema.Image) bool { return *i.Name == o.Image.Name || i.ID == o.Image.ID }):
		return invalid("image not found")
	case !slices.ContainsFunc(locations, func(l schema.Location) bool { return l.Name == o.Location }):
		return invalid("location not found")
	case len(o.UserData) > maxUserData:
		return invalid("invalid input in field 'user_data'")
	case c.Members(func(i *core.Instance) bool { return i.Name == o.Name }) > 0:
		return core.Refuse(taken, "server name is already used")
	}
	for _, id := range o.Networks {
		if _, there := c.networks.Get(fmt.Sprint(id)); !there {
			return notFound("network")
		}
	}
	for _, f := range o.Firewalls {
		if _, there := c.firewalls.Get(fmt.Sprint(f.Firewall)); !there {
			return notFound("firewall")
		}
	}
	return rightLabels(o.Labels)
}

func (c *Cloud) listServers(r *http.Request) (int, any, error) {
	var all []schema.Server
	for _, i := range c.Instances(r.Context(), func(*core.Instance) bool { return true }) {
		all = append(all, server(i))
	}
	return page(c, r, "servers", all, func(s schema.Server) labeled { return labeled{s.Name, s.Labels} })
}

func (c *Cloud) deleteServer(r *http.Request) (int, any, error) {
	there, err := c.End(r.Context(), r.PathValue("id"))
	if !there {
		return 0, nil, notFound("server")
	}
	return http.StatusOK, schema.ServerDeleteResponse{Action: action("delete_server")}, err
}

func action(command string) schema.Action {
	return schema.Action{ID: 1, Status: "success", Command: command, Progress: 100}
}

// server is an instance as the API shows it.
func server(i *core.Instance) schema.Server {
	o, _ := i.Detail.(schema.ServerCreateRequest)
	id, _ := strconv.ParseInt(i.ID, 10, 64)
	s := schema.Server{
		ID: id, Name: i.Name, Created: i.Created, Labels: i.Tags, Location: schema.Location{Name: i.Zone},
		Status: map[core.State]string{core.Pending: "initializing", core.Running: "running", core.Ending: "deleting"}[i.State],
	}
	s.ServerType.Name = i.Size
	s.PublicNet.IPv4.IP = i.PublicIP
	for _, f := range o.Firewalls {
		s.PublicNet.Firewalls = append(s.PublicNet.Firewalls, schema.ServerFirewall{ID: f.Firewall, Status: "applied"})
	}
	for _, n := range o.Networks {
		s.PrivateNet = append(s.PrivateNet, schema.ServerPrivateNet{Network: n, IP: i.PrivateIP})
	}
	return s
}
