// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// readers are roles with which one only looks at things.
var readers = []string{"reader", "auditor"}

// Verify looks at the roles of the token, since OpenStack cannot be asked whether it would do something, and reads one of each kind
// of thing that is made.
func (c *Cloud) Verify(ctx context.Context, opens machine.Account) error {
	return c.do(ctx, opens, func(a *account) error {
		if token, ok := a.token(); ok {
			roles, err := token.ExtractRoles()
			if err != nil {
				return fmt.Errorf("reading the roles of the token: %w", err)
			}
			var names []string
			for _, role := range roles {
				if !slices.Contains(readers, role.Name) {
					names = nil
					break
				}
				names = append(names, role.Name)
			}
			if len(names) > 0 {
				return refusal(v1alpha1.ReasonUnauthorized, "the credentials may only look at things at OpenStack %s, by the role %s: give their user the role member of the project",
					a.place.AuthURL, strings.Join(names, ", "))
			}
		}
		for kind, pager := range map[string]pagination.Pager{
			"servers":         servers.ListSimple(a.compute, servers.ListOpts{Limit: 1}),
			"networks":        networks.List(a.network, networks.ListOpts{Limit: 1}),
			"subnets":         subnets.List(a.network, subnets.ListOpts{Limit: 1}),
			"routers":         routers.List(a.network, routers.ListOpts{Limit: 1}),
			"ports":           ports.List(a.network, ports.ListOpts{Limit: 1}),
			"floating IPs":    floatingips.List(a.network, floatingips.ListOpts{Limit: 1}),
			"security groups": groups.List(a.network, groups.ListOpts{Limit: 1}),
			"images":          images.List(a.image, images.ListOpts{Limit: 1}),
		} {
			if err := pager.EachPage(ctx, func(context.Context, pagination.Page) (bool, error) { return false, nil }); err != nil {
				return fmt.Errorf("listing %s: %w", kind, err)
			}
		}
		return nil
	})
}
