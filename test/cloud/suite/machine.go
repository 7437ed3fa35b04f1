// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/core"
)

// allRun is true of instances that run.
func allRun(instances []machine.Instance) bool {
	for _, i := range instances {
		if !i.Running {
			return false
		}
	}
	return true
}

func none(instances []machine.Instance) bool { return len(instances) == 0 }

func (c *check) life() {
	c.ensure()
	m := c.newMachine("demo-workers-a")
	before := c.Test.Total()
	created := c.create(m)
	if created.ID == "" || created.Running || created.Message == "" {
		c.Errorf("an instance that was just made: %+v", created)
	}
	running := c.until("it runs", allRun)[0]
	if running.ID != created.ID || running.MachineUID != m.UID || running.Created.IsZero() || running.Failed || running.Deleting {
		c.Errorf("the instance that runs: %+v, was made as %+v", running, created)
	}
	if !strings.Contains(running.ProviderID, "://") {
		c.Errorf("its provider ID: %q", running.ProviderID)
	}
	if !has(running, clusterv1.MachineInternalIP) || !has(running, clusterv1.MachineHostName) {
		c.Errorf("its addresses: %v", running.Addresses)
	}
	if booted := c.Test.Machines(); len(booted) != 1 || string(booted[0].UserData) != string(m.UserData) {
		c.Errorf("the cloud has %d instances with the user data %q, want %q", len(booted), booted[0].UserData, m.UserData)
	}
	for range 2 { // the second time, it goes already
		if err := c.Cloud.Delete(c.ctx, c.cluster, running); err != nil {
			c.Fatalf("Delete() = %v", err)
		}
	}
	for _, i := range c.list() {
		if !i.Deleting && !i.Failed {
			c.Errorf("an instance that was deleted: %+v", i)
		}
	}
	c.until("it has gone", none)
	calls := c.Test.Total() - before
	c.Logf("a machine costs %d calls, with all lists", calls)
	if calls > maxCalls {
		c.Errorf("a machine costs %d calls, want %d: %v", calls, maxCalls, c.Test.Calls())
	}
	if err := c.Cloud.Delete(c.ctx, c.cluster, running); err != nil {
		c.Errorf("Delete() of what has gone = %v", err)
	}
	c.empty()
}

func has(i machine.Instance, t clusterv1.MachineAddressType) bool {
	for _, a := range i.Addresses {
		if a.Type == t && a.Address != "" {
			return true
		}
	}
	return false
}

// lost loses the answer to a creation, as a crash does. The instance is found again by its tags, and where the cloud sees to
// it, asking again makes no other. An answer to a deletion that gets lost is asked for again.
func (c *check) lost() {
	c.ensure()
	m := c.newMachine("demo-workers-a")
	c.Test.Inject(core.Fault{Operation: c.CreateOperation, Kind: core.Lost})
	_, _ = c.Cloud.Create(c.ctx, c.cluster, m) // an SDK may have asked again by itself
	c.Test.Heal()
	found := c.list()
	if len(found) != 1 || found[0].MachineUID != m.UID {
		c.Fatalf("after an answer was lost there are %+v", found)
	}
	if c.Sole {
		again, err := c.Cloud.Create(c.ctx, c.cluster, m)
		if err == nil && again.ID != found[0].ID {
			c.Errorf("Create() again = %s, want %s", again.ID, found[0].ID)
		}
		c.same("the instances after Create() again", ids(c.list()), ids(found))
	}
	c.Test.Inject(core.Fault{Operation: c.DeleteOperation, Kind: core.Lost})
	_ = c.Cloud.Delete(c.ctx, c.cluster, found[0])
	c.Test.Heal()
	c.empty()
}

// apart has two clusters of one name, which is not unique in an account that two seeds use.
func (c *check) apart() {
	other := *c
	other.cluster.UID = "77aa1c55-demo"
	c.ensure()
	other.ensure()
	mine := c.create(c.newMachine("demo-workers-a"))
	m := c.newMachine("demo-workers-b")
	theirs := other.create(m)
	c.same("the instances of one", ids(c.list()), []string{mine.ID})
	c.same("the instances of the other", ids(other.list()), []string{theirs.ID})
	if err := c.Cloud.Delete(c.ctx, c.cluster, mine); err != nil {
		c.Fatal(err)
	}
	c.until("it has gone", none)
	c.noNetwork()
	c.same("the instances of the other", ids(other.list()), []string{theirs.ID})
	other.ensure()
	other.empty()
}

func (c *check) pages() {
	c.ensure()
	c.Test.Do(func() { c.Test.PageSize = 2 })
	var want []string
	for _, name := range names(5) {
		want = append(want, c.create(c.newMachine(name)).ID)
	}
	got := ids(c.list())
	if len(got) != len(want) {
		c.Errorf("List() = %v, want %v", got, want)
	}
	c.ensure()
	c.empty()
}

func (c *check) vanishes() {
	c.ensure()
	instance := c.create(c.newMachine("demo-workers-a"))
	c.until("it runs", allRun)
	booted := c.Test.Machines()
	if err := c.Test.Vanish(c.ctx, booted[0].ID); err != nil {
		c.Fatal(err)
	}
	for _, i := range c.list() {
		if i.Running {
			c.Errorf("an instance that has vanished: %+v", i)
		}
	}
	if err := c.Cloud.Delete(c.ctx, c.cluster, instance); err != nil {
		c.Errorf("Delete() of an instance that has vanished = %v", err)
	}
	c.empty()
}
