// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"canopy.dev/canopy/test/cloud/core"
)

// balancer is a classic load balancer. It balances nothing: it says that it is there.
type balancer struct {
	region     string
	tags       []elbTag
	attributes map[string]string

	Name      string                `xml:"LoadBalancerName"`
	DNSName   string                `xml:"DNSName"`
	Scheme    string                `xml:"Scheme"`
	VPC       string                `xml:"VPCId"`
	Listeners []listenerDescription `xml:"ListenerDescriptions>member"`
	Subnets   []string              `xml:"Subnets>member"`
	Zones     []string              `xml:"AvailabilityZones>member"`
	Groups    []string              `xml:"SecurityGroups>member"`
	Instances []instanceID          `xml:"Instances>member"`
	Health    healthCheck           `xml:"HealthCheck"`
}

type elbTag struct{ key, value string }

type instanceID struct {
	ID string `xml:"InstanceId"`
}

type listenerDescription struct {
	Listener struct {
		Protocol         string
		Port             string `xml:"LoadBalancerPort"`
		InstanceProtocol string
		InstancePort     string
	}
}

type healthCheck struct {
	Target             string
	Interval           string
	Timeout            string
	UnhealthyThreshold string
	HealthyThreshold   string
}

// balancerName is what names of load balancers may be.
var balancerName = regexp.MustCompile(`^[a-zA-Z0-9]([-a-zA-Z0-9]{0,30}[a-zA-Z0-9])?$`)

var targetForm = regexp.MustCompile(`^((TCP|SSL):\d+|HTTPS?:\d+/.*)$`)

// Balancers returns the names of the load balancers of the account, each with the instances that are registered with it.
func (c *Cloud) Balancers() map[string][]string {
	all := map[string][]string{}
	c.Do(func() {
		for _, b := range c.balancers.All() {
			all[b.Name] = nil
			for _, i := range b.Instances {
				all[b.Name] = append(all[b.Name], i.ID)
			}
		}
	})
	return all
}

func (c *Cloud) balancer(r *call) (*balancer, error) {
	name := r.params.get("LoadBalancerName")
	b, ok := c.balancers.Find(func(b *balancer) bool { return b.region == r.region && b.Name == name })
	if !ok {
		return nil, noBalancer(name)
	}
	return b, nil
}

func noBalancer(name string) error {
	return fail("LoadBalancerNotFound", "There is no ACTIVE Load Balancer named '%s'", name)
}

func createBalancer(c *Cloud, r *call) (any, error) {
	name := r.params.get("LoadBalancerName")
	if !balancerName.MatchString(name) {
		return nil, fail("ValidationError", "LoadBalancer name must contain only alphanumeric characters or hyphens, must not begin or end with a hyphen, and be of 32 characters at most: %s", name)
	}
	if _, err := c.balancer(r); err == nil {
		return nil, fail("DuplicateLoadBalancerName", "The load balancer %s already exists", name)
	}
	b := &balancer{region: r.region, Name: name, Scheme: "internet-facing", attributes: map[string]string{
		"CrossZoneLoadBalancing.Enabled": "false", "AccessLog.Enabled": "false", "ConnectionDraining.Enabled": "false", "ConnectionDraining.Timeout": "300", "ConnectionSettings.IdleTimeout": "60",
	}, Health: healthCheck{Interval: "30", Timeout: "5", UnhealthyThreshold: "2", HealthyThreshold: "10"}}
	switch scheme := r.params.get("Scheme"); scheme {
	case "":
	case "internal":
		b.Scheme = scheme
	default:
		return nil, fail("InvalidScheme", "The scheme %s is not valid", scheme)
	}
	if err := c.listen(r, b); err != nil {
		return nil, err
	}
	b.Health.Target = "TCP:" + b.Listeners[0].Listener.InstancePort
	subnets, err := c.place(r, b)
	if err != nil {
		return nil, err
	}
	if err := c.protect(r, b); err != nil {
		return nil, err
	}
	for _, t := range r.params.each("Tags.member") {
		if slices.ContainsFunc(b.tags, func(o elbTag) bool { return o.key == t.get("Key") }) {
			return nil, fail("DuplicateTagKeys", "A tag key was specified more than once.")
		}
		b.tags = append(b.tags, elbTag{t.get("Key"), t.get("Value")})
	}
	b.DNSName = fmt.Sprintf("%s-%d.%s.elb.amazonaws.com", name, 1000000000+c.Serial(), r.region)
	c.balancers.Put(r.region+"/"+name, b)
	for _, s := range subnets {
		c.join(b, s)
	}
	return struct{ DNSName string }{b.DNSName}, nil
}

// listen adds listeners.
func (c *Cloud) listen(r *call, b *balancer) error {
	for _, l := range r.params.each("Listeners.member") {
		d := listenerDescription{}
		d.Listener.Protocol, d.Listener.Port, d.Listener.InstancePort = l.get("Protocol"), l.get("LoadBalancerPort"), l.get("InstancePort")
		if d.Listener.InstanceProtocol = l.get("InstanceProtocol"); d.Listener.InstanceProtocol == "" {
			d.Listener.InstanceProtocol = d.Listener.Protocol
		}
		switch {
		case d.Listener.Protocol == "" || d.Listener.Port == "" || d.Listener.InstancePort == "":
			return fail("ValidationError", "A listener needs Protocol, LoadBalancerPort and InstancePort")
		case !slices.Contains([]string{"tcp", "ssl", "http", "https", "TCP", "SSL", "HTTP", "HTTPS"}, d.Listener.Protocol):
			return fail("UnsupportedProtocol", "The protocol %s is not supported", d.Listener.Protocol)
		case slices.ContainsFunc(b.Listeners, func(o listenerDescription) bool { return o.Listener.Port == d.Listener.Port }):
			return fail("DuplicateListener", "A listener already exists for %s with LoadBalancerPort %s", b.Name, d.Listener.Port)
		}
		b.Listeners = append(b.Listeners, d)
	}
	return nil
}

// place puts the load balancer into the subnets that a call names, which it returns.
func (c *Cloud) place(r *call, b *balancer) ([]*subnet, error) {
	var subnets []*subnet
	for _, id := range r.params.list("Subnets.member") {
		s, err := find(r, c.subnets, "SubnetID", id)
		if err != nil {
			return nil, fail("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		switch {
		case b.VPC != "" && b.VPC != s.VPC:
			return nil, fail("InvalidSubnet", "Subnets must be in the same VPC: %s, %s", b.VPC, s.VPC)
		case slices.Contains(b.Zones, s.Zone):
			return nil, fail("InvalidConfigurationRequest", "ELB cannot be attached to multiple subnets in the same AZ.")
		}
		b.VPC, b.Subnets, b.Zones, subnets = s.VPC, append(b.Subnets, s.id), append(b.Zones, s.Zone), append(subnets, s)
	}
	if len(b.Subnets) == 0 {
		return nil, fail("ValidationError", "Either AvailabilityZones or SubnetIds must be specified")
	}
	if _, out := c.gateways.Find(func(g *gateway) bool { return g.vpc() == b.VPC }); !out && b.Scheme == "internet-facing" {
		return nil, fail("InvalidSubnet", "VPC %s has no internet gateway", b.VPC)
	}
	return subnets, nil
}

// protect gives the load balancer the security groups that a call names.
func (c *Cloud) protect(r *call, b *balancer) error {
	for _, id := range r.params.list("SecurityGroups.member") {
		g, err := find(r, c.groups, "Group", id)
		if err != nil || g.VPC != b.VPC {
			return fail("InvalidSecurityGroup", "One or more security groups are invalid")
		}
		b.Groups = append(b.Groups, id)
	}
	if len(b.Groups) == 0 {
		g, _ := c.groups.Find(func(g *group) bool { return g.VPC == b.VPC && g.Name == defaultGroup })
		b.Groups = []string{g.id}
	}
	return nil
}

// join makes the load balancer's network interface in a subnet.
func (c *Cloud) join(b *balancer, s *subnet) {
	id := c.id("eni")
	i := &networkInterface{about: about{id: id, region: b.region}, ID: id, VPC: s.VPC, Subnet: s.id, Description: "ELB " + b.Name}
	for _, g := range b.Groups {
		i.Groups = append(i.Groups, groupID{g})
	}
	c.interfaces.Put(id, i)
}

func describeBalancers(c *Cloud, r *call) (any, error) {
	wanted := r.params.list("LoadBalancerNames.member")
	var found []*balancer
	for _, b := range c.balancers.All() {
		if b.region == r.region && (len(wanted) == 0 || slices.Contains(wanted, b.Name)) {
			b.Instances = slices.DeleteFunc(b.Instances, func(i instanceID) bool { return !c.isIn(i.ID, b.VPC) }) // what is terminated is deregistered
			found = append(found, b)
		}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(found, func(b *balancer) bool { return b.Name == name }) {
			return nil, noBalancer(name)
		}
	}
	offset, _ := strconv.Atoi(r.params.get("Marker"))
	size, _ := strconv.Atoi(r.params.get("PageSize"))
	page, next := core.Page(c.Cloud, found, offset, size)
	answer := struct {
		Balancers []*balancer `xml:"LoadBalancerDescriptions>member"`
		Next      string      `xml:"NextMarker,omitempty"`
	}{Balancers: page}
	if next > 0 {
		answer.Next = strconv.Itoa(next)
	}
	return answer, nil
}

// isIn reports whether an instance is in a VPC.
func (c *Cloud) isIn(id, vpc string) bool {
	return c.Members(func(i *core.Instance) bool { return i.ID == id && i.Detail.(*Detail).VPC == vpc }) > 0
}

// deleteBalancer succeeds for one that is not there, too. Its network interfaces stay for a while.
func deleteBalancer(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return struct{}{}, nil //nolint:nilerr // as AWS does
	}
	c.balancers.Remove(b.region + "/" + b.Name)
	c.leave(b, func(*networkInterface) bool { return true })
	return struct{}{}, nil
}

func configureHealthCheck(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	p := r.params.in("HealthCheck")
	h := healthCheck{p.get("Target"), p.get("Interval"), p.get("Timeout"), p.get("UnhealthyThreshold"), p.get("HealthyThreshold")}
	if !targetForm.MatchString(h.Target) {
		return nil, fail("ValidationError", "HealthCheck Target is invalid: %s", h.Target)
	}
	interval, timeout := number(h.Interval), number(h.Timeout)
	for _, of := range []struct{ value, least, most int }{
		{interval, 5, 300}, {timeout, 2, 60}, {number(h.UnhealthyThreshold), 2, 10}, {number(h.HealthyThreshold), 2, 10},
	} {
		if of.value < of.least || of.value > of.most {
			return nil, fail("ValidationError", "HealthCheck: %d is not between %d and %d", of.value, of.least, of.most)
		}
	}
	if timeout >= interval {
		return nil, fail("ValidationError", "HealthCheck timeout must be less than interval")
	}
	b.Health = h
	return struct {
		Health healthCheck `xml:"HealthCheck"`
	}{h}, nil
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // what is none is too small
	return n
}

type attributes struct {
	CrossZone struct{ Enabled string }          `xml:"CrossZoneLoadBalancing"`
	AccessLog struct{ Enabled string }          `xml:"AccessLog"`
	Draining  struct{ Enabled, Timeout string } `xml:"ConnectionDraining"`
	Settings  struct{ IdleTimeout string }      `xml:"ConnectionSettings"`
}

func (b *balancer) shownAttributes() any {
	var a attributes
	a.CrossZone.Enabled, a.AccessLog.Enabled = b.attributes["CrossZoneLoadBalancing.Enabled"], b.attributes["AccessLog.Enabled"]
	a.Draining.Enabled, a.Draining.Timeout = b.attributes["ConnectionDraining.Enabled"], b.attributes["ConnectionDraining.Timeout"]
	a.Settings.IdleTimeout = b.attributes["ConnectionSettings.IdleTimeout"]
	return struct {
		Attributes attributes `xml:"LoadBalancerAttributes"`
	}{a}
}

func describeBalancerAttributes(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	return b.shownAttributes(), nil
}

func modifyBalancerAttributes(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	given := r.params.in("LoadBalancerAttributes")
	for name := range given {
		if _, known := b.attributes[name]; !known {
			return nil, fail("LoadBalancerAttributeNotFound", "The specified load balancer attribute does not exist: %s", name)
		}
		b.attributes[name] = given.get(name)
	}
	return b.shownAttributes(), nil
}

func registerInstances(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	for _, i := range r.params.each("Instances.member") { // all or none
		if !c.isIn(i.get("InstanceId"), b.VPC) {
			return nil, fail("InvalidInstance", "Invalid instance ID %s for the load balancer's VPC", i.get("InstanceId"))
		}
	}
	for _, i := range r.params.each("Instances.member") {
		if id := (instanceID{i.get("InstanceId")}); !slices.Contains(b.Instances, id) {
			b.Instances = append(b.Instances, id)
		}
	}
	return b.registered(), nil
}

func deregisterInstances(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	for _, i := range r.params.each("Instances.member") {
		b.Instances = slices.DeleteFunc(b.Instances, func(o instanceID) bool { return o.ID == i.get("InstanceId") })
	}
	return b.registered(), nil
}

func (b *balancer) registered() any {
	return struct {
		Instances []instanceID `xml:"Instances>member"`
	}{b.Instances}
}

func createListeners(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, c.listen(r, b)
}

func deleteListeners(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	ports := r.params.list("LoadBalancerPorts.member")
	b.Listeners = slices.DeleteFunc(b.Listeners, func(l listenerDescription) bool { return slices.Contains(ports, l.Listener.Port) })
	return struct{}{}, nil
}

func attachSubnets(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	subnets, err := c.place(r, b)
	if err != nil {
		return nil, err
	}
	for _, s := range subnets {
		c.join(b, s)
	}
	return b.placed(), nil
}

func detachSubnets(c *Cloud, r *call) (any, error) {
	b, err := c.balancer(r)
	if err != nil {
		return nil, err
	}
	gone := r.params.list("Subnets.member")
	if !slices.ContainsFunc(b.Subnets, func(id string) bool { return !slices.Contains(gone, id) }) {
		return nil, fail("InvalidConfigurationRequest", "A load balancer needs a subnet")
	}
	for _, id := range gone {
		if at := slices.Index(b.Subnets, id); at >= 0 {
			b.Subnets, b.Zones = slices.Delete(b.Subnets, at, at+1), slices.Delete(b.Zones, at, at+1)
		}
	}
	c.leave(b, func(i *networkInterface) bool { return slices.Contains(gone, i.Subnet) })
	return b.placed(), nil
}

func (b *balancer) placed() any {
	return struct {
		Subnets []string `xml:"Subnets>member"`
	}{b.Subnets}
}

// leave lets those of the load balancer's network interfaces go that are so, after a while.
func (c *Cloud) leave(b *balancer, is func(*networkInterface) bool) {
	for _, i := range c.interfaces.All() {
		if i.Description == "ELB "+b.Name && i.region == b.region && is(i) {
			i.ending, i.looks = true, c.Looks
		}
	}
}

// balancingFailures are what ELB says for a kind of refusal.
var balancingFailures = map[core.Kind]failure{
	core.Unauthenticated: {http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."},
	core.Unauthorized:    {http.StatusForbidden, "AccessDenied", "User is not authorized to perform this action"},
	core.Quota:           {http.StatusBadRequest, "TooManyLoadBalancers", "The quota for the number of load balancers has been reached."},
	core.RateLimited:     {http.StatusBadRequest, "Throttling", "Rate exceeded"},
	core.NotFound:        {http.StatusBadRequest, "LoadBalancerNotFound", "There is no ACTIVE Load Balancer with this name"},
	core.Internal:        {http.StatusInternalServerError, "ServiceFailure", "The request processing has failed because of an unknown error."},
}
