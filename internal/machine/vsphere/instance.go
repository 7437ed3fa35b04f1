// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	vim "github.com/vmware/govmomi/vim25/types"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// providerID is what vSphere's cloud controller manager calls the node of a machine with that UUID.
func providerID(uuid string) string { return "vsphere://" + uuid }

// Create has the machine cloned from its template, which takes minutes. What vCenter refuses only then is returned when the
// clone is wanted again, since List does not have it.
func (c *Cloud) Create(ctx context.Context, cluster machine.Cluster, m machine.Machine) (machine.Instance, error) {
	var instance machine.Instance
	err := c.do(ctx, cluster.Account, func(s *session) error {
		folder, err := s.makeFolder(ctx, cluster)
		if err != nil {
			return err
		}
		known := c.cloneOf(m.UID)
		switch {
		case known == nil, known.task == nil:
			known, err = c.start(ctx, s, folder, order{cluster, m})
			if err == nil {
				instance = known.instance()
			}
		case known.failed == nil:
			instance = known.instance()
		default:
			c.settled(m.UID)
			err = known.failed
		}
		if is[*vim.DuplicateName](err) {
			instance, err = s.namesake(ctx, folder, m)
		}
		return err
	})
	return instance, err
}

// order is which machine to make, of which cluster.
type order struct {
	cluster machine.Cluster
	machine machine.Machine
}

// start has the machine cloned.
func (c *Cloud) start(ctx context.Context, s *session, folder *object.Folder, o order) (*clone, error) {
	from, spec, err := s.cloneSpec(ctx, o)
	if err != nil {
		return nil, err
	}
	if o.machine.Provider.VSphere.Addresses != nil {
		c.giving.Lock()
		defer c.giving.Unlock()
	}
	made := &clone{cluster: o.cluster.UID, machine: o.machine.UID, started: time.Now()}
	if lost := c.cloneOf(o.machine.UID); lost != nil {
		made.address = lost.address // which it may have by now
	} else if made.address, err = c.freeAddress(ctx, s, o.machine); err != nil {
		return nil, err
	}
	if spec.Config.ExtraConfig, err = extraConfig(o.cluster, o.machine, made.address); err != nil {
		return nil, err
	}
	task, err := from.Clone(ctx, folder, o.machine.Name, spec)
	switch {
	case err == nil:
		made.task = new(task.Reference())
	case is[vim.BaseMethodFault](err):
		return nil, fmt.Errorf("cloning %s as %s: %w", from.InventoryPath, o.machine.Name, err)
	}
	c.remember(made)
	return made, err
}

// cloneSpec returns the template of the machine, and how it differs from that but for what it is told about itself.
func (s *session) cloneSpec(ctx context.Context, o order) (*template, vim.VirtualMachineCloneSpec, error) {
	block, spec := o.machine.Provider.VSphere, vim.VirtualMachineCloneSpec{}
	os, name := block.Chosen(s.place.Templates)
	if name == "" {
		return nil, spec, refusal(v1alpha1.ReasonConfiguration, "there is no template for %s: name one in the Datacenter, or as the image of the pool %s", os, o.machine.Pool)
	}
	in, err := s.inventory(ctx)
	if err != nil {
		return nil, spec, err
	}
	from, err := s.template(ctx, in, name)
	if err != nil {
		return nil, spec, err
	}
	pool, err := s.pool(ctx, in, block.ResourcePool)
	if err != nil {
		return nil, spec, err
	}
	changes, err := s.deviceChanges(ctx, in, from, o)
	if err != nil {
		return nil, spec, err
	}
	spec.PowerOn = true
	spec.Location = vim.VirtualMachineRelocateSpec{Pool: &pool, Datastore: &in.datastore}
	if in.policy != "" {
		spec.Location.Profile = []vim.BaseVirtualMachineProfileSpec{&vim.VirtualMachineDefinedProfileSpec{ProfileId: in.policy}}
	}
	spec.Config = &vim.VirtualMachineConfigSpec{
		NumCPUs: block.CPUs, MemoryMB: int64(block.MemoryMiB),
		// The first is what the machine itself sees, and so its node; the second is vCenter's.
		Uuid: string(o.machine.UID), InstanceUuid: string(o.machine.UID),
		Annotation:   fmt.Sprintf("A machine of the cluster %s, pool %s. Canopy makes and deletes it.", o.cluster.Name, o.machine.Pool),
		DeviceChange: changes,
	}
	return from, spec, nil
}

// deviceChanges are those of the first disk and the first network card.
func (s *session) deviceChanges(ctx context.Context, in *inventory, from *template, o order) ([]vim.BaseVirtualDeviceConfigSpec, error) {
	var changes []vim.BaseVirtualDeviceConfigSpec
	disks := from.devices.SelectByType((*vim.VirtualDisk)(nil))
	if len(disks) == 0 {
		return nil, refusal(v1alpha1.ReasonConfiguration, "the template %s has no disk: name another", from.InventoryPath)
	}
	const kibPerGiB = 1 << 20
	if disk := *disks[0].(*vim.VirtualDisk); int64(o.machine.Provider.VSphere.DiskGiB)*kibPerGiB > disk.CapacityInKB {
		disk.CapacityInKB = int64(o.machine.Provider.VSphere.DiskGiB) * kibPerGiB
		disk.CapacityInBytes = disk.CapacityInKB << 10
		changes = append(changes, &vim.VirtualDeviceConfigSpec{Operation: vim.VirtualDeviceConfigSpecOperationEdit, Device: &disk})
	}
	if name := o.cluster.Network.Network; name != "" {
		cards := from.devices.SelectByType((*vim.VirtualEthernetCard)(nil))
		if len(cards) == 0 {
			return nil, refusal(v1alpha1.ReasonConfiguration, "the template %s has no network card: name another", from.InventoryPath)
		}
		backing, err := s.network(ctx, in, name)
		if err != nil {
			return nil, err
		}
		// Another card, since the template's would bring its MAC address along.
		card, err := from.devices.CreateEthernetCard(strings.ToLower(strings.TrimPrefix(reflect.TypeOf(cards[0]).Elem().Name(), "Virtual")), backing)
		if err != nil {
			return nil, err
		}
		changes = append(changes,
			&vim.VirtualDeviceConfigSpec{Operation: vim.VirtualDeviceConfigSpecOperationRemove, Device: cards[0]},
			&vim.VirtualDeviceConfigSpec{Operation: vim.VirtualDeviceConfigSpecOperationAdd, Device: card})
	}
	return changes, nil
}

// namesake returns the machine that has the name already. It was made before, unless it is somebody else's.
func (s *session) namesake(ctx context.Context, folder *object.Folder, m machine.Machine) (machine.Instance, error) {
	machines, err := s.machinesBelow(ctx, folder.Reference(), false)
	if err != nil {
		return machine.Instance{}, err
	}
	for _, vm := range machines {
		if vm.machine == string(m.UID) {
			return instanceOf(vm), nil
		}
		if vm.name == m.Name && vm.uuid != "" {
			return machine.Instance{}, refusal(v1alpha1.ReasonConfiguration, "a virtual machine %s is in the machine's folder that was not made for it: move or rename it", m.Name)
		}
	}
	return machine.Instance{MachineUID: m.UID, Reason: "Cloning", Message: "vCenter is cloning the template"}, nil
}

// List returns the machines in the cluster's folder that say that they are the cluster's, and those on their way there.
func (c *Cloud) List(ctx context.Context, cluster machine.Cluster) ([]machine.Instance, error) {
	var instances []machine.Instance
	err := c.do(ctx, cluster.Account, func(s *session) error {
		instances = nil
		folder, err := s.folder(ctx, cluster)
		if errors.Is(err, errNoFolder) {
			return nil
		}
		if err != nil {
			return err
		}
		clones := c.running(cluster.UID)
		specs := []vim.PropertyFilterSpec{{ObjectSet: []vim.ObjectSpec{below(folder.Reference(), false)}, PropSet: []vim.PropertySpec{machineProperties}}}
		if len(clones) > 0 { // before the machines: one that has just been made is then among them
			specs = slices.Insert(specs, 0, tasksOf(clones))
		}
		content, err := s.retrieve(ctx, specs...)
		if err != nil {
			return err
		}
		instances = withClones(instancesOf(content, cluster.UID), c.progress(clones, content))
		return nil
	})
	return instances, err
}

// withClones returns the instances with those that are still being cloned. vCenter may list one before it is what it shall be.
func withClones(instances []machine.Instance, running []*clone) []machine.Instance {
	for _, known := range running {
		i := slices.IndexFunc(instances, func(i machine.Instance) bool { return i.MachineUID == known.machine })
		if i < 0 {
			instances = append(instances, known.instance())
		} else {
			instances[i] = known.instance()
		}
	}
	return instances
}

// instancesOf returns the machines of the cluster. Of two that have the same address, which can happen only when two of us
// give addresses out at a time, the younger one has failed.
func instancesOf(content []vim.ObjectContent, cluster types.UID) []machine.Instance {
	var machines []virtualMachine
	for _, object := range content {
		if vm := virtualMachineOf(object); vm.ref.Type == "VirtualMachine" && vm.cluster == string(cluster) {
			machines = append(machines, vm)
		}
	}
	slices.SortStableFunc(machines, func(a, b virtualMachine) int { return a.created.Compare(b.created) })
	var instances []machine.Instance
	taken := map[string]string{}
	for _, vm := range machines {
		instance := instanceOf(vm)
		if other := taken[vm.address]; vm.address != "" && other != "" {
			instance.Running, instance.Failed = false, true
			instance.Message = fmt.Sprintf("it has the address %s, as %s has", vm.address, other)
		}
		taken[vm.address] = vm.name
		instances = append(instances, instance)
	}
	return instances
}

func instanceOf(vm virtualMachine) machine.Instance {
	instance := machine.Instance{
		ID: vm.id, MachineUID: types.UID(vm.machine), ProviderID: providerID(vm.uuid), Created: vm.created,
		Running: vm.power == vim.VirtualMachinePowerStatePoweredOn,
	}
	switch {
	case vm.connection == vim.VirtualMachineConnectionStateOrphaned, vm.connection == vim.VirtualMachineConnectionStateInvalid:
		instance.Running, instance.Failed = false, true
		instance.Message = fmt.Sprintf("vCenter says that it is %s", vm.connection)
	case !instance.Running:
		instance.Reason, instance.Message = "PoweredOff", "it is switched off: vCenter could not start it, or somebody has switched it off"
	}
	instance.Addresses = []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: vm.name}}
	addresses := []string{}
	if vm.address != "" {
		addresses = append(addresses, vm.address)
	}
	for _, address := range vm.reported {
		addresses = append(addresses, address.String())
	}
	for i, address := range addresses {
		if !slices.Contains(addresses[:i], address) {
			instance.Addresses = append(instance.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: address})
		}
	}
	return instance
}

// Delete switches the machine off, and when it is off deletes it with its disks. A clone that is being made is given up; should
// it be there all the same, it is listed and deleted.
func (c *Cloud) Delete(ctx context.Context, cluster machine.Cluster, instance machine.Instance) error {
	return c.do(ctx, cluster.Account, func(s *session) error {
		if known := c.cloneOf(instance.MachineUID); known != nil && known.task != nil && known.failed == nil {
			err := object.NewTask(s.client, *known.task).Cancel(ctx)
			if is[vim.BaseMethodFault](err) && !is[*vim.NotAuthenticated](err) {
				return nil // it has ended, or will
			}
			return err
		}
		c.settled(instance.MachineUID)
		err := s.destroy(ctx, instance)
		// It is gone, or somebody is about it, or has switched it on or off meanwhile.
		if is[*vim.ManagedObjectNotFound](err) || is[*vim.TaskInProgress](err) || is[*vim.InvalidPowerState](err) {
			return nil
		}
		return err
	})
}

func (s *session) destroy(ctx context.Context, instance machine.Instance) error {
	found, err := object.NewSearchIndex(s.client).FindByUuid(ctx, nil, instance.ID, true, vim.NewBool(true))
	if err != nil || found == nil {
		return err
	}
	vm := object.NewVirtualMachine(s.client, found.Reference())
	if instance.Running {
		if _, err := vm.PowerOff(ctx); err != nil {
			return fmt.Errorf("switching off the virtual machine %s: %w", instance.ID, err)
		}
		return nil
	}
	if _, err := vm.Destroy(ctx); err != nil {
		return fmt.Errorf("deleting the virtual machine %s: %w", instance.ID, err)
	}
	return nil
}
