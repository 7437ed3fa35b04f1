// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// nowhere is an ID that nothing has.
const nowhere = "00000000-0000-0000-0000-000000000000"

// probe is a call that changes nothing: it reads, or asks for what cannot be, which is refused for another reason if the token
// may do it.
type probe struct {
	scope string
	call  func(context.Context, *godo.Client) error
}

var probes = []probe{
	{"droplet:read", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Droplets.ListByTag(ctx, clusterPrefix+nowhere, nil)
		return err
	}},
	{"droplet:create", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Droplets.Create(ctx, &godo.DropletCreateRequest{})
		return err
	}},
	{"droplet:delete", func(ctx context.Context, c *godo.Client) error {
		_, err := c.Droplets.DeleteByTag(ctx, clusterPrefix+nowhere)
		return err
	}},
	{"vpc:read", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.VPCs.List(ctx, nil)
		return err
	}},
	{"vpc:create", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.VPCs.Create(ctx, &godo.VPCCreateRequest{})
		return err
	}},
	{"vpc:delete", func(ctx context.Context, c *godo.Client) error {
		_, err := c.VPCs.Delete(ctx, nowhere)
		return err
	}},
	{"firewall:read", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Firewalls.List(ctx, nil)
		return err
	}},
	{"firewall:create", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Firewalls.Create(ctx, &godo.FirewallRequest{})
		return err
	}},
	{"firewall:delete", func(ctx context.Context, c *godo.Client) error {
		_, err := c.Firewalls.Delete(ctx, nowhere)
		return err
	}},
	{"tag:read", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Tags.List(ctx, nil)
		return err
	}},
	{"tag:create", func(ctx context.Context, c *godo.Client) error {
		_, _, err := c.Tags.Create(ctx, &godo.TagCreateRequest{})
		return err
	}},
	{"tag:delete", func(ctx context.Context, c *godo.Client) error {
		_, err := c.Tags.Delete(ctx, machinePrefix+nowhere)
		return err
	}},
}

// Verify names every scope that the token lacks.
func (d *Cloud) Verify(ctx context.Context, a machine.Account) error {
	client, _, err := connect(a)
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range probes {
		err := p.call(ctx, client)
		switch {
		case hasStatus(err, http.StatusForbidden):
			missing = append(missing, p.scope)
		case err == nil, hasStatus(err, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadRequest):
		default:
			return classify("verifying the token for "+p.scope, err)
		}
	}
	if len(missing) > 0 {
		return &machine.RefusedError{Reason: v1alpha1.ReasonUnauthorized, Message: fmt.Sprintf(
			"the token for DigitalOcean lacks the scopes %s: make one that has them", strings.Join(missing, ", "))}
	}
	return nil
}
