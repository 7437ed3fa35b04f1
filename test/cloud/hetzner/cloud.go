// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package hetzner is a test cloud that speaks Hetzner Cloud's API, as far as machines need it: servers, networks, firewalls and
// what there is to choose from. Its answers have the published schema; it refuses what the API refuses. It runs inside tests
// and benchmarks, as an http.Handler below /v1.
package hetzner

import (
	"net/http"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/hetznercloud/hcloud-go/v2/hcloud/schema"
	"k8s.io/apimachinery/pkg/labels"

	"canopy.dev/canopy/test/cloud/core"
)

// Token opens the project.
const Token = "of-the-test-cloud-with-sixty-four-letters"

// What somebody else made.
const (
	GivenNetwork  = 4711
	GivenFirewall = 4712
)

// Cloud is a project at Hetzner. Its operations are called like "server:create".
type Cloud struct {
	*core.Cloud

	mux       *http.ServeMux
	networks  *core.Table[*schema.Network]
	firewalls *core.Table[*schema.Firewall]
}

// New returns a project without anything but a network and a firewall that somebody else made, both called "shared".
func New() *Cloud {
	c := &Cloud{Cloud: core.New(), mux: http.NewServeMux()}
	c.networks = core.NewTable[*schema.Network](c.Cloud, "network")
	c.firewalls = core.NewTable[*schema.Firewall](c.Cloud, "firewall")
	c.networks.Give(strconv.Itoa(GivenNetwork), &schema.Network{
		ID: GivenNetwork, Name: "shared", IPRange: "10.10.0.0/16", Labels: map[string]string{},
		Subnets: []schema.NetworkSubnet{{Type: "cloud", IPRange: "10.10.0.0/16", NetworkZone: "eu-central"}},
	})
	c.firewalls.Give(strconv.Itoa(GivenFirewall), &schema.Firewall{ID: GivenFirewall, Name: "shared", Labels: map[string]string{}})
	for pattern, route := range map[string]struct {
		operation string
		answer    core.Answer
	}{
		"GET /v1/servers":           {"server:list", c.listServers},
		"POST /v1/servers":          {"server:create", c.createServer},
		"DELETE /v1/servers/{id}":   {"server:delete", c.deleteServer},
		"GET /v1/networks":          {"network:list", c.listNetworks},
		"GET /v1/networks/{id}":     {"network:read", c.readNetwork},
		"POST /v1/networks":         {"network:create", c.createNetwork},
		"DELETE /v1/networks/{id}":  {"network:delete", c.deleteNetwork},
		"GET /v1/firewalls":         {"firewall:list", c.listFirewalls},
		"GET /v1/firewalls/{id}":    {"firewall:read", c.readFirewall},
		"POST /v1/firewalls":        {"firewall:create", c.createFirewall},
		"DELETE /v1/firewalls/{id}": {"firewall:delete", c.deleteFirewall},
		"GET /v1/locations":         {"location:list", c.listLocations},
		"GET /v1/server_types":      {"type:list", c.listServerTypes},
		"GET /v1/images":            {"image:list", c.listImages},
		"/":                         {"unknown", func(*http.Request) (int, any, error) { return 0, nil, notFound("endpoint") }},
	} {
		c.mux.HandleFunc(pattern, c.REST(route.operation, refuse, core.Bearer(Token, route.answer)))
	}
	return c
}

// ServeHTTP answers a call.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// refuse says no as Hetzner does.
func refuse(w http.ResponseWriter, refusal *core.Refusal) {
	status, code, message := http.StatusUnprocessableEntity, hcloud.ErrorCodeInvalidInput, refusal.Message
	switch refusal.Kind {
	case core.Unauthenticated:
		status, code, message = http.StatusUnauthorized, hcloud.ErrorCodeUnauthorized, "the token you provided is invalid"
	case core.Unauthorized:
		status, code, message = http.StatusForbidden, "token_readonly", "the provided token is read only"
	case core.Quota:
		status, code = http.StatusForbidden, hcloud.ErrorCodeResourceLimitExceeded
	case core.SoldOut:
		status, code = http.StatusPreconditionFailed, hcloud.ErrorCodeResourceUnavailable
	case core.RateLimited:
		status, code = http.StatusTooManyRequests, hcloud.ErrorCodeRateLimitExceeded
	case core.NotFound:
		status, code = http.StatusNotFound, hcloud.ErrorCodeNotFound
	case core.Conflict:
		status, code = http.StatusConflict, hcloud.ErrorCodeResourceInUse
	case taken:
		status, code = http.StatusConflict, hcloud.ErrorCodeUniquenessError
	case core.Internal:
		status, code = http.StatusInternalServerError, hcloud.ErrorCodeServerError
	}
	core.WriteJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "details": nil}})
}

// taken is the kind of a name that is not unique.
const taken core.Kind = "taken"

func notFound(kind string) error { return core.Refuse(core.NotFound, "%s not found", kind) }

func invalid(format string, args ...any) error { return core.Refuse(core.Invalid, format, args...) }

// labeled is what lists are filtered by.
type labeled struct {
	name   string
	labels map[string]string
}

// page answers with one page of those of a list that are asked for, under its key.
func page[T any](c *Cloud, r *http.Request, key string, all []T, as func(T) labeled) (int, any, error) {
	query := r.URL.Query()
	selector, err := labels.Parse(query.Get("label_selector"))
	if err != nil {
		return 0, nil, invalid("label_selector: %v", err)
	}
	wanted := []T{}
	for _, item := range all {
		l := as(item)
		if selector.Matches(labels.Set(l.labels)) && (query.Get("name") == "" || query.Get("name") == l.name) {
			wanted = append(wanted, item)
		}
	}
	number, size := core.Positive(query.Get("page"), 1), min(core.Positive(query.Get("per_page"), 25), 50)
	if c.PageSize > 0 {
		size = min(size, c.PageSize)
	}
	items, next := core.Page(c.Cloud, wanted, (number-1)*size, size)
	pagination := schema.MetaPagination{Page: number, PerPage: size, PreviousPage: number - 1, LastPage: max(1, (len(wanted)+size-1)/size), TotalEntries: len(wanted)}
	if next > 0 {
		pagination.NextPage = number + 1
	}
	return http.StatusOK, map[string]any{key: items, "meta": schema.Meta{Pagination: &pagination}}, nil
}

// rightLabels reports whether labels may be so.
func rightLabels(all *map[string]string) error {
	if all == nil {
		return nil
	}
	if _, err := labels.ValidatedSelectorFromSet(*all); err != nil {
		return invalid("labels: %v", err)
	}
	return nil
}
