// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcp is a project of Google Cloud for tests: as much of Compute Engine, of Resource Manager and of the tokens before
// them as Google's client needs that package internal/machine/gcp uses, over HTTP and with real signatures.
//
//	cloud.go       routes, who may call them, answers
//	token.go       keys → tokens
//	object.go      networks, subnets and firewall rules
//	instance.go    instances
//	operation.go   what takes a while
//	list.go        filters, pages, fields
//	catalog.go     what there is to choose from
//
// What a request must have is what Google's published description says (cloud_test.go compares the routes with it), and what
// its documentation says beyond that.
package gcp

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/api/compute/v1"

	"canopy.dev/canopy/test/cloud/core"
)

// Cloud is one project.
type Cloud struct {
	*core.Cloud

	// Project is its ID.
	Project string
	// SubjectToken is what a workload identity has to show.
	SubjectToken string

	mux         *http.ServeMux
	keys        map[string]*Key
	tokens      map[string]bool
	denied      map[string]bool
	needed      map[string]bool
	networks    *core.Table[*compute.Network]
	subnetworks *core.Table[*compute.Subnetwork]
	firewalls   *core.Table[*compute.Firewall]
	operations  *core.Table[*operation]
	// requests are the operations by the IDs of the requests that began them, changing those by the path of what they change.
	requests, changing map[string]*operation
}

// New returns a project with nothing in it but a network "named" of somebody else, which has the subnet "named" in us-east1.
func New() *Cloud {
	c := &Cloud{
		Cloud: core.New(), Project: "demo-project", mux: http.NewServeMux(), keys: map[string]*Key{},
		tokens: map[string]bool{}, denied: map[string]bool{}, needed: map[string]bool{},
		requests: map[string]*operation{}, changing: map[string]*operation{},
	}
	c.networks = core.NewTable[*compute.Network](c.Cloud, "network")
	c.subnetworks = core.NewTable[*compute.Subnetwork](c.Cloud, "subnetwork")
	c.firewalls = core.NewTable[*compute.Firewall](c.Cloud, "firewall")
	c.operations = core.NewTable[*operation](c.Cloud, "operation")
	network, subnet := c.path("global/networks/named"), c.path("regions/us-east1/subnetworks/named")
	c.networks.Give(network, &compute.Network{Name: "named", SelfLink: link(network)})
	c.subnetworks.Give(subnet, &compute.Subnetwork{Name: "named", Network: link(network), Region: link(c.path("regions/us-east1")), IpCidrRange: "10.1.0.0/16", SelfLink: link(subnet)})
	c.routes()
	return c
}

// ServeHTTP answers.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// Deny takes a permission away from everybody.
func (c *Cloud) Deny(permission string) { c.Do(func() { c.denied[permission] = true }) }

// Permissions returns all permissions that a call needed so far.
func (c *Cloud) Permissions() []string {
	var all []string
	c.Do(func() { all = slices.Sorted(maps.Keys(c.needed)) })
	return all
}

// Revoke makes all tokens be worth nothing, and all keys.
func (c *Cloud) Revoke() {
	c.Do(func() {
		clear(c.tokens)
		clear(c.keys)
	})
}

// call is a request that is being answered.
type call struct {
	*http.Request
	body []byte
}

// route is one method, by the name, the HTTP method and the path that Google's description gives it.
type route struct {
	id, method, path string
	// permissions are those that it needs.
	permissions []string
	do          func(call) (any, error)
}

const (
	computeBase  = "/compute/v1/"
	testID       = "cloudresourcemanager.projects.testIamPermissions"
	updatePolicy = "compute.networks.updatePolicy"
)

func (c *Cloud) table() []route {
	return []route{
		{"compute.networks.get", "GET", "projects/{project}/global/networks/{network}", []string{"compute.networks.get"}, c.getNetwork},
		{"compute.networks.list", "GET", "projects/{project}/global/networks", []string{"compute.networks.list"}, c.listNetworks},
		{"compute.networks.insert", "POST", "projects/{project}/global/networks", []string{"compute.networks.create"}, c.insertNetwork},
		{"compute.networks.delete", "DELETE", "projects/{project}/global/networks/{network}", []string{"compute.networks.delete"}, c.deleteNetwork},
		{"compute.subnetworks.get", "GET", "projects/{project}/regions/{region}/subnetworks/{subnetwork}", []string{"compute.subnetworks.get"}, c.getSubnetwork},
		{"compute.subnetworks.list", "GET", "projects/{project}/regions/{region}/subnetworks", []string{"compute.subnetworks.list"}, c.listSubnetworks},
		{"compute.subnetworks.insert", "POST", "projects/{project}/regions/{region}/subnetworks", []string{"compute.subnetworks.create", updatePolicy}, c.insertSubnetwork},
		{"compute.subnetworks.delete", "DELETE", "projects/{project}/regions/{region}/subnetworks/{subnetwork}", []string{"compute.subnetworks.delete", updatePolicy}, c.deleteSubnetwork},
		{"compute.firewalls.list", "GET", "projects/{project}/global/firewalls", []string{"compute.firewalls.list"}, c.listFirewalls},
		{"compute.firewalls.insert", "POST", "projects/{project}/global/firewalls", []string{"compute.firewalls.create", updatePolicy}, c.insertFirewall},
		{"compute.firewalls.delete", "DELETE", "projects/{project}/global/firewalls/{firewall}", []string{"compute.firewalls.delete", updatePolicy}, c.deleteFirewall},
		{"compute.instances.get", "GET", "projects/{project}/zones/{zone}/instances/{instance}", []string{"compute.instances.get"}, c.getInstance},
		{"compute.instances.aggregatedList", "GET", "projects/{project}/aggregated/instances", []string{"compute.instances.list"}, c.listInstances},
		{"compute.instances.insert", "POST", "projects/{project}/zones/{zone}/instances", []string{"compute.instances.create"}, c.insertInstance},
		{"compute.instances.delete", "DELETE", "projects/{project}/zones/{zone}/instances/{instance}", []string{"compute.instances.delete"}, c.deleteInstance},
		{"compute.zoneOperations.list", "GET", "projects/{project}/zones/{zone}/operations", []string{"compute.zoneOperations.list"}, c.listOperations},
		{"compute.regionOperations.wait", "POST", "projects/{project}/regions/{region}/operations/{operation}/wait", []string{"compute.regionOperations.get"}, c.waitOperation},
		{"compute.globalOperations.wait", "POST", "projects/{project}/global/operations/{operation}/wait", []string{"compute.globalOperations.get"}, c.waitOperation},
		{"compute.regions.get", "GET", "projects/{project}/regions/{region}", []string{"compute.regions.get"}, c.getRegion},
		{"compute.regions.list", "GET", "projects/{project}/regions", []string{"compute.regions.list"}, c.listRegions},
		{"compute.machineTypes.get", "GET", "projects/{project}/zones/{zone}/machineTypes/{machineType}", []string{"compute.machineTypes.get"}, c.getMachineType},
		{"compute.machineTypes.list", "GET", "projects/{project}/zones/{zone}/machineTypes", []string{"compute.machineTypes.list"}, c.listMachineTypes},
		{"compute.images.list", "GET", "projects/{project}/global/images", []string{"compute.images.list"}, c.listImages},
	}
}

func (c *Cloud) routes() {
	for _, route := range c.table() {
		c.mux.HandleFunc(route.method+" "+computeBase+route.path, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, route) })
	}
	c.mux.HandleFunc("POST /v3/projects/{resource}", func(w http.ResponseWriter, r *http.Request) {
		c.serve(w, r, route{id: testID, do: c.testPermissions})
	})
	c.mux.HandleFunc("POST /token", c.token)
	c.mux.HandleFunc("POST /v1/token", c.exchange)
}

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, route route) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	c.Serve(w, route.id, refuse, func(w http.ResponseWriter) {
		if err := c.authorize(r, route); err != nil {
			answer(w, nil, err)
			return
		}
		result, err := route.do(call{r, body})
		if err == nil {
			result, err = mask(result, r.URL.Query().Get("fields"))
		}
		answer(w, result, err)
	})
}

func (c *Cloud) authorize(r *http.Request, route route) error {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !c.tokens[token] {
		return core.Refuse(core.Unauthenticated, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
	}
	if project := r.PathValue("project"); project != "" && project != c.Project {
		return core.Refuse(core.NotFound, "The resource 'projects/%s' was not found", project)
	}
	return c.allowed(route.permissions...)
}

func (c *Cloud) allowed(permissions ...string) error {
	for _, permission := range permissions {
		c.needed[permission] = true
		if c.denied[permission] {
			return core.Refuse(core.Unauthorized, "Required '%s' permission for 'projects/%s'", permission, c.Project)
		}
	}
	return nil
}

func (c *Cloud) testPermissions(r call) (any, error) {
	if r.PathValue("resource") != c.Project+":testIamPermissions" {
		return nil, core.Refuse(core.Unauthorized, "The caller does not have permission")
	}
	var asked struct {
		Permissions []string `json:"permissions"`
	}
	if err := json.Unmarshal(r.body, &asked); err != nil || len(asked.Permissions) == 0 || len(asked.Permissions) > 100 {
		return nil, core.Refuse(core.Invalid, "Between 1 and 100 permissions can be tested.")
	}
	return map[string]any{"permissions": slices.DeleteFunc(asked.Permissions, func(p string) bool { return c.denied[p] })}, nil
}

// answer writes what a method returns.
func answer(w http.ResponseWriter, result any, err error) {
	if err != nil {
		refusal, ok := err.(*core.Refusal) //nolint:errorlint // nothing wraps them
		if !ok {
			refusal = core.Refuse(core.Internal, "%v", err)
		}
		refuse(w, refusal)
		return
	}
	write(w, http.StatusOK, result)
}

func write(w http.ResponseWriter, status int, result any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(result) // whoever asked has gone
}

// notReady and inUse are reasons of their own among the invalid and the conflicting.
const (
	notReady core.Kind = "not ready"
	inUse    core.Kind = "in use"
)

// refuse says no as Google's APIs do.
func refuse(w http.ResponseWriter, r *core.Refusal) {
	said := map[core.Kind]struct {
		code           int
		reason, domain string
	}{
		core.Unauthenticated: {http.StatusUnauthorized, "authError", "global"},
		core.Unauthorized:    {http.StatusForbidden, "forbidden", "global"},
		core.Quota:           {http.StatusForbidden, "quotaExceeded", "usageLimits"},
		core.SoldOut:         {http.StatusServiceUnavailable, "resourcesExhausted", "global"},
		core.RateLimited:     {http.StatusForbidden, "rateLimitExceeded", "usageLimits"},
		core.Invalid:         {http.StatusBadRequest, "invalid", "global"},
		core.NotFound:        {http.StatusNotFound, "notFound", "global"},
		core.Conflict:        {http.StatusConflict, "alreadyExists", "global"},
		core.Internal:        {http.StatusServiceUnavailable, "backendError", "global"},
		notReady:             {http.StatusBadRequest, "resourceNotReady", "global"},
		inUse:                {http.StatusBadRequest, "resourceInUseByAnotherResource", "global"},
	}[r.Kind]
	message := r.Message
	if r.Kind == core.SoldOut {
		message = "ZONE_RESOURCE_POOL_EXHAUSTED: " + message
	}
	write(w, said.code, map[string]any{"error": map[string]any{
		"code": said.code, "message": message,
		"errors": []map[string]string{{"message": message, "domain": said.domain, "reason": said.reason}},
	}})
}

// path returns the path of something in the project.
func (c *Cloud) path(rest string) string { return "projects/" + c.Project + "/" + rest }

// link returns the URL by which the API names what is at the path, whatever host was asked.
func link(path string) string { return "https://www.googleapis.com/compute/v1/" + path }

// pathOf returns the path that a URL, or a part of one, is of.
func pathOf(url string) string {
	if i := strings.Index(url, "projects/"); i >= 0 {
		return url[i:]
	}
	return url
}

// nameOf returns the last element of a URL.
func nameOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// nameForm is what Google's description says of names.
var nameForm = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

// decode reads a body into a type of the API, which must not have fields that the API does not know, and must have a name.
func decode(r call, into any, name *string) error {
	decoder := json.NewDecoder(strings.NewReader(string(r.body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return core.Refuse(core.Invalid, "Invalid JSON payload received: %v", err)
	}
	if !nameForm.MatchString(*name) {
		return core.Refuse(core.Invalid, "Invalid value for field 'resource.name': '%s'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'", *name)
	}
	return nil
}
