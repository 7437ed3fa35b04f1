// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package suite is what every machine.Cloud has to do, as tests. It runs a cloud's package against its test cloud, so that a
// cloud that is added is held to the same as the others.
package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/core"
)

// World is a cloud with nothing in it, and what the suite has to know of it.
type World struct {
	Cloud machine.Cloud
	// Test is the test cloud that answers, and Account opens it.
	Test    *core.Cloud
	Account machine.Account
	// WrongKey are well-formed credentials that the cloud does not know, and Secret is what of them no error may contain.
	WrongKey map[string][]byte
	Secret   string
	// Provider is a machine that can be had.
	Provider v1alpha1.Provider
	// Size and Zone are what core.Cloud.SellOut wants to know of this machine.
	Size, Zone string
	// NoSuchSize and NoSuchImage are machines that cannot be had at all.
	NoSuchSize, NoSuchImage v1alpha1.Provider
	// CreateOperation is the call that makes an instance, ListOperation the one that lists, DeleteOperation the one that deletes.
	CreateOperation, ListOperation, DeleteOperation string
	// Needed are the operations whose right Verify misses.
	Needed []string
	// Named is a network that somebody has made and the test cloud has, zero if it has none. NotThere is one that it does not have.
	Named, NotThere v1alpha1.CloudNetwork
	// Sole is true if the cloud itself sees to it that there is one instance of a name, or of a token: then Create again is no twin.
	Sole bool
}

// maxCalls is how many calls a machine may cost from its creation until it is gone, besides the lists that it shares.
const maxCalls = 10

// Run runs the suite. Each check has a new world.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	t.Helper()
	for name, check := range map[string]func(*check){
		"a network is made once, and goes":                        (*check).network,
		"what is named is used and stays":                         (*check).named,
		"a network is whole whatever call breaks":                 (*check).networkBreaks,
		"a network in use stays until it is free":                 (*check).networkInUse,
		"a machine comes and goes":                                (*check).life,
		"an answer that gets lost leaves one instance":            (*check).lost,
		"clusters are apart":                                      (*check).apart,
		"a list has all pages":                                    (*check).pages,
		"an instance that vanishes is in no list":                 (*check).vanishes,
		"what is refused says who must act":                       (*check).refused,
		"a wrong key is told, and not what it is":                 (*check).wrongKey,
		"the key is verified without a change":                    (*check).verify,
		"what is offered can be chosen from":                      (*check).offers,
		"the third of five machines may be one more than allowed": (*check).quota,
	} {
		t.Run(name, func(t *testing.T) { check(newCheck(t, newWorld(t))) })
	}
}

// check is one check in its world.
type check struct {
	*testing.T
	World

	ctx     context.Context //nolint:containedctx // of one test
	cluster machine.Cluster
}

func newCheck(t *testing.T, w World) *check {
	t.Helper()
	return &check{T: t, World: w, ctx: t.Context(), cluster: machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}}
}

// newMachine returns a machine of the cluster with user data that is not ASCII only.
func (c *check) newMachine(name string) machine.Machine {
	return machine.Machine{
		Name: name, UID: types.UID("5d1c2c9a-" + name), Pool: "workers", Provider: c.Provider,
		UserData: []byte("#cloud-config\nhostname: " + name + " # ü\n"),
	}
}

// ensure makes the network.
func (c *check) ensure() {
	c.Helper()
	network, err := c.Cloud.EnsureNetwork(c.ctx, c.cluster)
	if err != nil {
		c.Fatalf("EnsureNetwork() = %v", err)
	}
	c.cluster.Network = network
}

// create makes a machine.
func (c *check) create(m machine.Machine) machine.Instance {
	c.Helper()
	instance, err := c.Cloud.Create(c.ctx, c.cluster, m)
	if err != nil {
		c.Fatalf("Create(%s) = %v", m.Name, err)
	}
	return instance
}

func (c *check) list() []machine.Instance {
	c.Helper()
	instances, err := c.Cloud.List(c.ctx, c.cluster)
	if err != nil {
		c.Fatalf("List() = %v", err)
	}
	return instances
}

// until lists until it is so. An instance comes and goes by being looked at.
func (c *check) until(what string, is func([]machine.Instance) bool) []machine.Instance {
	c.Helper()
	var instances []machine.Instance
	for range 10 {
		if instances = c.list(); is(instances) {
			return instances
		}
	}
	c.Fatalf("the cloud never lists that %s: %+v", what, instances)
	return nil
}

// empty deletes all instances and the network, as often as it takes, and wants nothing to be left.
func (c *check) empty() {
	c.Helper()
	for range 10 {
		for _, instance := range c.list() {
			if instance.Deleting {
				continue
			}
			if err := c.Cloud.Delete(c.ctx, c.cluster, instance); err != nil {
				c.Fatalf("Delete(%s) = %v", instance.ID, err)
			}
		}
		if len(c.list()) == 0 {
			break
		}
	}
	c.noNetwork()
	if left := c.Test.Left(); len(left) > 0 {
		c.Errorf("left in the cloud: %v", left)
	}
}

// noNetwork deletes the network, as often as it takes.
func (c *check) noNetwork() {
	c.Helper()
	var left []string
	for range 20 {
		var err error
		if left, err = c.Cloud.DeleteNetwork(c.ctx, c.cluster); err != nil {
			c.Fatalf("DeleteNetwork() = %v", err)
		}
		if len(left) == 0 {
			return
		}
	}
	c.Errorf("DeleteNetwork() never ends: %v", left)
}

// wantRefused wants a *RefusedError with a reason.
func (c *check) wantRefused(what string, err error, reason string) {
	c.Helper()
	c.Run(what, func(t *testing.T) { _ = WantReason(t, err, reason) })
}

// WantReason wants a *RefusedError with a reason and a message, and returns it; no error at all if the reason is empty.
func WantReason(t *testing.T, err error, reason string) *machine.RefusedError {
	t.Helper()
	refused, ok := errors.AsType[*machine.RefusedError](err)
	switch {
	case reason == "" && err == nil:
	case !ok:
		t.Errorf("%v, want a RefusedError with %s", err, reason)
	case refused.Reason != reason:
		t.Errorf("%s (%s), want %s", refused.Reason, refused.Message, reason)
	case refused.Message == "":
		t.Errorf("%s without a message", refused.Reason)
	}
	return refused
}

// same wants two things to be the same.
func (c *check) same(what string, got, want any) {
	c.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func ids(instances []machine.Instance) []string {
	var ids []string
	for _, i := range instances {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	return ids
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("demo-workers-%d", i)
	}
	return all
}
