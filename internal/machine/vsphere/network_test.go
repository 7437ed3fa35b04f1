// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"errors"
	"testing"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/suite"
)

func TestWhatIsNamedHasToBeThere(t *testing.T) {
	w, c := newWorld(t), New()
	for name, change := range map[string]func(*v1alpha1.VSpherePlace, *machine.Cluster){
		"the datacenter":      func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) { p.Datacenter = "DC9" },
		"the compute cluster": func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) { p.Cluster = "DC0_C9" },
		"the datastore":       func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) { p.Datastore = "LocalDS_9" },
		"the storage policy":  func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) { p.StoragePolicy = "gold" },
		"the folder":          func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) { p.Folder = "canopy/prod" },
		"the template": func(p *v1alpha1.VSpherePlace, _ *machine.Cluster) {
			p.Templates = v1alpha1.Images{v1alpha1.Debian: "debian-13"}
		},
		"the port group": func(_ *v1alpha1.VSpherePlace, c *machine.Cluster) { c.Named.Network = "VM Network 9" },
		"a security group, of which there are none": func(_ *v1alpha1.VSpherePlace, c *machine.Cluster) {
			c.Named.SecurityGroups = []string{"office"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, place := w.cluster(), *w.account.Place.VSphere
			cluster.Place.VSphere = &place
			change(&place, &cluster)
			_, err := c.EnsureNetwork(t.Context(), cluster)
			suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
		})
	}
	if left := w.left(); len(left) > 0 {
		t.Errorf("made all the same: %v", left)
	}
}

func TestTheFolderIsMadeOnceAndGoes(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster()
	for _, c := range []*Cloud{New(), New()} {
		for range 2 {
			if network, err := c.EnsureNetwork(t.Context(), cluster); err != nil || network.Network != portGroup {
				t.Errorf("EnsureNetwork() = %v, %v", network, err)
			}
		}
	}
	if left := w.left(); len(left) != 1 {
		t.Errorf("there are %v, want one folder", left)
	}
	c := New()
	if instances, err := c.List(t.Context(), cluster); err != nil || len(instances) > 0 {
		t.Errorf("List() = %v, %v", instances, err)
	}
	other := cluster
	other.UID = "ffffffff-5f4e-4a0b-8c57-3d5f8f8f2a10"
	if left, err := c.DeleteNetwork(t.Context(), other); err != nil || len(left) > 0 {
		t.Errorf("DeleteNetwork() of a cluster without one = %v, %v", left, err)
	}
	w.empty(t, c, cluster)
}

func TestASessionThatEndsIsOpenedAgain(t *testing.T) {
	w, c := newWorld(t), New()
	cluster, m := w.cluster(), newMachine("workers-a", 1)
	for name, call := range map[string]func() error{
		"EnsureNetwork": func() error { _, err := c.EnsureNetwork(t.Context(), cluster); return err },
		"List":          func() error { _, err := c.List(t.Context(), cluster); return err },
		"Offers":        func() error { _, err := c.Offers(t.Context(), w.account); return err },
		"Verify":        func() error { return c.Verify(t.Context(), w.account) },
		"Create":        func() error { _, err := c.Create(t.Context(), cluster, m); return err },
	} {
		w.endSessions(t)
		if err := call(); err != nil {
			t.Errorf("%s = %v after the session has ended", name, err)
		}
	}
	w.settled(t, c, cluster)
	w.empty(t, c, cluster)
}

func TestAWrongPasswordIsTold(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster()
	for name, credentials := range map[string]map[string][]byte{
		"wrong": {keyUsername: []byte(user), keyPassword: []byte("wrong horse")},
		"none":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := New()
			cluster.Credentials = credentials
			_, network := c.EnsureNetwork(t.Context(), cluster)
			_, create := c.Create(t.Context(), cluster, newMachine("workers-a", 1))
			_, list := c.List(t.Context(), cluster)
			_, left := c.DeleteNetwork(t.Context(), cluster)
			_, offers := c.Offers(t.Context(), cluster.Account)
			for _, err := range []error{network, create, list, left, offers, c.Verify(t.Context(), cluster.Account), c.Delete(t.Context(), cluster, machine.Instance{ID: "a"})} {
				suite.WantReason(t, err, v1alpha1.ReasonUnauthenticated)
			}
		})
	}
}

func TestACertificateHasToBeTrusted(t *testing.T) {
	w := newWorld(t)
	w.account.Place.VSphere.InsecureSkipTLSVerify = false
	_, err := New().Offers(t.Context(), w.account)
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
	w.account.Credentials[keyAuthority] = []byte("no certificate")
	_, err = New().Offers(t.Context(), w.account)
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
}

func TestFaults(t *testing.T) {
	w, c := newWorld(t), New()
	cluster := w.cluster()
	if _, err := c.EnsureNetwork(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		fault  vim.BaseMethodFault
		reason string
	}{
		"no permission":       {&vim.NoPermission{PrivilegeId: "VirtualMachine.Inventory.CreateFromExisting"}, v1alpha1.ReasonUnauthorized},
		"too little memory":   {&vim.InsufficientMemoryResourcesFault{}, v1alpha1.ReasonResourcesDepleted},
		"too little space":    {&vim.NoDiskSpace{}, v1alpha1.ReasonResourcesDepleted},
		"no host can have it": {&vim.NoCompatibleHost{}, v1alpha1.ReasonResourcesDepleted},
		"no license":          {&vim.NotEnoughLicenses{}, v1alpha1.ReasonQuotaExceeded},
		"a wrong size":        {&vim.InvalidArgument{InvalidProperty: "configSpec.numCPUs"}, v1alpha1.ReasonConfiguration},
		"a wrong datastore":   {&vim.InvalidDatastore{}, v1alpha1.ReasonConfiguration},
		"something in use":    {&vim.ResourceInUse{}, v1alpha1.ReasonDependencies},
	} {
		t.Run(name, func(t *testing.T) {
			w.fail("CloneVM_Task", test.fault)
			_, err := c.Create(t.Context(), cluster, newMachine("workers-a", 1))
			suite.WantReason(t, err, test.reason)
		})
	}
	w.fail("CloneVM_Task", &vim.SystemError{})
	_, err := c.Create(t.Context(), cluster, newMachine("workers-a", 1))
	if refused, ok := errors.AsType[*machine.RefusedError](err); ok || err == nil {
		t.Errorf("Create() = %v (%v), want an error that nobody has to act on", err, refused)
	}
	noImage := newMachine("workers-a", 1)
	noImage.Provider.VSphere.OperatingSystem = v1alpha1.Flatcar
	_, err = c.Create(t.Context(), cluster, noImage)
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
	noPool := newMachine("workers-a", 1)
	noPool.Provider.VSphere.ResourcePool = "gold"
	_, err = c.Create(t.Context(), cluster, noPool)
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
	w.empty(t, c, cluster)
}

// privileges are what the user has, whatever it is asked about.
type privileges struct {
	*simulator.AuthorizationManager

	granted []string
}

// FetchUserPrivilegeOnEntities returns them.
func (p *privileges) FetchUserPrivilegeOnEntities(req *vim.FetchUserPrivilegeOnEntities) soap.HasFault {
	body := &methods.FetchUserPrivilegeOnEntitiesBody{Res: &vim.FetchUserPrivilegeOnEntitiesResponse{}}
	for _, entity := range req.Entities {
		body.Res.Returnval = append(body.Res.Returnval, vim.UserPrivilegeResult{Entity: entity, Privileges: p.granted})
	}
	return body
}

func TestVerifyAsksForEveryPrivilege(t *testing.T) {
	w, c := newWorld(t), New()
	if err := c.Verify(t.Context(), w.account); err != nil {
		t.Errorf("Verify() = %v of an administrator", err)
	}
	all := append(append(append(append([]string{}, folderPrivileges...), poolPrivileges...), datastorePrivileges...), templatePrivileges...)
	for i, lacks := range append(all, "") {
		granted := append(append([]string{}, all[:i]...), all[min(i+1, len(all)):]...)
		w.replace("FetchUserPrivilegeOnEntities", func(this mo.Reference) mo.Reference {
			return &privileges{this.(*simulator.AuthorizationManager), granted}
		})
		err := c.Verify(t.Context(), w.account)
		if lacks == "" {
			suite.WantReason(t, err, "")
		} else if refused := suite.WantReason(t, err, v1alpha1.ReasonUnauthorized); refused == nil {
			t.Errorf("Verify() = %v without %s", err, lacks)
		}
	}
}

func TestOffers(t *testing.T) {
	w := newWorld(t)
	offers, err := New().Offers(t.Context(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string]struct {
		got  []machine.Offer
		want string
	}{
		"places": {offers.Places, "DC0"}, "zones": {offers.Zones, "DC0_C0"}, "images": {offers.Images, templateName},
	} {
		if len(list.got) != 1 || list.got[0].Name != list.want {
			t.Errorf("%s: %v, want %s", what, list.got, list.want)
		}
	}
	if len(offers.Networks) != 2 || offers.Networks[0].Name != portGroup || offers.Networks[1].Name != "VM Network" {
		t.Errorf("networks: %v", offers.Networks)
	}
}

func TestAStoragePolicyIsThatOfTheDisks(t *testing.T) {
	w, c := newWorld(t), New()
	w.account.Place.VSphere.StoragePolicy = "vSAN Default Storage Policy"
	cluster := w.cluster()
	var policy string
	w.replace("CloneVM_Task", func(this mo.Reference) mo.Reference {
		return &profiled{this.(*simulator.VirtualMachine), &policy}
	})
	w.create(t, c, cluster, newMachine("workers-a", 1))
	if policy == "" {
		t.Error("the clone has no storage policy")
	}
	w.empty(t, c, cluster)
}

// profiled notes the storage policy of a clone.
type profiled struct {
	*simulator.VirtualMachine

	policy *string
}

// CloneVMTask notes it and clones.
func (p *profiled) CloneVMTask(ctx *simulator.Context, req *vim.CloneVM_Task) soap.HasFault {
	for _, profile := range req.Spec.Location.Profile {
		*p.policy = profile.(*vim.VirtualMachineDefinedProfileSpec).ProfileId
	}
	return p.VirtualMachine.CloneVMTask(ctx, req)
}
