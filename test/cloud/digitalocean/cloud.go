// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package digitalocean is a test cloud that speaks DigitalOcean's API, as far as machines need it: Droplets, VPCs, firewalls, tags
// and what there is to choose from. Its answers are those of the published API; it refuses what that refuses. It runs inside
// tests and benchmarks, as an http.Handler.
package digitalocean

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/test/cloud/core"
)

// Token opens the account.
const Token = "dop_v1_of-the-test-cloud"

// Cloud is an account at DigitalOcean. Its operations are called by the scopes that they need, such as "droplet:create".
type Cloud struct {
	*core.Cloud

	mux       *http.ServeMux
	vpcs      *core.Table[*godo.VPC]
	firewalls *core.Table[*godo.Firewall]
	tags      *core.Table[string]
}

// New returns an account without anything but a VPC and a tag that somebody else made.
func New() *Cloud {
	c := &Cloud{Cloud: core.New(), mux: http.NewServeMux()}
	c.vpcs = core.NewTable[*godo.VPC](c.Cloud, "vpc")
	c.firewalls = core.NewTable[*godo.Firewall](c.Cloud, "firewall")
	c.tags = core.NewTable[string](c.Cloud, "tag")
	c.vpcs.Give(GivenVPC, &godo.VPC{ID: GivenVPC, Name: "shared", RegionSlug: "nyc1", IPRange: "10.10.0.0/20"})
	c.tags.Give(GivenTag, GivenTag)
	for pattern, route := range map[string]struct {
		scope  string
		answer core.Answer
	}{
		"GET /v2/droplets":          {"droplet:read", c.listDroplets},
		"POST /v2/droplets":         {"droplet:create", c.createDroplet},
		"DELETE /v2/droplets":       {"droplet:delete", c.deleteDropletsByTag},
		"DELETE /v2/droplets/{id}":  {"droplet:delete", c.deleteDroplet},
		"GET /v2/vpcs":              {"vpc:read", c.listVPCs},
		"POST /v2/vpcs":             {"vpc:create", c.createVPC},
		"DELETE /v2/vpcs/{id}":      {"vpc:delete", c.deleteVPC},
		"GET /v2/firewalls":         {"firewall:read", c.listFirewalls},
		"POST /v2/firewalls":        {"firewall:create", c.createFirewall},
		"DELETE /v2/firewalls/{id}": {"firewall:delete", c.deleteFirewall},
		"GET /v2/tags":              {"tag:read", c.listTags},
		"POST /v2/tags":             {"tag:create", c.createTag},
		"DELETE /v2/tags/{name}":    {"tag:delete", c.deleteTag},
		"GET /v2/regions":           {"regions:read", c.listRegions},
		"GET /v2/sizes":             {"sizes:read", c.listSizes},
		"GET /v2/images":            {"image:read", c.listImages},
		"/":                         {"unknown", func(*http.Request) (int, any, error) { return 0, nil, notFound() }},
	} {
		c.mux.HandleFunc(pattern, c.REST(route.scope, refuse, core.Bearer(Token, route.answer)))
	}
	return c
}

// What somebody else made.
const (
	GivenVPC = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"
	GivenTag = "open-to-the-office"
)

// ServeHTTP answers a call.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// refuse says no as DigitalOcean does.
func refuse(w http.ResponseWriter, refusal *core.Refusal) {
	status, id, message := http.StatusUnprocessableEntity, "unprocessable_entity", refusal.Message
	switch refusal.Kind {
	case core.Unauthenticated:
		status, id, message = http.StatusUnauthorized, "Unauthorized", "Unable to authenticate you"
	case core.Unauthorized:
		status, id, message = http.StatusForbidden, "Forbidden", "You are not authorized to perform this operation"
	case core.Quota:
		message = "creating this/these droplet(s) will exceed your droplet limit"
	case core.SoldOut:
		message = "Size is not available in this region."
	case core.RateLimited:
		w.Header().Set("Retry-After", "60")
		status, id, message = http.StatusTooManyRequests, "too_many_requests", "API rate limit exceeded."
	case core.NotFound:
		status, id, message = http.StatusNotFound, "not_found", "The resource you were accessing could not be found."
	case core.Conflict:
		status, id = http.StatusConflict, "conflict"
	case core.Internal:
		status, id, message = http.StatusInternalServerError, "server_error", "Unexpected server-side error"
	}
	core.WriteJSON(w, status, map[string]string{"id": id, "message": message, "request_id": "0f5e9a3d-of-the-test-cloud"})
}

func notFound() error { return core.Refuse(core.NotFound, "") }

func invalid(format string, args ...any) error { return core.Refuse(core.Invalid, format, args...) }

// page answers with one page of a list, under its key.
func page[T any](c *Cloud, r *http.Request, key string, all []T) (int, any, error) {
	number, size := core.Positive(r.URL.Query().Get("page"), 1), min(core.Positive(r.URL.Query().Get("per_page"), 20), 200)
	if c.PageSize > 0 {
		size = min(size, c.PageSize)
	}
	items, next := core.Page(c.Cloud, all, (number-1)*size, size)
	links := map[string]any{}
	if next > 0 {
		last := (len(all) + size - 1) / size
		links["pages"] = map[string]string{"next": pageURL(r, number+1), "last": pageURL(r, last)}
	}
	return http.StatusOK, map[string]any{key: items, "links": links, "meta": map[string]int{"total": len(all)}}, nil
}

func pageURL(r *http.Request, number int) string {
	query := url.Values{}
	for key, values := range r.URL.Query() {
		query[key] = values
	}
	query.Set("page", strconv.Itoa(number))
	return fmt.Sprintf("https://api.digitalocean.com%s?%s", r.URL.Path, query.Encode())
}
