// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"crypto/tls"
	"maps"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	_ "github.com/vmware/govmomi/pbm/simulator" // its storage policies
	sessions "github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

const (
	user     = "canopy@vsphere.local"
	password = "correct horse"
	// templateName is a template of the simulator, with a disk and a network card; portGroup is one that it is not in.
	templateName = "DC0_C0_RP1_VM0"
	portGroup    = "DC0_DVPG0"
)

// world is a vCenter of govmomi's simulator, with what it was asked.
type world struct {
	account machine.Account
	model   *simulator.Model

	mu    sync.Mutex
	calls map[string]int
	// faults answer the next call of a method.
	faults map[string]vim.BaseMethodFault
	// instead take the place of the object that a method is called of.
	instead map[string]func(mo.Reference) mo.Reference
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		model: simulator.VPX(), calls: map[string]int{}, faults: map[string]vim.BaseMethodFault{},
		instead: map[string]func(mo.Reference) mo.Reference{
			"UnregisterAndDestroy_Task": func(this mo.Reference) mo.Reference { return &folder{this.(*simulator.Folder)} },
		},
	}
	w.model.Pool = 1
	if err := w.model.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.model.Remove)
	w.model.Service.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	w.model.Service.RegisterEndpoints = true
	w.model.Service.Listen = &url.URL{User: url.UserPassword(user, password)}
	server := w.model.Service.NewServer()
	t.Cleanup(server.Close)
	endpoint := *server.URL
	endpoint.User = nil
	w.account = machine.Account{
		Place: v1alpha1.Place{VSphere: &v1alpha1.VSpherePlace{
			Endpoint: endpoint.String(), InsecureSkipTLSVerify: true, Datacenter: "DC0", Cluster: "DC0_C0", Datastore: "LocalDS_0",
			Templates: v1alpha1.Images{v1alpha1.Ubuntu: templateName},
		}},
		Credentials: map[string][]byte{keyUsername: []byte(user), keyPassword: []byte(password)},
	}
	client := w.client(t)
	vm, err := find.NewFinder(client).VirtualMachine(t.Context(), "/DC0/vm/"+templateName)
	if err != nil {
		t.Fatal(err)
	}
	w.powerOff(t, vm)
	if err := vm.MarkAsTemplate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.model.Map().Handler = w.handle
	return w
}

// handle counts what the vCenter is asked, and answers with what the test wants.
func (w *world) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, vim.BaseMethodFault) {
	w.mu.Lock()
	w.calls[method.Name]++
	fault, instead := w.faults[method.Name], w.instead[method.Name]
	delete(w.faults, method.Name)
	w.mu.Unlock()
	if fault != nil {
		return nil, fault
	}
	if this := ctx.Map.Get(method.This); instead != nil && this != nil {
		ctx.Session.Registry.Put(instead(this)) // which goes before the simulator's own
	}
	return nil, nil
}

// folder does what the simulator's folders do not.
type folder struct{ *simulator.Folder }

// UnregisterAndDestroyTask destroys the folder, which is empty.
func (f *folder) UnregisterAndDestroyTask(ctx *simulator.Context, req *vim.UnregisterAndDestroy_Task) soap.HasFault {
	ctx.Session.Remove(ctx, f.Self)
	body := f.DestroyTask(ctx, &vim.Destroy_Task{This: req.This}).(*methods.Destroy_TaskBody)
	return &methods.UnregisterAndDestroy_TaskBody{Res: &vim.UnregisterAndDestroy_TaskResponse{Returnval: body.Res.Returnval}}
}

// fail answers the next call of a method with a fault.
func (w *world) fail(method string, fault vim.BaseMethodFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[method] = fault
}

// total returns how many calls there were since it was asked last, but for those that open a session.
func (w *world) total() (int, map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, n := w.calls, 0
	w.calls = map[string]int{}
	for _, count := range calls {
		n += count
	}
	return n, calls
}

// client returns a session of an administrator.
func (w *world) client(t *testing.T) *vim25.Client {
	t.Helper()
	endpoint, err := soap.ParseURL(w.account.Place.VSphere.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := vim25.NewClient(t.Context(), soap.NewClient(endpoint, true))
	if err != nil {
		t.Fatal(err)
	}
	if err := sessions.NewManager(client).Login(t.Context(), url.UserPassword(user, password)); err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *world) powerOff(t *testing.T, vm *object.VirtualMachine) {
	t.Helper()
	task, err := vm.PowerOff(t.Context())
	if err == nil {
		err = task.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// find returns a machine by its instance UUID.
func (w *world) find(t *testing.T, id string) *object.VirtualMachine {
	t.Helper()
	client := w.client(t)
	found, err := object.NewSearchIndex(client).FindByUuid(t.Context(), nil, id, true, vim.NewBool(true))
	if err != nil || found == nil {
		t.Fatalf("there is no virtual machine %s: %v", id, err)
	}
	return object.NewVirtualMachine(client, found.Reference())
}

// endSessions ends all sessions but the one that does it.
func (w *world) endSessions(t *testing.T) {
	t.Helper()
	client := w.client(t)
	manager := sessions.NewManager(client)
	var content mo.SessionManager
	if err := mo.RetrieveProperties(t.Context(), client, client.ServiceContent.PropertyCollector, manager.Reference(), &content); err != nil {
		t.Fatal(err)
	}
	own, err := manager.UserSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range content.SessionList {
		if s.Key != own.Key {
			if err := manager.TerminateSession(t.Context(), []string{s.Key}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// left returns the virtual machines and folders that the simulator did not begin with.
func (w *world) left() []string {
	var left []string
	for _, entity := range w.model.Map().All("VirtualMachine") {
		if vm := entity.(*simulator.VirtualMachine); vm.Config.ExtraConfig != nil && slices.ContainsFunc(vm.Config.ExtraConfig, isTag) {
			left = append(left, vm.Name)
		}
	}
	for _, entity := range w.model.Map().All("Folder") {
		if name := entity.Entity().Name; len(name) > 6 && name[:7] == "canopy-" {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	return left
}

func isTag(option vim.BaseOptionValue) bool { return option.GetOptionValue().Key == keyMachine }

func (w *world) cluster() machine.Cluster {
	return machine.Cluster{
		Account: w.account, Name: "demo", UID: "6f3ddc4e-5f4e-4a0b-8c57-3d5f8f8f2a10",
		Named: v1alpha1.CloudNetwork{Network: portGroup}, Network: v1alpha1.CloudNetwork{Network: portGroup},
	}
}

// tries is how often a test looks again. The simulator does what it is asked for within milliseconds.
const tries = 2000

// newMachine returns one whose UID ends in n.
func newMachine(name string, n byte) machine.Machine {
	return machine.Machine{
		Name: name, UID: types.UID("0b9c2d6e-1d6e-4d0e-9a53-0000000000" + string([]byte{'0' + n/10, '0' + n%10})), Pool: "workers",
		Provider: v1alpha1.Provider{VSphere: &v1alpha1.VSphereMachine{
			System: v1alpha1.System{OperatingSystem: v1alpha1.Ubuntu}, CPUs: 4, MemoryMiB: 8192, DiskGiB: 50,
		}},
		UserData: []byte("#cloud-config\nhostname: " + name + "\n"),
	}
}

// extraConfigOf returns what is written on a machine.
func (w *world) extraConfigOf(t *testing.T, id string) map[string]string {
	t.Helper()
	var vm mo.VirtualMachine
	found := w.find(t, id)
	if err := found.Properties(t.Context(), found.Reference(), []string{"config.extraConfig"}, &vm); err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, option := range vm.Config.ExtraConfig {
		written[option.GetOptionValue().Key], _ = option.GetOptionValue().Value.(string)
	}
	return written
}

// settled lists until nothing is on its way any more.
func (w *world) settled(t *testing.T, c *Cloud, cluster machine.Cluster) []machine.Instance {
	t.Helper()
	for range tries {
		instances, err := c.List(t.Context(), cluster)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(instances, func(i machine.Instance) bool { return i.Reason == "Cloning" }) {
			return instances
		}
	}
	t.Fatal("a clone never ends")
	return nil
}

// create makes machines and the folder for them, and returns them when they run, by their names' order.
func (w *world) create(t *testing.T, c *Cloud, cluster machine.Cluster, machines ...machine.Machine) []machine.Instance {
	t.Helper()
	if _, err := c.EnsureNetwork(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if _, err := c.Create(t.Context(), cluster, m); err != nil {
			t.Fatal(err)
		}
	}
	instances := map[types.UID]machine.Instance{}
	for _, instance := range w.settled(t, c, cluster) {
		instances[instance.MachineUID] = instance
	}
	var made []machine.Instance
	for _, uid := range slices.Sorted(maps.Keys(instances)) {
		made = append(made, instances[uid])
	}
	return made
}

// empty deletes until nothing is left.
func (w *world) empty(t *testing.T, c *Cloud, cluster machine.Cluster) {
	t.Helper()
	for range tries {
		instances := w.settled(t, c, cluster)
		for _, instance := range instances {
			if err := c.Delete(t.Context(), cluster, instance); err != nil {
				t.Fatal(err)
			}
		}
		if len(instances) > 0 {
			continue
		}
		left, err := c.DeleteNetwork(t.Context(), cluster)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
	}
	if left := w.left(); len(left) > 0 {
		t.Errorf("left at vCenter: %v", left)
	}
}

// clone makes a virtual machine of that name in the cluster's folder that nobody has written anything on.
func (w *world) clone(t *testing.T, cluster machine.Cluster, name string) *object.VirtualMachine {
	t.Helper()
	finder := find.NewFinder(w.client(t))
	from, err := finder.VirtualMachine(t.Context(), "/DC0/vm/"+templateName)
	if err != nil {
		t.Fatal(err)
	}
	into, err := finder.Folder(t.Context(), "/DC0/vm/"+folderName(cluster))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := finder.ResourcePool(t.Context(), "/DC0/host/DC0_C0/Resources")
	if err != nil {
		t.Fatal(err)
	}
	task, err := from.Clone(t.Context(), into, name, vim.VirtualMachineCloneSpec{Location: vim.VirtualMachineRelocateSpec{Pool: vim.NewReference(pool.Reference())}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := task.WaitForResult(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return object.NewVirtualMachine(w.client(t), info.Result.(vim.ManagedObjectReference))
}

// heldTemplate is one whose clones wait, or fail.
type heldTemplate struct {
	*simulator.VirtualMachine

	release <-chan struct{}
	fault   vim.BaseMethodFault
}

// CloneVMTask waits before it clones.
func (h *heldTemplate) CloneVMTask(ctx *simulator.Context, req *vim.CloneVM_Task) soap.HasFault {
	task := simulator.CreateTask(h.VirtualMachine, "cloneVm", func(*simulator.Task) (vim.AnyType, vim.BaseMethodFault) {
		if h.fault != nil {
			return nil, h.fault
		}
		if h.release != nil {
			<-h.release
		}
		body := h.VirtualMachine.CloneVMTask(ctx, req).(*methods.CloneVM_TaskBody)
		inner := ctx.Map.Get(body.Res.Returnval).(*simulator.Task)
		inner.Wait()
		if inner.Info.Error != nil {
			return nil, inner.Info.Error.Fault
		}
		return inner.Info.Result, nil
	})
	return &methods.CloneVM_TaskBody{Res: &vim.CloneVM_TaskResponse{Returnval: task.Run(ctx)}}
}

// holdClones makes clones wait until the channel is closed.
func (w *world) holdClones() chan struct{} {
	release := make(chan struct{})
	w.replace("CloneVM_Task", func(this mo.Reference) mo.Reference {
		return &heldTemplate{VirtualMachine: this.(*simulator.VirtualMachine), release: release}
	})
	return release
}

// failClones makes clones fail after they have begun; nil: no more.
func (w *world) failClones(fault vim.BaseMethodFault) {
	w.replace("CloneVM_Task", func(this mo.Reference) mo.Reference {
		return &heldTemplate{VirtualMachine: this.(*simulator.VirtualMachine), fault: fault}
	})
}

func (w *world) replace(method string, with func(mo.Reference) mo.Reference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead[method] = with
}
