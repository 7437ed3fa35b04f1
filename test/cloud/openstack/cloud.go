// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package openstack is a test cloud that speaks OpenStack's APIs, as far as machines need them: tokens of Keystone, servers and
// flavors of Nova, images of Glance, and of Neutron networks, subnets, routers, ports, floating IPs and security groups. Its answers
// are those of the published API references; it refuses what these say is refused. It runs inside tests and benchmarks, as an
// http.Handler.
//
//	cloud.go      routes, tokens, errors and pages
//	compute.go    servers
//	neutron.go    the collections of Neutron: their attributes, and how one looks for something in them
//	network.go    what is special about each of them
//	catalog.go    what there is before anybody makes anything
package openstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"canopy.dev/canopy/test/cloud/core"
)

// What opens the project.
const (
	CredentialID     = "21dced0fd20347869b93710d2b98aae0"
	CredentialSecret = "of-the-test-cloud"
	Username         = "canopy"
	Password         = "horse"
	Domain           = "Default"
	Project          = "demo"
	Region           = "RegionOne"
)

// object is an object as its API shows it.
type object = map[string]any

// Cloud is a project. Its operations are called by the collection and what is done with it, such as "servers:create".
type Cloud struct {
	*core.Cloud

	// Roles are those of the project's user. It is set while no request is served.
	Roles []string

	mux         *http.ServeMux
	tokens      map[string]bool
	collections map[string]*collection
	volumes     *core.Table[string]
}

// New returns a project in which somebody else has made a network with a subnet, and a security group.
func New() *Cloud {
	c := &Cloud{Cloud: core.New(), Roles: []string{"member", "reader"}, mux: http.NewServeMux(), tokens: map[string]bool{}, collections: map[string]*collection{}}
	c.volumes = core.NewTable[string](c.Cloud, "volume")
	c.mux.HandleFunc("POST /identity/v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		c.Serve(w, "tokens:create", refuse("error"), func(w http.ResponseWriter) { c.login(w, r) })
	})
	c.mux.HandleFunc("GET /network/{$}", versions("v2.0"))
	c.mux.HandleFunc("GET /image/{$}", versions("v2.16"))
	for pattern, route := range map[string]struct {
		operation string
		answer    core.Answer
	}{
		"GET /compute/v2.1/servers":              {"servers:read", c.listServers},
		"GET /compute/v2.1/servers/detail":       {"servers:read", c.listServers},
		"POST /compute/v2.1/servers":             {"servers:create", c.createServer},
		"DELETE /compute/v2.1/servers/{id}":      {"servers:delete", c.deleteServer},
		"GET /compute/v2.1/flavors/detail":       {"flavors:read", c.listFlavors},
		"GET /compute/v2.1/os-availability-zone": {"zones:read", c.listZones},
		"GET /image/v2/images":                   {"images:read", c.listImages},
	} {
		c.handle(pattern, route.operation, "badRequest", route.answer)
	}
	c.routeNeutron()
	c.give()
	return c
}

// ServeHTTP answers a call.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// handle answers calls that have a token.
func (c *Cloud) handle(pattern, operation, envelope string, answer core.Answer) {
	c.mux.HandleFunc(pattern, c.REST(operation, refuse(envelope), func(r *http.Request) (int, any, error) {
		if !c.tokens[r.Header.Get("X-Auth-Token")] {
			return 0, nil, core.Refuse(core.Unauthenticated, "The request you have made requires authentication.")
		}
		c.sweep()
		return answer(r)
	}))
}

// versions answers with the versions of a service, as clients want to know before they call it.
func versions(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		core.WriteJSON(w, http.StatusOK, object{"versions": []object{{"id": id, "status": "CURRENT"}}})
	}
}

// ExpireTokens makes all tokens unknown, as time does.
func (c *Cloud) ExpireTokens() { c.Do(func() { clear(c.tokens) }) }

// login gives out a token for an application credential or a user.
func (c *Cloud) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Identity struct {
				Methods    []string                    `json:"methods"`
				Credential struct{ ID, Secret string } `json:"application_credential"`
				Password   struct {
					User struct {
						Name, Password string
						Domain         struct{ Name string }
					}
				} `json:"password"`
			} `json:"identity"`
			Scope *struct {
				Project struct {
					Name   string
					Domain struct{ Name string }
				}
			} `json:"scope"`
		} `json:"auth"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse("error")(w, core.Refuse(core.Invalid, "%v", err))
		return
	}
	identity, scope := body.Auth.Identity, body.Auth.Scope
	known := false
	switch {
	case slices.Contains(identity.Methods, "application_credential"): // which cannot ask for a scope
		known = scope == nil && identity.Credential.ID == CredentialID && identity.Credential.Secret == CredentialSecret
	case slices.Contains(identity.Methods, "password"):
		user := identity.Password.User
		known = user.Name == Username && user.Password == Password && user.Domain.Name == Domain &&
			scope != nil && scope.Project.Name == Project && scope.Project.Domain.Name == Domain
	}
	if !known {
		refuse("error")(w, core.Refuse(core.Unauthenticated, "The request you have made requires authentication."))
		return
	}
	token := fmt.Sprintf("gAAAAA-%d", c.Serial())
	c.tokens[token] = true
	w.Header().Set("X-Subject-Token", token)
	roles := []object{}
	for _, role := range c.Roles {
		roles = append(roles, object{"id": "id-of-" + role, "name": role})
	}
	catalog := []object{}
	for kind, path := range map[string]string{"compute": "/compute/v2.1", "network": "/network", "image": "/image"} {
		catalog = append(catalog, object{"type": kind, "name": kind, "id": kind, "endpoints": []object{
			{"id": kind, "interface": "public", "region": Region, "region_id": Region, "url": "http://" + r.Host + path},
		}})
	}
	core.WriteJSON(w, http.StatusCreated, object{"token": object{
		"methods": identity.Methods, "expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": "2026-01-01T00:00:00.000000Z",
		"roles": roles, "catalog": catalog, "project": object{"id": "p-demo", "name": Project, "domain": object{"id": "default", "name": Domain}},
		"user": object{"id": "u-canopy", "name": Username, "domain": object{"id": "default", "name": Domain}},
	}})
}

// refuse says no as the service does whose errors are in that envelope. Nova has one for each status.
func refuse(envelope string) func(http.ResponseWriter, *core.Refusal) {
	return func(w http.ResponseWriter, refusal *core.Refusal) {
		status, fault := http.StatusBadRequest, "badRequest"
		message := refusal.Message
		switch refusal.Kind {
		case core.Unauthenticated:
			status, fault = http.StatusUnauthorized, "error"
		case core.Unauthorized:
			status, fault, message = http.StatusForbidden, "forbidden", "Policy doesn't allow it to be performed."
		case core.Quota:
			status, fault, message = http.StatusForbidden, "forbidden", "Quota exceeded for instances: "+refusal.Message
			if envelope == "NeutronError" {
				status, message = http.StatusConflict, "Quota exceeded for resources: "+refusal.Message
			}
		case core.SoldOut: // which Nova says of the server when it has been accepted; see Fail
			message = "No valid host was found. There are not enough hosts available."
		case core.RateLimited:
			w.Header().Set("Retry-After", "30")
			status, fault, message = http.StatusTooManyRequests, "overLimit", "This request was rate-limited."
		case core.NotFound:
			status, fault = http.StatusNotFound, "itemNotFound"
		case core.Conflict:
			status, fault = http.StatusConflict, "conflictingRequest"
		case core.Internal:
			status, fault, message = http.StatusInternalServerError, "computeFault", "Unexpected API Error."
		}
		if envelope != "badRequest" {
			fault = envelope
		}
		core.WriteJSON(w, status, object{fault: object{"code": status, "message": message, "type": string(refusal.Kind), "detail": ""}})
	}
}

func invalid(format string, args ...any) error { return core.Refuse(core.Invalid, format, args...) }

// read reads the object in the body of a call, which is under its name.
func read(r *http.Request, name string) (object, error) {
	var body map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, invalid("Malformed request body: %v", err)
	}
	o := object{}
	if err := json.Unmarshal(body[name], &o); err != nil {
		return nil, invalid("'%s' is a required property", name)
	}
	return o, nil
}

// uuid returns one that was never returned before.
func (c *Cloud) uuid() string { return fmt.Sprintf("7e57c10d-0000-4000-8000-%012d", c.Serial()) }

// cut cuts out the page that begins after the marker, and returns the query of the next one; empty: there is none.
func cut(c *Cloud, r *http.Request, all []object) (page []object, next string) {
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	offset := 1 + slices.IndexFunc(all, func(o object) bool { return o["id"] == query.Get("marker") })
	page, more := core.Page(c.Cloud, all, offset, limit)
	if more == 0 || len(page) == 0 {
		return page, ""
	}
	query.Set("marker", fmt.Sprint(page[len(page)-1]["id"]))
	return page, r.URL.Path + "?" + query.Encode()
}

// answerPage answers with one page of a list under its key, and the link to the next one as Nova and Neutron have it.
func answerPage(c *Cloud, r *http.Request, key string, all []object) (int, any, error) {
	page, next := cut(c, r, all)
	body := object{key: page}
	if next != "" {
		body[key+"_links"] = []object{{"rel": "next", "href": "http://" + r.Host + next}}
	}
	return http.StatusOK, body, nil
}
