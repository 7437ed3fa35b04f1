// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/digitalocean"
	"canopy.dev/canopy/test/cloud/core"
	testcloud "canopy.dev/canopy/test/cloud/digitalocean"
	"canopy.dev/canopy/test/cloud/suite"
)

func TestSuite(t *testing.T) { suite.Run(t, newWorld) }

func block(size, image string) v1alpha1.Provider {
	return v1alpha1.Provider{DigitalOcean: &v1alpha1.DigitalOceanMachine{Size: size, System: v1alpha1.System{Image: image}}}
}

func newWorld(t *testing.T) suite.World {
	t.Helper()
	account := testcloud.New()
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	return suite.World{
		Cloud: digitalocean.New(), Test: account.Cloud,
		Account: machine.Account{
			Place:       v1alpha1.Place{DigitalOcean: &v1alpha1.DigitalOceanPlace{Region: "nyc1", Endpoint: server.URL}},
			Credentials: map[string][]byte{digitalocean.TokenKey: []byte(testcloud.Token + "\n")},
		},
		WrongKey: map[string][]byte{digitalocean.TokenKey: []byte("dop_v1_wrong")}, Secret: "dop_v1_wrong",
		Provider: block("s-2vcpu-4gb", ""), Size: "s-2vcpu-4gb", Zone: "nyc1",
		NoSuchSize: block("s-3vcpu", ""), NoSuchImage: block("s-2vcpu-4gb", "ubuntu-4-10-x64"),
		CreateOperation: "droplet:create", ListOperation: "droplet:read", DeleteOperation: "droplet:delete",
		Needed: []string{
			"droplet:read", "droplet:create", "droplet:delete", "vpc:read", "vpc:create", "vpc:delete",
			"firewall:read", "firewall:create", "firewall:delete", "tag:read", "tag:create", "tag:delete",
		},
		Named:    v1alpha1.CloudNetwork{Network: testcloud.GivenVPC, SecurityGroups: []string{testcloud.GivenTag}},
		NotThere: v1alpha1.CloudNetwork{Network: "elsewhere"},
	}
}

// connected returns a world with a cluster that has its network.
func connected(t *testing.T) (suite.World, machine.Cluster) {
	t.Helper()
	w := newWorld(t)
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
	network, err := w.Cloud.EnsureNetwork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
	return w, c
}

func TestTagsOfMachinesThatAreGoneAreTidiedAway(t *testing.T) {
	w, c := connected(t)
	var instances []machine.Instance
	for _, uid := range []string{"a", "b"} {
		instance, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: uid, UID: "u-1", Provider: w.Provider})
		if err != nil {
			t.Fatal(err)
		}
		instances = append(instances, instance)
	}
	tags := func() int {
		return len(slices.DeleteFunc(w.Test.Left(), func(l string) bool { return !strings.HasPrefix(l, "tag canopy-machine:") }))
	}
	for i, instance := range instances {
		if n := tags(); n != 1 {
			t.Errorf("%d tags of machines with %d Droplets", n, 2-i)
		}
		if err := w.Cloud.Delete(t.Context(), c, instance); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cloud.EnsureNetwork(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := tags(); n != 0 {
		t.Errorf("%d tags of machines without Droplets", n)
	}
}

func TestImages(t *testing.T) {
	w, c := connected(t)
	for name, test := range map[string]struct {
		system v1alpha1.System
		images v1alpha1.Images
		reason string
	}{
		"Ubuntu is the default":              {},
		"Debian":                             {system: v1alpha1.System{OperatingSystem: v1alpha1.Debian}},
		"there is none of Flatcar":           {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, reason: v1alpha1.ReasonConfiguration},
		"the place's, by number":             {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, images: v1alpha1.Images{v1alpha1.Flatcar: "155133621"}},
		"the pool's goes before the place's": {system: v1alpha1.System{Image: "debian-13-x64"}, images: v1alpha1.Images{v1alpha1.Ubuntu: "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			place := *c.Place.DigitalOcean
			place.Images = test.images
			c := c
			c.Place.DigitalOcean = &place
			provider := v1alpha1.Provider{DigitalOcean: &v1alpha1.DigitalOceanMachine{Size: "c-2", System: test.system}}
			_, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-a", Provider: provider})
			suite.WantReason(t, err, test.reason)
		})
	}
}

func TestHowLongToWaitIsWhatDigitalOceanSays(t *testing.T) {
	w, c := connected(t)
	w.Test.Inject(core.Fault{Kind: core.RateLimited})
	_, err := w.Cloud.List(t.Context(), c)
	if refused := suite.WantReason(t, err, v1alpha1.ReasonRateLimited); refused != nil && refused.After.Seconds() != 60 {
		t.Errorf("asked again after %v", refused.After)
	}
}
