// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// State is how far an instance is.
type State string

// The states. An instance that has gone is in no list.
const (
	Pending State = "pending"
	Running State = "running"
	Ending  State = "ending"
)

// Instance is a machine. What the protocol's package fills in is its own business, but for ID, Name, Size and UserData.
type Instance struct {
	ID, Name string
	// Size and Zone are what it is and where.
	Size, Zone string
	// Tags are those of the protocol; one that has only names has empty values.
	Tags     map[string]string
	UserData []byte
	// PrivateIP and PublicIP are given by Launch. The first is the Booter's, if there is one.
	PrivateIP, PublicIP string
	Created             time.Time
	State               State
	// Detail is what else the protocol's package knows of it.
	Detail any

	looks int
}

// Launch adds an instance and boots it, unless the quota or a lack of its size is in the way: then the error is a *Refusal.
func (c *Cloud) Launch(ctx context.Context, i Instance) (*Instance, error) {
	if n := len(c.machines.All()); c.quota > 0 && n >= c.quota {
		return nil, Refuse(Quota, "this account may have %d instances and has %d", c.quota, n)
	}
	if c.soldOut[i.Size+"@"+i.Zone] {
		return nil, Refuse(SoldOut, "there is no capacity for %s in %s", i.Size, i.Zone)
	}
	n := c.Serial()
	i.PrivateIP = fmt.Sprintf("10.%d.%d.%d", 128+n>>16&127, n>>8&255, n&255)
	i.PublicIP = fmt.Sprintf("198.51.%d.%d", n>>8&255, n&255)
	i.Created, i.State, i.looks = time.Now().UTC(), Pending, c.Looks
	if c.Booter != nil {
		i.PrivateIP, i.PublicIP = "", ""
		if err := c.Booter.Boot(ctx, i); err != nil {
			return nil, Refuse(Internal, "booting: %v", err)
		}
	}
	c.machines.Put(i.ID, &i)
	return &i, nil
}

// Instances looks at the instances, which come and go by that, and returns those for which which is true.
func (c *Cloud) Instances(ctx context.Context, which func(*Instance) bool) []*Instance {
	var found []*Instance
	for _, i := range c.machines.All() {
		if which(i) && c.look(ctx, i) {
			found = append(found, i)
		}
	}
	return found
}

// Instance looks at one instance. It returns nil if there is none with this ID.
func (c *Cloud) Instance(ctx context.Context, id string) *Instance {
	if i, ok := c.machines.Get(id); ok && c.look(ctx, i) {
		return i
	}
	return nil
}

// look brings an instance a step further, and reports whether it is still there.
func (c *Cloud) look(ctx context.Context, i *Instance) bool {
	if c.Booter != nil && i.State != Ending {
		address, running := c.Booter.Look(ctx, i.ID)
		i.PrivateIP = address
		if running {
			i.State = Running
		}
		return true
	}
	if i.looks > 0 {
		i.looks--
		return true
	}
	switch i.State {
	case Pending:
		i.State = Running
	case Ending:
		c.machines.Remove(i.ID)
		return false
	}
	return true
}

// End ends an instance: it has gone after it was looked at for a while. That it ends already is fine; it returns false if there
// is none.
func (c *Cloud) End(ctx context.Context, id string) (bool, error) {
	i, ok := c.machines.Get(id)
	if !ok {
		return false, nil
	}
	if i.State != Ending {
		if c.Booter != nil {
			if err := c.Booter.Stop(ctx, id); err != nil {
				return true, Refuse(Internal, "stopping: %v", err)
			}
		}
		i.State, i.looks = Ending, c.Looks
	}
	return true, nil
}

// Machines returns copies of the instances as they are, without looking at them, for tests.
func (c *Cloud) Machines() []Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Instance
	for _, i := range c.machines.All() {
		all = append(all, *i)
	}
	return all
}

// Vanish takes an instance away at once and behind everybody's back, for tests: by the person at the console, or by a cloud that
// wants its capacity back.
func (c *Cloud) Vanish(ctx context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.End(ctx, id); err != nil {
		return err
	}
	c.machines.Remove(id)
	return nil
}

// Members returns how many instances there are for which which is true, ending ones too, without looking at them.
func (c *Cloud) Members(which func(*Instance) bool) int {
	return len(slices.DeleteFunc(c.machines.All(), func(i *Instance) bool { return !which(i) }))
}
