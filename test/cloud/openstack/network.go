// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"canopy.dev/canopy/test/cloud/core"
)

func inUse(format string, args ...any) error { return core.Refuse(core.Conflict, format, args...) }

func (c *Cloud) beginNetwork(o object) error {
	o["router:external"], o["is_default"], o["subnets"] = false, false, []string{}
	return nil
}

func (c *Cloud) endNetwork(o object) error {
	if ports := c.with("port", "network_id", o["id"]); len(ports) > 0 {
		return inUse("Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is %v.", o["id"], ports[0]["id"])
	}
	for _, subnet := range c.with("subnet", "network_id", o["id"]) {
		c.collections["subnet"].table.Remove(subnet["id"].(string))
	}
	return nil
}

func (c *Cloud) beginSubnet(o object) error {
	if _, err := c.get("network", o["network_id"]); err != nil {
		return err
	}
	block, err := netip.ParsePrefix(fmt.Sprint(o["cidr"]))
	if err != nil || block.Masked() != block {
		return invalid("Invalid input for cidr. Reason: '%v' is not a valid IP subnet.", o["cidr"])
	}
	for _, other := range c.with("subnet", "network_id", o["network_id"]) {
		if netip.MustParsePrefix(other["cidr"].(string)).Overlaps(block) {
			return invalid("Invalid input for operation: Requested subnet with cidr: %s for network: %s overlaps with another subnet.", block, o["network_id"])
		}
	}
	return nil
}

func (c *Cloud) endSubnet(o object) error {
	for _, port := range c.with("port", "network_id", o["network_id"]) {
		if port["subnet"] == o["id"] {
			return inUse("Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", o["id"])
		}
	}
	return nil
}

func (c *Cloud) beginRouter(o object) error {
	gateway, _ := o["external_gateway_info"].(object)
	if gateway == nil {
		return nil
	}
	network, err := c.get("network", gateway["network_id"])
	if err == nil && network["router:external"] != true {
		err = invalid("Bad router request: Network %s is not an external network.", network["id"])
	}
	return err
}

func (c *Cloud) endRouter(o object) error {
	if len(c.with("port", "device_id", o["id"])) > 0 {
		return inUse("Router %s still has ports.", o["id"])
	}
	return nil
}

// connectRouter connects a router with a subnet, or disconnects it.
func (c *Cloud) connectRouter(r *http.Request) (int, any, error) {
	router, err := c.get("router", r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	body := object{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return 0, nil, invalid("Malformed request body: %v", err)
	}
	ports := c.collections["port"]
	switch r.PathValue("action") {
	case "add_router_interface":
		subnet, err := c.get("subnet", body["subnet_id"])
		if err != nil {
			return 0, nil, err
		}
		for _, port := range c.with("port", "device_id", router["id"]) {
			if port["subnet"] == subnet["id"] {
				return 0, nil, invalid("Bad router request: Router already has a port on subnet %s.", subnet["id"])
			}
		}
		port := object{
			"network_id": subnet["network_id"], "device_id": router["id"], "device_owner": "network:router_interface", "subnet": subnet["id"],
		}
		if port, err = c.add(ports, port); err != nil {
			return 0, nil, err
		}
		return http.StatusOK, object{"id": router["id"], "subnet_id": subnet["id"], "port_id": port["id"]}, nil
	case "remove_router_interface":
		for _, port := range c.with("port", "device_id", router["id"]) {
			if port["id"] != body["port_id"] && port["subnet"] != body["subnet_id"] {
				continue
			}
			if c.isFloating(port["subnet"]) {
				return 0, nil, inUse("Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", port["subnet"], router["id"])
			}
			ports.table.Remove(port["id"].(string))
			return http.StatusOK, object{"id": router["id"], "subnet_id": port["subnet"], "port_id": port["id"]}, nil
		}
		return 0, nil, core.Refuse(core.NotFound, "Router %s does not have an interface with id %v", router["id"], body["port_id"])
	}
	return 0, nil, core.Refuse(core.NotFound, "The resource could not be found.")
}

// isFloating reports whether a port of the subnet has a floating IP.
func (c *Cloud) isFloating(subnet any) bool {
	return slices.ContainsFunc(c.collections["floatingip"].table.All(), func(floating object) bool {
		port, err := c.get("port", floating["port_id"])
		return err == nil && port["subnet"] == subnet
	})
}

func (c *Cloud) beginPort(o object) error {
	network, err := c.get("network", o["network_id"])
	if err != nil {
		return err
	}
	if groups, ok := o["security_groups"].([]any); ok {
		for _, group := range groups {
			if _, err := c.get("security_group", group); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"device_id", "device_owner"} {
		if o[name] == nil {
			o[name] = ""
		}
	}
	if subnets := c.with("subnet", "network_id", network["id"]); o["subnet"] == nil && len(subnets) > 0 {
		o["subnet"] = subnets[0]["id"]
	}
	return nil
}

func (c *Cloud) endPort(o object) error {
	if o["device_owner"] == "network:router_interface" {
		return inUse("Port %s cannot be deleted directly via the port API: has device owner network:router_interface.", o["id"])
	}
	for _, floating := range c.with("floatingip", "port_id", o["id"]) {
		floating["port_id"] = nil
	}
	return nil
}

func (c *Cloud) beginFloatingIP(o object) error {
	network, err := c.get("network", o["floating_network_id"])
	if err != nil {
		return err
	}
	if network["router:external"] != true {
		return invalid("Network %s is not a valid external network.", network["id"])
	}
	n := c.Serial()
	o["floating_ip_address"] = fmt.Sprintf("203.0.%d.%d", n>>8&255, n&255)
	if o["port_id"] == nil {
		o["port_id"] = nil // an attribute that it has all the same
		return nil
	}
	port, err := c.get("port", o["port_id"])
	if err != nil {
		return err
	}
	for _, connected := range c.with("port", "device_owner", "network:router_interface") {
		router, err := c.get("router", connected["device_id"])
		if err != nil || connected["subnet"] != port["subnet"] {
			continue
		}
		if gateway, _ := router["external_gateway_info"].(object); gateway["network_id"] == network["id"] {
			return nil
		}
	}
	return core.Refuse(core.NotFound, "External network %s is not reachable from subnet %v. Therefore, cannot associate Port %s with a Floating IP.", network["id"], port["subnet"], port["id"])
}

func (c *Cloud) beginGroup(o object) error {
	o["security_group_rules"] = []object{
		{"id": c.uuid(), "direction": "egress", "ethertype": "IPv4", "security_group_id": o["id"]},
		{"id": c.uuid(), "direction": "egress", "ethertype": "IPv6", "security_group_id": o["id"]},
	}
	return nil
}

func (c *Cloud) endGroup(o object) error {
	for _, port := range c.collections["port"].table.All() {
		if groups, _ := port["security_groups"].([]any); slices.Contains(groups, o["id"]) {
			return inUse("Security Group %s in use.", o["id"])
		}
	}
	return nil
}

// ruleAttributes are those by which two rules are the same.
var ruleAttributes = []string{"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_group_id", "remote_ip_prefix"}

func (c *Cloud) makeRules(r *http.Request) (int, any, error) {
	var body struct {
		Rules []object `json:"security_group_rules"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Rules) == 0 {
		return 0, nil, invalid("Malformed request body: %v", err)
	}
	group, err := c.get("security_group", body.Rules[0]["security_group_id"])
	if err != nil {
		return 0, nil, err
	}
	rules := slices.Clone(group["security_group_rules"].([]object))
	for _, rule := range body.Rules {
		switch {
		case rule["security_group_id"] != group["id"]:
			return 0, nil, invalid("Only allowed to update rules for one security profile at a time")
		case rule["direction"] != "ingress" && rule["direction"] != "egress", rule["ethertype"] != "IPv4" && rule["ethertype"] != "IPv6":
			return 0, nil, invalid("Invalid input for direction or ethertype.")
		case rule["port_range_min"] != nil && rule["protocol"] == nil:
			return 0, nil, invalid("Must also specify protocol if port range is given.")
		case slices.ContainsFunc(rules, func(other object) bool { return sameRule(rule, other) }):
			return 0, nil, inUse("Security group rule already exists.")
		}
		rule["id"] = c.uuid()
		rules = append(rules, rule)
	}
	group["security_group_rules"] = rules
	return http.StatusCreated, object{"security_group_rules": body.Rules}, nil
}

func sameRule(a, b object) bool {
	return !slices.ContainsFunc(ruleAttributes, func(name string) bool { return a[name] != b[name] })
}
