// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"time"

	"github.com/vmware/govmomi/task"
	vim "github.com/vmware/govmomi/vim25/types"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/internal/machine"
)

// lostAge is how long the address of a clone stays reserved of which it is not known whether it is being made.
const lostAge = 30 * time.Minute

// clone is one that is being made, or that could not be made. It is not a memory that anything depends on: after a restart,
// vCenter refuses a second clone of the same name, and lists the first one when it is there.
type clone struct {
	cluster, machine types.UID
	started          time.Time
	address          string
	// task makes it; nil if vCenter's answer got lost.
	task *vim.ManagedObjectReference
	// failed is why it could not be made.
	failed error
}

// instance is what is known of a clone that vCenter does not list yet.
func (c *clone) instance() machine.Instance {
	return machine.Instance{
		ID: string(c.machine), MachineUID: c.machine, ProviderID: providerID(string(c.machine)), Created: c.started,
		Reason: "Cloning", Message: "vCenter is cloning the template",
	}
}

func (c *Cloud) remember(made *clone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clones[made.machine] = made
}

// settled forgets a clone that has been made.
func (c *Cloud) settled(machine types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clones, machine)
}

// cloneOf returns a copy of what is known of the machine's clone; nil if there is none.
func (c *Cloud) cloneOf(machine types.UID) *clone {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.clones[machine]; known != nil {
		return new(*known)
	}
	return nil
}

// running returns the clones of the cluster that are being made.
func (c *Cloud) running(cluster types.UID) []*clone {
	c.mu.Lock()
	defer c.mu.Unlock()
	var running []*clone
	for _, known := range c.clones {
		if known.cluster == cluster && known.task != nil && known.failed == nil {
			running = append(running, new(*known))
		}
	}
	return running
}

// reserved returns the addresses of clones of other machines that are being made.
func (c *Cloud) reserved(machine types.UID) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	reserved := map[string]bool{}
	for uid, known := range c.clones {
		switch {
		case uid == machine || known.failed != nil:
		case known.task == nil && time.Since(known.started) > lostAge:
			delete(c.clones, uid)
		default:
			reserved[known.address] = true
		}
	}
	return reserved
}

// taskProperties are those of a clone's task.
var taskProperties = vim.PropertySpec{Type: "Task", PathSet: []string{"info.state", "info.error"}}

// tasksOf selects the tasks of clones, whether they are still known or not.
func tasksOf(clones []*clone) vim.PropertyFilterSpec {
	spec := vim.PropertyFilterSpec{PropSet: []vim.PropertySpec{taskProperties}, ReportMissingObjectsInResults: vim.NewBool(true)}
	for _, known := range clones {
		spec.ObjectSet = append(spec.ObjectSet, vim.ObjectSpec{Obj: *known.task})
	}
	return spec
}

// progress returns the clones that are still being made, by what vCenter says of their tasks. It remembers why those were not
// made that were not.
func (c *Cloud) progress(clones []*clone, content []vim.ObjectContent) []*clone {
	states := map[vim.ManagedObjectReference]vim.ObjectContent{}
	for _, object := range content {
		states[object.Obj] = object
	}
	var running []*clone
	for _, known := range clones {
		state, failed := vim.TaskInfoStateSuccess, error(nil) // of one that vCenter has forgotten, since it has long ended
		for _, p := range states[*known.task].PropSet {
			switch value := p.Val.(type) {
			case vim.TaskInfoState:
				state = value
			case vim.LocalizedMethodFault:
				failed = task.Error{LocalizedMethodFault: &value}
			}
		}
		switch state {
		case vim.TaskInfoStateSuccess:
			c.settled(known.machine)
		case vim.TaskInfoStateError:
			known.failed = failed
			c.remember(known)
		default:
			running = append(running, known)
		}
	}
	return running
}
