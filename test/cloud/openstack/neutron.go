// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"canopy.dev/canopy/test/cloud/core"
)

// collection is the objects of one kind. Neutron answers for all of them by the same rules.
type collection struct {
	plural, singular string
	table            *core.Table[object]
	// required are attributes that a new object must have, and optional are others that it may have.
	required, optional []string
	// begin completes a new object, or refuses it; end refuses to delete one.
	begin func(object) error
	end   func(object) error
}

func (c *Cloud) routeNeutron() {
	for _, k := range []*collection{
		{plural: "networks", singular: "network", optional: []string{"admin_state_up"}, begin: c.beginNetwork, end: c.endNetwork},
		{
			plural: "subnets", singular: "subnet", required: []string{"network_id", "ip_version", "cidr"},
			optional: []string{"dns_nameservers", "gateway_ip", "enable_dhcp"}, begin: c.beginSubnet, end: c.endSubnet,
		},
		{plural: "routers", singular: "router", optional: []string{"external_gateway_info"}, begin: c.beginRouter, end: c.endRouter},
		{plural: "ports", singular: "port", required: []string{"network_id"}, optional: []string{"security_groups"}, begin: c.beginPort, end: c.endPort},
		{plural: "floatingips", singular: "floatingip", required: []string{"floating_network_id"}, optional: []string{"port_id"}, begin: c.beginFloatingIP},
		{plural: "security-groups", singular: "security_group", required: []string{"name"}, begin: c.beginGroup, end: c.endGroup},
	} {
		k.table = core.NewTable[object](c.Cloud, k.singular)
		c.collections[k.singular] = k
		path := "/network/v2.0/" + k.plural
		c.handle("GET "+path, k.plural+":read", "NeutronError", func(r *http.Request) (int, any, error) { return c.find(r, k) })
		c.handle("POST "+path, k.plural+":create", "NeutronError", func(r *http.Request) (int, any, error) { return c.make(r, k) })
		c.handle("DELETE "+path+"/{id}", k.plural+":delete", "NeutronError", func(r *http.Request) (int, any, error) { return c.unmake(r, k) })
	}
	c.handle("PUT /network/v2.0/routers/{id}/{action}", "routers:update", "NeutronError", c.connectRouter)
	c.handle("POST /network/v2.0/security-group-rules", "security-group-rules:create", "NeutronError", c.makeRules)
}

// common are attributes that every object has.
var common = []string{"name", "description"}

// find answers with the objects whose attributes are as the query says. A filter that is no attribute is refused.
func (c *Cloud) find(r *http.Request, k *collection) (int, any, error) {
	found := []object{}
	for _, o := range k.table.All() {
		is := true
		for name, values := range r.URL.Query() {
			if name == "limit" || name == "marker" {
				continue
			}
			value, has := o[name]
			if !has {
				return 0, nil, invalid("Filters '%s' are not supported.", name)
			}
			is = is && slices.Contains(values, fmt.Sprint(value))
		}
		if is {
			found = append(found, o)
		}
	}
	return answerPage(c, r, strings.ReplaceAll(k.plural, "-", "_"), found)
}

// make makes an object of the attributes in the body. One that its kind does not have is refused, as is one too few.
func (c *Cloud) make(r *http.Request, k *collection) (int, any, error) {
	o, err := read(r, k.singular)
	if err != nil {
		return 0, nil, err
	}
	for _, name := range k.required {
		if o[name] == nil {
			return 0, nil, invalid("Failed to parse request. Required attribute '%s' not specified.", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(slices.Concat(common, k.required, k.optional), name) {
			return 0, nil, invalid("Unrecognized attribute(s) '%s'", name)
		}
	}
	made, err := c.add(k, o)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, object{k.singular: made}, nil
}

// add adds an object.
func (c *Cloud) add(k *collection, o object) (object, error) {
	made := object{"id": c.uuid(), "name": "", "description": "", "status": "ACTIVE", "project_id": "p-demo"}
	maps.Copy(made, o)
	if err := k.begin(made); err != nil {
		return nil, err
	}
	k.table.Put(made["id"].(string), made)
	return made, nil
}

func (c *Cloud) unmake(r *http.Request, k *collection) (int, any, error) {
	id := r.PathValue("id")
	o, there := k.table.Get(id)
	if !there {
		return 0, nil, core.Refuse(core.NotFound, "%s %s could not be found.", k.singular, id)
	}
	if k.end != nil {
		if err := k.end(o); err != nil {
			return 0, nil, err
		}
	}
	k.table.Remove(id)
	return http.StatusNoContent, nil, nil
}

// get returns an object of a kind by its ID.
func (c *Cloud) get(kind string, id any) (object, error) {
	text, _ := id.(string)
	if o, ok := c.collections[kind].table.Get(text); ok {
		return o, nil
	}
	return nil, core.Refuse(core.NotFound, "%s %v could not be found.", kind, id)
}

// with returns the objects of a kind with an attribute.
func (c *Cloud) with(kind, name string, value any) []object {
	return slices.DeleteFunc(c.collections[kind].table.All(), func(o object) bool { return o[name] != value })
}
