// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	vim "github.com/vmware/govmomi/vim25/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/suite"
)

func unpack(t *testing.T, packed string) string {
	t.Helper()
	content, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestAMachineIsAClone(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	m.Provider.VSphere.ResourcePool = "DC0_C0_RP1"
	instances := w.create(t, c, cluster, m)
	if len(instances) != 1 {
		t.Fatalf("List() = %v, want one", instances)
	}
	got := instances[0]
	if got.ID != string(m.UID) || got.MachineUID != m.UID || got.ProviderID != "vsphere://"+string(m.UID) || !got.Running || got.Failed || got.Created.IsZero() {
		t.Errorf("List() = %+v", got)
	}

	found := w.find(t, got.ID)
	var vm mo.VirtualMachine
	if err := found.Properties(t.Context(), found.Reference(), nil, &vm); err != nil {
		t.Fatal(err)
	}
	if vm.Name != m.Name || vm.Config.Hardware.NumCPU != 4 || vm.Config.Hardware.MemoryMB != 8192 {
		t.Errorf("the machine %s has %d processors and %d MiB", vm.Name, vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB)
	}
	devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
	if disks := devices.SelectByType((*vim.VirtualDisk)(nil)); len(disks) != 1 || disks[0].(*vim.VirtualDisk).CapacityInKB != 50<<20 {
		t.Errorf("disks: %v", disks)
	}
	cards := devices.SelectByType((*vim.VirtualEthernetCard)(nil))
	if len(cards) != 1 {
		t.Fatalf("network cards: %v", cards)
	}
	if _, distributed := cards[0].GetVirtualDevice().Backing.(*vim.VirtualEthernetCardDistributedVirtualPortBackingInfo); !distributed {
		t.Errorf("the network card is at %#v, want the port group %s", cards[0].GetVirtualDevice().Backing, portGroup)
	}
	var pool mo.ResourcePool
	if err := found.Properties(t.Context(), *vm.ResourcePool, []string{"name"}, &pool); err != nil || pool.Name != "DC0_C0_RP1" {
		t.Errorf("resource pool %s, %v", pool.Name, err)
	}

	written := w.extraConfigOf(t, got.ID)
	if unpack(t, written["guestinfo.userdata"]) != string(m.UserData) || written["guestinfo.userdata.encoding"] != "gzip+base64" {
		t.Errorf("user data %q, %q", written["guestinfo.userdata"], written["guestinfo.userdata.encoding"])
	}
	want := "instance-id: " + string(m.UID) + "\nlocal-hostname: workers-a\n"
	if diff := cmp.Diff(want, unpack(t, written["guestinfo.metadata"])); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if written[keyCluster] != string(cluster.UID) || written["disk.EnableUUID"] != "TRUE" {
		t.Errorf("written on it: %v", written)
	}
	w.empty(t, c, cluster)
}

func TestAPoolMayBeMadeOfFewCalls(t *testing.T) {
	w, c := newWorld(t), New()
	cluster := w.cluster()
	first := newMachine("workers-a", 1)
	w.create(t, c, cluster, first)
	w.total()
	if _, err := c.Create(t.Context(), cluster, newMachine("workers-b", 2)); err != nil {
		t.Fatal(err)
	}
	create, _ := w.total()
	instances := w.settled(t, c, cluster)
	w.total()
	if _, err := c.List(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	list, _ := w.total()
	for range 2 {
		for _, instance := range instances {
			if err := c.Delete(t.Context(), cluster, instance); err != nil {
				t.Fatal(err)
			}
		}
		instances = w.settled(t, c, cluster)
	}
	_, calls := w.total()
	if create != 1 || list != 1 || calls["FindByUuid"]+calls["PowerOffVM_Task"]+calls["Destroy_Task"] > 8 {
		t.Errorf("%d calls to create, %d to list, to delete two %v", create, list, calls)
	}
	w.empty(t, c, cluster)
}

func TestNoMachineIsMadeTwice(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	w.create(t, c, cluster, m)
	for name, again := range map[string]*Cloud{"by the same process": c, "after a restart": New()} {
		t.Run(name, func(t *testing.T) {
			for range tries { // until vCenter has said that the name is taken
				instance, err := again.Create(t.Context(), cluster, m)
				if err != nil {
					t.Fatal(err)
				}
				if instance.Reason != "Cloning" {
					break
				}
				if _, err := again.List(t.Context(), cluster); err != nil {
					t.Fatal(err)
				}
			}
			if instances := w.settled(t, again, cluster); len(instances) != 1 {
				t.Errorf("List() = %v, want one", instances)
			}
		})
	}
	w.empty(t, c, cluster)
}

func TestAForeignMachineStaysWhatItIs(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	w.create(t, c, cluster, newMachine("workers-b", 2))
	foreign := w.clone(t, cluster, m.Name)
	if instances := w.settled(t, c, cluster); len(instances) != 1 {
		t.Errorf("List() = %v, want one", instances)
	}
	var err error
	for range tries {
		if _, err = c.Create(t.Context(), cluster, m); err != nil {
			break
		}
		if _, err := c.List(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
	for instances := w.settled(t, c, cluster); len(instances) > 0; instances = w.settled(t, c, cluster) {
		if err := c.Delete(t.Context(), cluster, instances[0]); err != nil {
			t.Fatal(err)
		}
	}
	left, err := c.DeleteNetwork(t.Context(), cluster)
	if err != nil || len(left) != 1 || left[0] != "VirtualMachine workers-a in its folder" {
		t.Errorf("DeleteNetwork() = %q, %v", left, err)
	}
	task, err := foreign.Destroy(t.Context())
	if err == nil {
		err = task.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	w.empty(t, c, cluster)
}

func TestWhatHappensBehindOurBack(t *testing.T) {
	w, c := newWorld(t), New()
	cluster := w.cluster()
	instances := w.create(t, c, cluster, newMachine("workers-a", 1), newMachine("workers-b", 2))
	vm := w.find(t, instances[0].ID)
	w.powerOff(t, vm)
	if got := w.settled(t, c, cluster); len(got) != 2 || got[0].Running || got[0].Reason != "PoweredOff" || !got[1].Running {
		t.Errorf("List() = %+v, want one that is switched off and one that runs", got)
	}
	task, err := vm.Destroy(t.Context())
	if err == nil {
		err = task.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := w.settled(t, c, cluster); len(got) != 1 || got[0].ID != instances[1].ID {
		t.Errorf("List() = %+v, want %s", got, instances[1].ID)
	}
	if err := c.Delete(t.Context(), cluster, instances[0]); err != nil {
		t.Errorf("Delete() of what is gone: %v", err)
	}
	w.endSessions(t)
	if got, err := c.List(t.Context(), cluster); err != nil || len(got) != 1 {
		t.Errorf("List() = %v, %v after the session has ended", got, err)
	}
	w.empty(t, c, cluster)
}

func TestACloneThatTakesLong(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	if _, err := c.EnsureNetwork(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	release := w.holdClones()
	made, err := c.Create(t.Context(), cluster, m)
	if err != nil || made.MachineUID != m.UID || made.Running || made.Reason != "Cloning" {
		t.Fatalf("Create() = %+v, %v", made, err)
	}
	listed, err := c.List(t.Context(), cluster)
	if err != nil || len(listed) != 1 || listed[0].ID != made.ID || listed[0].Reason != "Cloning" {
		t.Errorf("List() = %+v, %v meanwhile", listed, err)
	}
	close(release)
	if got := w.settled(t, c, cluster); len(got) != 1 || got[0].ID != made.ID || !got[0].Running {
		t.Errorf("List() = %+v, want %s", got, made.ID)
	}
	w.empty(t, c, cluster)
}

func TestWhatACloneIsRefused(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	if _, err := c.EnsureNetwork(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	w.failClones(&vim.InsufficientMemoryResourcesFault{})
	if _, err := c.Create(t.Context(), cluster, m); err != nil {
		t.Fatal(err)
	}
	if got := w.settled(t, c, cluster); len(got) != 0 {
		t.Errorf("List() = %+v, want none", got)
	}
	_, err := c.Create(t.Context(), cluster, m)
	suite.WantReason(t, err, v1alpha1.ReasonResourcesDepleted)
	w.failClones(nil)
	if got := w.create(t, c, cluster, m); len(got) != 1 || !got[0].Running {
		t.Errorf("List() = %+v, want it to run", got)
	}
	w.empty(t, c, cluster)
}

func TestAnInstanceAsVCenterSeesIt(t *testing.T) {
	content := func(properties map[string]any) vim.ObjectContent {
		object := vim.ObjectContent{Obj: vim.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}}
		for name, value := range properties {
			object.PropSet = append(object.PropSet, vim.DynamicProperty{Name: name, Val: value})
		}
		return object
	}
	vm := instanceOf(virtualMachineOf(content(map[string]any{
		"name": "workers-a", "config.instanceUuid": "i", "config.uuid": "u", "runtime.powerState": vim.VirtualMachinePowerStatePoweredOn,
		extra(keyMachine): vim.OptionValue{Key: keyMachine, Value: "m"}, extra(keyAddress): vim.OptionValue{Key: keyAddress, Value: "192.0.2.10"},
		"guest.net": vim.ArrayOfGuestNicInfo{GuestNicInfo: []vim.GuestNicInfo{
			{DeviceConfigId: 4000, IpAddress: []string{"192.0.2.10", "2001:db8::10", "fe80::1"}},
			{DeviceConfigId: -1, IpAddress: []string{"10.244.0.1"}},
		}},
	})))
	want := machine.Instance{ID: "i", MachineUID: "m", ProviderID: "vsphere://u", Running: true, Addresses: []clusterv1.MachineAddress{
		{Type: clusterv1.MachineHostName, Address: "workers-a"},
		{Type: clusterv1.MachineInternalIP, Address: "192.0.2.10"},
		{Type: clusterv1.MachineInternalIP, Address: "2001:db8::10"},
	}}
	if diff := cmp.Diff(want, vm); diff != "" {
		t.Errorf("instanceOf() (-want +got):\n%s", diff)
	}
	orphaned := instanceOf(virtualMachineOf(content(map[string]any{
		"runtime.powerState": vim.VirtualMachinePowerStatePoweredOn, "runtime.connectionState": vim.VirtualMachineConnectionStateOrphaned,
	})))
	if !orphaned.Failed || orphaned.Running || orphaned.Message == "" {
		t.Errorf("instanceOf() = %+v, want it to have failed", orphaned)
	}
}
