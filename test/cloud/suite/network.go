// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/core"
)

func (c *check) network() {
	c.ensure()
	first, made := c.cluster.Network, c.Test.Left()
	if len(made) == 0 {
		c.Error("EnsureNetwork() has made nothing")
	}
	before := c.Test.Total()
	c.ensure()
	c.Logf("a network that is there costs %d calls", c.Test.Total()-before)
	c.same("a network that is there", c.cluster.Network, first)
	c.cluster.Network = v1alpha1.CloudNetwork{} // nobody remembers
	c.ensure()
	c.same("a network that is found again", c.cluster.Network, first)
	c.same("what there is in the cloud", c.Test.Left(), made)
	c.empty()
	c.noNetwork() // which is gone
}

func (c *check) named() {
	missing := c.cluster
	if missing.Named = c.NotThere; missing.Named.Network != "" || missing.Named.SecurityGroups != nil {
		_, err := c.Cloud.EnsureNetwork(c.ctx, missing)
		c.wantRefused("a named network that is not there", err, v1alpha1.ReasonConfiguration)
		c.noNetwork()
	}
	c.cluster.Named = c.Named
	c.ensure()
	if c.Named.Network != "" {
		c.same("the network", c.cluster.Network.Network, c.Named.Network)
	}
	if c.Named.Subnets != nil {
		c.same("the subnets", c.cluster.Network.Subnets, c.Named.Subnets)
	}
	if c.Named.SecurityGroups != nil {
		c.same("the security groups", c.cluster.Network.SecurityGroups, c.Named.SecurityGroups)
	}
	c.create(c.newMachine("demo-workers-a"))
	c.empty()
	c.ensure() // needs what is named to be there still
	c.empty()
}

// networkBreaks breaks each call of a network's creation and of its deletion once: with an error, and with an answer that gets
// lost.
func (c *check) networkBreaks() {
	before := c.Test.Total()
	c.ensure()
	calls, made := c.Test.Total()-before, kinds(c.Test.Left())
	c.empty()
	for after := range calls {
		for _, kind := range []core.Kind{core.Internal, core.Lost} {
			c.cluster.Network = v1alpha1.CloudNetwork{}
			c.Test.Inject(core.Fault{Kind: kind, After: after})
			_, err := c.Cloud.EnsureNetwork(c.ctx, c.cluster)
			if refused, ok := errors.AsType[*machine.RefusedError](err); ok {
				c.Errorf("call %d is %s: %v, which nobody has to act on", after, kind, refused)
			}
			c.Test.Heal()
			c.ensure()
			c.same("what is made after a call broke", kinds(c.Test.Left()), made)

			c.Test.Inject(core.Fault{Kind: kind, After: after})
			_, _ = c.Cloud.DeleteNetwork(c.ctx, c.cluster)
			c.Test.Heal()
			c.empty()
		}
	}
}

// networkInUse deletes a network that a machine is still in.
func (c *check) networkInUse() {
	c.ensure()
	c.create(c.newMachine("demo-workers-a"))
	left, err := c.Cloud.DeleteNetwork(c.ctx, c.cluster)
	if _, refused := errors.AsType[*machine.RefusedError](err); err != nil && !refused {
		c.Errorf("DeleteNetwork() with a machine in it = %v, %v", left, err)
	}
	c.empty()
}
