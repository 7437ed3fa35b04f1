// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"slices"
	"strings"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/core"
)

// refused makes each method meet each kind of error.
func (c *check) refused() {
	c.ensure()
	m := c.newMachine("demo-workers-a")
	for _, f := range []struct {
		kind   core.Kind
		reason string
	}{
		{core.Unauthenticated, v1alpha1.ReasonUnauthenticated},
		{core.Unauthorized, v1alpha1.ReasonUnauthorized},
		{core.Quota, v1alpha1.ReasonQuotaExceeded},
		{core.SoldOut, v1alpha1.ReasonResourcesDepleted},
		{core.RateLimited, v1alpha1.ReasonRateLimited},
		{core.Internal, ""},
	} {
		c.Test.Inject(core.Fault{Operation: c.CreateOperation, Kind: f.kind, Times: core.Always})
		_, err := c.Cloud.Create(c.ctx, c.cluster, m)
		c.Test.Heal()
		if f.reason != "" {
			c.wantRefused("Create() when "+string(f.kind), err, f.reason)
			continue
		}
		if _, ok := errors.AsType[*machine.RefusedError](err); ok || err == nil {
			c.Errorf("Create() when %s = %v, want an error that nobody has to act on", f.kind, err)
		}
	}
	for name, block := range map[string]v1alpha1.Provider{"size": c.NoSuchSize, "image": c.NoSuchImage} {
		wrong := m
		wrong.Provider = block
		_, err := c.Cloud.Create(c.ctx, c.cluster, wrong)
		c.wantRefused("Create() of a "+name+" that there is not", err, v1alpha1.ReasonConfiguration)
	}
	c.Test.SellOut(c.Size, c.Zone)
	c.createRefused("a size that is sold out", m, v1alpha1.ReasonResourcesDepleted)
	c.Test.Heal()
	c.Test.Inject(core.Fault{Operation: c.ListOperation, Kind: core.RateLimited, Times: core.Always})
	_, err := c.Cloud.List(c.ctx, c.cluster)
	c.wantRefused("List() when rate limited", err, v1alpha1.ReasonRateLimited)
	c.Test.Heal()
	c.empty()
}

// createRefused asks for a machine until the cloud says why there is none: some say it only once they have tried.
func (c *check) createRefused(what string, m machine.Machine, reason string) {
	c.Helper()
	var err error
	for range 5 {
		if _, err = c.Cloud.Create(c.ctx, c.cluster, m); err != nil {
			break
		}
	}
	c.wantRefused("Create() of "+what, err, reason)
}

func (c *check) quota() {
	c.ensure()
	c.Test.SetQuota(2)
	for i, name := range names(5) {
		if i < 2 {
			c.create(c.newMachine(name))
		} else {
			c.createRefused("a machine beyond the quota", c.newMachine(name), v1alpha1.ReasonQuotaExceeded)
		}
	}
	if n := len(c.list()); n != 2 {
		c.Errorf("there are %d instances, want 2", n)
	}
	c.empty()
}

func (c *check) wrongKey() {
	c.ensure()
	instance := c.create(c.newMachine("demo-workers-a"))
	locked := c.cluster
	locked.Credentials = c.WrongKey
	_, network := c.Cloud.EnsureNetwork(c.ctx, locked)
	_, create := c.Cloud.Create(c.ctx, locked, c.newMachine("demo-workers-b"))
	_, list := c.Cloud.List(c.ctx, locked)
	_, deleteNetwork := c.Cloud.DeleteNetwork(c.ctx, locked)
	_, offers := c.Cloud.Offers(c.ctx, locked.Account)
	for what, err := range map[string]error{
		"EnsureNetwork": network, "Create": create, "List": list, "Delete": c.Cloud.Delete(c.ctx, locked, instance),
		"DeleteNetwork": deleteNetwork, "Offers": offers, "Verify": c.Cloud.Verify(c.ctx, locked.Account),
	} {
		c.wantRefused(what+" with a wrong key", err, v1alpha1.ReasonUnauthenticated)
		if err != nil && strings.Contains(err.Error(), c.Secret) {
			c.Errorf("%s tells the key: %v", what, err)
		}
	}
	locked.Credentials = nil
	c.wantRefused("Verify with no key", c.Cloud.Verify(c.ctx, locked.Account), v1alpha1.ReasonUnauthenticated)
	c.empty()
}

func (c *check) verify() {
	if err := c.Cloud.Verify(c.ctx, c.Account); err != nil {
		c.Errorf("Verify() = %v of a key that may do all", err)
	}
	for _, operation := range c.Needed {
		c.Test.Inject(core.Fault{Operation: operation, Kind: core.Unauthorized, Times: core.Always})
		c.wantRefused("Verify of a key without "+operation, c.Cloud.Verify(c.ctx, c.Account), v1alpha1.ReasonUnauthorized)
		c.Test.Heal()
	}
	if left := c.Test.Left(); len(left) > 0 {
		c.Errorf("Verify() has made %v", left)
	}
}

func (c *check) offers() {
	offers, err := c.Cloud.Offers(c.ctx, c.Account)
	if err != nil {
		c.Fatalf("Offers() = %v", err)
	}
	if len(offers.Sizes) == 0 || len(offers.Places) == 0 {
		c.Errorf("Offers() = %+v", offers)
	}
	for _, s := range offers.Sizes {
		if s.Name == "" || s.CPUs == 0 || s.Memory.IsZero() {
			c.Errorf("a size %+v", s)
		}
	}
	if !slices.IsSortedFunc(offers.Sizes, func(a, b machine.Size) int {
		if a.CPUs != b.CPUs {
			return a.CPUs - b.CPUs
		}
		return a.Memory.Cmp(b.Memory)
	}) {
		c.Errorf("the sizes are not sorted from small to large: %v", offers.Sizes)
	}
	for what, list := range map[string][]machine.Offer{"places": offers.Places, "zones": offers.Zones, "images": offers.Images, "networks": offers.Networks, "subnets": offers.Subnets} {
		if !slices.IsSortedFunc(list, func(a, b machine.Offer) int { return strings.Compare(a.Name, b.Name) }) {
			c.Errorf("the %s are not sorted: %v", what, list)
		}
	}
}

// kinds returns how many of each kind there are in what Left says.
func kinds(left []string) map[string]int {
	count := map[string]int{}
	for _, l := range left {
		kind, _, _ := strings.Cut(l, " ")
		count[kind]++
	}
	return count
}
