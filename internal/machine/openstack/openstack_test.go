// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/core"
	testcloud "canopy.dev/canopy/test/cloud/openstack"
	"canopy.dev/canopy/test/cloud/suite"
)

func block(flavor, image string) v1alpha1.Provider {
	return v1alpha1.Provider{OpenStack: &v1alpha1.OpenStackMachine{Flavor: flavor, System: v1alpha1.System{Image: image}}}
}

func newProject(t *testing.T) (suite.World, *testcloud.Cloud) {
	t.Helper()
	project := testcloud.New()
	server := httptest.NewServer(project)
	t.Cleanup(server.Close)
	credentials := func(secret string) map[string][]byte {
		return map[string][]byte{keyCredentialID: []byte(testcloud.CredentialID), keyCredentialSecret: []byte(secret)}
	}
	return suite.World{
		Cloud: New(), Test: project.Cloud,
		Account: machine.Account{
			Place:       v1alpha1.Place{OpenStack: &v1alpha1.OpenStackPlace{AuthURL: server.URL + "/identity/v3", Region: testcloud.Region}},
			Credentials: credentials(testcloud.CredentialSecret),
		},
		WrongKey: credentials("a-wrong-secret"), Secret: "a-wrong-secret",
		Provider: block("m1.medium", ""), Size: "m1.medium", Zone: "nova",
		NoSuchSize: block("m1.huge", ""), NoSuchImage: block("m1.medium", "ubuntu-4.10"),
		CreateOperation: "servers:create", ListOperation: "servers:read", DeleteOperation: "servers:delete",
		Needed: []string{
			"servers:read", "networks:read", "subnets:read", "routers:read", "ports:read", "floatingips:read", "security-groups:read", "images:read",
		},
		Named: v1alpha1.CloudNetwork{
			Network: testcloud.GivenNetwork, Subnets: []string{testcloud.GivenSubnet}, SecurityGroups: []string{testcloud.GivenGroup},
		},
		NotThere: v1alpha1.CloudNetwork{Network: "elsewhere"},
	}, project
}

func newWorld(t *testing.T) suite.World {
	t.Helper()
	w, _ := newProject(t)
	return w
}

func TestSuite(t *testing.T) { suite.Run(t, newWorld) }

func TestSuiteWithVolumes(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		t.Helper()
		w := newWorld(t)
		w.Account.Place.OpenStack.AvailabilityZone, w.Zone = "nova-2", "nova-2"
		w.Provider.OpenStack.DiskGiB = 40
		return w
	})
}

// connected returns the world's cluster with its network.
func connected(t *testing.T, w suite.World) machine.Cluster {
	t.Helper()
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
	network, err := w.Cloud.EnsureNetwork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
	return c
}

// list lists twice: what comes or goes has then come or gone.
func list(t *testing.T, w suite.World, c machine.Cluster) []machine.Instance {
	t.Helper()
	var instances []machine.Instance
	for range 2 {
		var err error
		if instances, err = w.Cloud.List(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return instances
}

func TestAFloatingIPIsOneMachines(t *testing.T) {
	w, _ := newProject(t)
	w.Account.Place.OpenStack.FloatingIPs = true
	c := connected(t, w)
	before := w.Test.Left()
	if _, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-a", Provider: w.Provider}); err != nil {
		t.Fatal(err)
	}
	running := list(t, w, c)[0]
	if !slices.ContainsFunc(running.Addresses, func(a clusterv1.MachineAddress) bool {
		return a.Type == clusterv1.MachineExternalIP && strings.HasPrefix(a.Address, "203.0.")
	}) {
		t.Errorf("its addresses are %v", running.Addresses)
	}
	if err := w.Cloud.Delete(t.Context(), c, running); err != nil {
		t.Fatal(err)
	}
	list(t, w, c)
	if diff := cmp.Diff(before, w.Test.Left()); diff != "" {
		t.Errorf("left of the machine (-want +got):\n%s", diff)
	}
	w.Test.SetQuota(1)
	for _, name := range []string{"b", "c"} {
		if _, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: name, UID: "u", Provider: w.Provider}); name == "c" {
			suite.WantReason(t, err, v1alpha1.ReasonQuotaExceeded)
		}
	}
	addresses := slices.DeleteFunc(w.Test.Left(), func(l string) bool { return !strings.HasPrefix(l, "floatingip") })
	if len(addresses) != 1 {
		t.Errorf("%v with one machine", addresses)
	}
}

func TestAFloatingIPIsMadeOnce(t *testing.T) {
	for _, operation := range []string{"ports:create", "floatingips:create", "servers:create"} {
		t.Run("the answer to "+operation+" gets lost", func(t *testing.T) {
			w, _ := newProject(t)
			w.Account.Place.OpenStack.FloatingIPs = true
			c := connected(t, w)
			m := machine.Machine{Name: "a", UID: "u-a", Provider: w.Provider}
			w.Test.Inject(core.Fault{Operation: operation, Kind: core.Lost})
			if _, err := w.Cloud.Create(t.Context(), c, m); err == nil {
				t.Fatal("the answer was not lost")
			}
			if len(list(t, w, c)) == 0 {
				if _, err := w.Cloud.Create(t.Context(), c, m); err != nil {
					t.Fatal(err)
				}
			}
			instances := list(t, w, c)
			addresses := slices.DeleteFunc(w.Test.Left(), func(l string) bool { return !strings.HasPrefix(l, "floatingip") })
			if len(instances) != 1 || len(addresses) != 1 {
				t.Errorf("%v and %v, want one of each", instances, addresses)
			}
		})
	}
}

func TestATokenThatEndsIsReplaced(t *testing.T) {
	w, project := newProject(t)
	c := connected(t, w)
	project.ExpireTokens()
	if _, err := w.Cloud.List(t.Context(), c); err != nil {
		t.Errorf("List() = %v with a token that has ended", err)
	}
	if n := w.Test.Calls()["tokens:create"]; n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
	project.ExpireTokens()
	w.Test.Inject(core.Fault{Operation: "tokens:create", Kind: core.Unauthenticated, Times: core.Always})
	_, err := w.Cloud.List(t.Context(), c)
	suite.WantReason(t, err, v1alpha1.ReasonUnauthenticated)
}

func TestAUserOpensTheProjectAsWell(t *testing.T) {
	w, project := newProject(t)
	w.Account.Credentials = map[string][]byte{
		keyUsername: []byte(testcloud.Username), keyPassword: []byte(testcloud.Password), keyDomain: []byte(testcloud.Domain), keyProject: []byte(testcloud.Project),
	}
	if err := w.Cloud.Verify(t.Context(), w.Account); err != nil {
		t.Errorf("Verify() = %v", err)
	}
	project.Do(func() { project.Roles = []string{"reader"} })
	suite.WantReason(t, New().Verify(t.Context(), w.Account), v1alpha1.ReasonUnauthorized)
	w.Account.Place.OpenStack.Region = "RegionTwo"
	suite.WantReason(t, w.Cloud.Verify(t.Context(), w.Account), v1alpha1.ReasonConfiguration)
}

func TestAServerThatCannotBeMadeHasFailed(t *testing.T) {
	w, project := newProject(t)
	c := connected(t, w)
	made, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-a", Provider: w.Provider})
	if err != nil {
		t.Fatal(err)
	}
	project.Fail(made.ID, "No valid host was found.")
	if got := list(t, w, c); len(got) != 1 || !got[0].Failed || !strings.Contains(got[0].Message, "No valid host") {
		t.Errorf("List() = %+v", got)
	}
}

func TestImages(t *testing.T) {
	w, _ := newProject(t)
	c := connected(t, w)
	for name, test := range map[string]struct {
		system v1alpha1.System
		images v1alpha1.Images
		reason string
	}{
		"Ubuntu is the default":              {},
		"Debian":                             {system: v1alpha1.System{OperatingSystem: v1alpha1.Debian}},
		"there is none of Flatcar":           {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, reason: v1alpha1.ReasonConfiguration},
		"the place's, by ID":                 {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, images: v1alpha1.Images{v1alpha1.Flatcar: testcloud.Ubuntu}},
		"the pool's goes before the place's": {system: v1alpha1.System{Image: "Debian 13"}, images: v1alpha1.Images{v1alpha1.Ubuntu: "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			place := *c.Place.OpenStack
			place.Images = test.images
			c := c
			c.Place.OpenStack = &place
			provider := v1alpha1.Provider{OpenStack: &v1alpha1.OpenStackMachine{Flavor: "m1.small", System: test.system}}
			_, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-a", Provider: provider})
			suite.WantReason(t, err, test.reason)
		})
	}
	w.Cloud = New()
	opened, err := w.Cloud.(*Cloud).account(t.Context(), w.Account)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := opened.imageOf(t.Context(), v1alpha1.System{OperatingSystem: v1alpha1.Ubuntu}); err != nil || id != testcloud.Ubuntu {
		t.Errorf("imageOf() = %s, %v, want the newest", id, err)
	}
}
