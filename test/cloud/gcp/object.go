// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"net/netip"

	"google.golang.org/api/compute/v1"

	"canopy.dev/canopy/test/cloud/core"
)

func notFound(path string) error {
	return core.Refuse(core.NotFound, "The resource '%s' was not found", path)
}

// find returns what is in the table at the path of the request.
func find[T any](c *Cloud, r call, table *core.Table[T]) (T, error) {
	path := pathOf(r.URL.Path)
	c.settle(path)
	row, ok := table.Get(path)
	if !ok {
		return row, notFound(path)
	}
	return row, nil
}

// listOf returns what is in the table in the scope of the request.
func listOf[T any](c *Cloud, r call, table *core.Table[T], selfLink func(T) string) (any, error) {
	var found []T
	for _, row := range table.All() {
		path := pathOf(selfLink(row))
		c.settle(path)
		if _, there := table.Get(path); there && path == pathOf(r.URL.Path)+"/"+nameOf(path) {
			found = append(found, row)
		}
	}
	return list(c, r, found)
}

// insert adds a row to a table.
func insert[T any](c *Cloud, r call, table *core.Table[T], path string, row T) (any, error) {
	if _, there := table.Get(path); there {
		return nil, core.Refuse(core.Conflict, "The resource '%s' already exists", path)
	}
	table.Put(path, row)
	return c.begin(r, "insert", path, nil, func() {}), nil
}

// remove removes from a table what is at the path of the request.
func remove[T any](c *Cloud, r call, table *core.Table[T]) (any, error) {
	path := pathOf(r.URL.Path)
	changing := c.settle(path)
	if _, there := table.Get(path); !there {
		return nil, notFound(path)
	}
	if changing {
		return nil, core.Refuse(notReady, "The resource '%s' is not ready", path)
	}
	return c.begin(r, "delete", path, nil, func() { table.Remove(path) }), nil
}

func (c *Cloud) getNetwork(r call) (any, error) { return find(c, r, c.networks) }
func (c *Cloud) listNetworks(r call) (any, error) {
	return listOf(c, r, c.networks, func(n *compute.Network) string { return n.SelfLink })
}

func (c *Cloud) insertNetwork(r call) (any, error) {
	n := &compute.Network{}
	if err := decode(r, n, &n.Name); err != nil {
		return nil, err
	}
	path := pathOf(r.URL.Path) + "/" + n.Name
	n.SelfLink = link(path)
	return insert(c, r, c.networks, path, n)
}

func (c *Cloud) deleteNetwork(r call) (any, error) {
	path := pathOf(r.URL.Path)
	used := func(by string) error {
		return core.Refuse(inUse, "The network resource '%s' is already being used by '%s'", path, pathOf(by))
	}
	if s, ok := c.subnetworks.Find(func(s *compute.Subnetwork) bool { return pathOf(s.Network) == path }); ok {
		return nil, used(s.SelfLink)
	}
	if f, ok := c.firewalls.Find(func(f *compute.Firewall) bool { return pathOf(f.Network) == path }); ok {
		return nil, used(f.SelfLink)
	}
	return remove(c, r, c.networks)
}

// usableNetwork returns an error unless there is a network that does not change.
func (c *Cloud) usableNetwork(url string) error {
	path := pathOf(url)
	changing := c.settle(path)
	if _, there := c.networks.Get(path); !there {
		return core.Refuse(core.Invalid, "Invalid value for field 'resource.network': '%s'. The referenced network resource cannot be found.", url)
	}
	if changing {
		return core.Refuse(notReady, "The resource '%s' is not ready", path)
	}
	return nil
}

func (c *Cloud) getSubnetwork(r call) (any, error) { return find(c, r, c.subnetworks) }
func (c *Cloud) listSubnetworks(r call) (any, error) {
	return listOf(c, r, c.subnetworks, func(s *compute.Subnetwork) string { return s.SelfLink })
}

func (c *Cloud) insertSubnetwork(r call) (any, error) {
	s := &compute.Subnetwork{}
	if err := decode(r, s, &s.Name); err != nil {
		return nil, err
	}
	path := pathOf(r.URL.Path) + "/" + s.Name
	s.SelfLink, s.Region = link(path), link(c.path("regions/"+r.PathValue("region")))
	if _, ok := regions[r.PathValue("region")]; !ok {
		return nil, notFound(c.path("regions/" + r.PathValue("region")))
	}
	if err := c.usableNetwork(s.Network); err != nil {
		return nil, err
	}
	s.Network = link(pathOf(s.Network))
	wanted, err := netip.ParsePrefix(s.IpCidrRange)
	if err != nil || wanted != wanted.Masked() || wanted.Bits() > 29 {
		return nil, core.Refuse(core.Invalid, "Invalid value for field 'resource.ipCidrRange': '%s'.", s.IpCidrRange)
	}
	if other, ok := c.subnetworks.Find(func(o *compute.Subnetwork) bool {
		return o.Network == s.Network && o.SelfLink != s.SelfLink && netip.MustParsePrefix(o.IpCidrRange).Overlaps(wanted)
	}); ok {
		return nil, core.Refuse(core.Invalid, "Invalid IPCidrRange: %s conflicts with existing subnetwork '%s' in region '%s'.", s.IpCidrRange, other.Name, nameOf(other.Region))
	}
	return insert(c, r, c.subnetworks, path, s)
}

func (c *Cloud) deleteSubnetwork(r call) (any, error) {
	path := pathOf(r.URL.Path)
	n := c.Members(func(i *core.Instance) bool { return pathOf(detail(i).NetworkInterfaces[0].Subnetwork) == path })
	if n > 0 {
		return nil, core.Refuse(inUse, "The subnetwork resource '%s' is already being used by %d instances", path, n)
	}
	return remove(c, r, c.subnetworks)
}

func (c *Cloud) listFirewalls(r call) (any, error) {
	return listOf(c, r, c.firewalls, func(f *compute.Firewall) string { return f.SelfLink })
}

func (c *Cloud) insertFirewall(r call) (any, error) {
	f := &compute.Firewall{}
	if err := decode(r, f, &f.Name); err != nil {
		return nil, err
	}
	if err := c.usableNetwork(f.Network); err != nil {
		return nil, err
	}
	if len(f.Allowed)+len(f.Denied) == 0 {
		return nil, core.Refuse(core.Invalid, "Invalid value for field 'resource.allowed': ''. Allowed or denied must be specified")
	}
	for _, tag := range append(f.SourceTags, f.TargetTags...) {
		if !nameForm.MatchString(tag) {
			return nil, core.Refuse(core.Invalid, "Invalid value for field 'resource.targetTags[0]': '%s'.", tag)
		}
	}
	path := pathOf(r.URL.Path) + "/" + f.Name
	f.SelfLink, f.Network = link(path), link(pathOf(f.Network))
	return insert(c, r, c.firewalls, path, f)
}

func (c *Cloud) deleteFirewall(r call) (any, error) { return remove(c, r, c.firewalls) }

// AddFirewall adds a rule of somebody else to the network, for tests.
func (c *Cloud) AddFirewall(name, network string) {
	c.Do(func() {
		path := c.path("global/firewalls/" + name)
		c.firewalls.Give(path, &compute.Firewall{Name: name, SelfLink: link(path), Network: link(c.path("global/networks/" + network))})
	})
}
