// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud/schema"

	"canopy.dev/canopy/test/cloud/core"
)

// inNetwork and behind return whether a server is in a network, and whether a firewall works on it.
func inNetwork(id int64) func(*core.Instance) bool {
	return func(i *core.Instance) bool {
		o, _ := i.Detail.(schema.ServerCreateRequest)
		return slices.Contains(o.Networks, id)
	}
}

func behind(id int64) func(*core.Instance) bool {
	return func(i *core.Instance) bool {
		o, _ := i.Detail.(schema.ServerCreateRequest)
		return slices.Contains(o.Firewalls, schema.ServerCreateFirewalls{Firewall: id})
	}
}

// network is one as the API shows it, with the servers that are in it.
func (c *Cloud) network(r *http.Request, n *schema.Network) schema.Network {
	shown := *n
	for _, i := range c.Instances(r.Context(), inNetwork(n.ID)) {
		id, _ := strconv.ParseInt(i.ID, 10, 64)
		shown.Servers = append(shown.Servers, id)
	}
	return shown
}

func (c *Cloud) listNetworks(r *http.Request) (int, any, error) {
	var all []schema.Network
	for _, n := range c.networks.All() {
		all = append(all, c.network(r, n))
	}
	return page(c, r, "networks", all, func(n schema.Network) labeled { return labeled{n.Name, n.Labels} })
}

func (c *Cloud) readNetwork(r *http.Request) (int, any, error) {
	n, there := c.networks.Get(r.PathValue("id"))
	if !there {
		return 0, nil, notFound("network")
	}
	return http.StatusOK, schema.NetworkGetResponse{Network: c.network(r, n)}, nil
}

func (c *Cloud) createNetwork(r *http.Request) (int, any, error) {
	var o schema.NetworkCreateRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	block, err := netip.ParsePrefix(o.IPRange)
	switch {
	case o.Name == "":
		return 0, nil, invalid("invalid input in field 'name'")
	case err != nil || !block.Addr().IsPrivate():
		return 0, nil, invalid("invalid input in field 'ip_range'")
	}
	for _, s := range o.Subnets {
		part, err := netip.ParsePrefix(s.IPRange)
		if err != nil || !block.Contains(part.Addr()) || s.Type != "cloud" || !slices.ContainsFunc(locations, func(l schema.Location) bool { return l.NetworkZone == s.NetworkZone }) {
			return 0, nil, invalid("invalid input in field 'subnets'")
		}
	}
	if _, there := c.networks.Find(func(n *schema.Network) bool { return n.Name == o.Name }); there {
		return 0, nil, core.Refuse(taken, "network name is already used")
	}
	if err := rightLabels(o.Labels); err != nil {
		return 0, nil, err
	}
	made := &schema.Network{ID: int64(c.Serial()), Name: o.Name, IPRange: o.IPRange, Subnets: o.Subnets, Created: time.Now().UTC()}
	if o.Labels != nil {
		made.Labels = *o.Labels
	}
	c.networks.Put(fmt.Sprint(made.ID), made)
	return http.StatusCreated, map[string]any{"network": made}, nil
}

// deleteNetwork takes the network from those who are in it.
func (c *Cloud) deleteNetwork(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	n, there := c.networks.Get(id)
	if !there {
		return 0, nil, notFound("network")
	}
	for _, i := range c.Instances(r.Context(), inNetwork(n.ID)) {
		o, _ := i.Detail.(schema.ServerCreateRequest)
		o.Networks = slices.DeleteFunc(o.Networks, func(other int64) bool { return other == n.ID })
		i.Detail = o
	}
	c.networks.Remove(id)
	return http.StatusNoContent, nil, nil
}

func (c *Cloud) listFirewalls(r *http.Request) (int, any, error) {
	return page(c, r, "firewalls", c.firewalls.All(), func(f *schema.Firewall) labeled { return labeled{f.Name, f.Labels} })
}

func (c *Cloud) readFirewall(r *http.Request) (int, any, error) {
	f, there := c.firewalls.Get(r.PathValue("id"))
	if !there {
		return 0, nil, notFound("firewall")
	}
	return http.StatusOK, schema.FirewallGetResponse{Firewall: *f}, nil
}

func (c *Cloud) createFirewall(r *http.Request) (int, any, error) {
	var o schema.FirewallCreateRequest
	if err := core.ReadJSON(r, &o); err != nil {
		return 0, nil, err
	}
	if o.Name == "" {
		return 0, nil, invalid("invalid input in field 'name'")
	}
	made := &schema.Firewall{ID: int64(c.Serial()), Name: o.Name, Created: time.Now().UTC()}
	for _, rule := range o.Rules {
		withPort := rule.Protocol == "tcp" || rule.Protocol == "udp"
		if rule.Direction != "in" || len(rule.SourceIPs) == 0 || withPort != (rule.Port != nil) || !withPort && rule.Protocol != "icmp" {
			return 0, nil, invalid("invalid input in field 'rules'")
		}
		for _, source := range rule.SourceIPs {
			if block, err := netip.ParsePrefix(source); err != nil || block != block.Masked() {
				return 0, nil, invalid("invalid input in field 'source_ips': %s", source)
			}
		}
		made.Rules = append(made.Rules, schema.FirewallRule{Direction: rule.Direction, SourceIPs: rule.SourceIPs, Protocol: rule.Protocol, Port: rule.Port})
	}
	if _, there := c.firewalls.Find(func(f *schema.Firewall) bool { return f.Name == o.Name }); there {
		return 0, nil, core.Refuse(taken, "firewall name is already used")
	}
	if err := rightLabels(o.Labels); err != nil {
		return 0, nil, err
	}
	if o.Labels != nil {
		made.Labels = *o.Labels
	}
	c.firewalls.Put(fmt.Sprint(made.ID), made)
	return http.StatusCreated, schema.FirewallCreateResponse{Firewall: *made}, nil
}

func (c *Cloud) deleteFirewall(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	f, there := c.firewalls.Get(id)
	if !there {
		return 0, nil, notFound("firewall")
	}
	if len(c.Instances(r.Context(), behind(f.ID))) > 0 {
		return 0, nil, core.Refuse(core.Conflict, "firewall with ID '%s' is still in use", id)
	}
	c.firewalls.Remove(id)
	return http.StatusNoContent, nil, nil
}
