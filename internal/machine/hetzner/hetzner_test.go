// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner_test

import (
	"net/http/httptest"
	"strconv"
	"testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/hetzner"
	testcloud "canopy.dev/canopy/test/cloud/hetzner"
	"canopy.dev/canopy/test/cloud/suite"
)

func TestSuite(t *testing.T) { suite.Run(t, newWorld) }

func block(serverType, image string) v1alpha1.Provider {
	return v1alpha1.Provider{Hetzner: &v1alpha1.HetznerMachine{ServerType: serverType, System: v1alpha1.System{Image: image}}}
}

func newWorld(t *testing.T) suite.World {
	t.Helper()
	project := testcloud.New()
	server := httptest.NewServer(project)
	t.Cleanup(server.Close)
	return suite.World{
		Cloud: hetzner.New(), Test: project.Cloud,
		Account: machine.Account{
			Place:       v1alpha1.Place{Hetzner: &v1alpha1.HetznerPlace{Location: "fsn1", Endpoint: server.URL + "/v1"}},
			Credentials: map[string][]byte{hetzner.TokenKey: []byte(testcloud.Token + "\n")},
		},
		WrongKey: map[string][]byte{hetzner.TokenKey: []byte("wrong-token")}, Secret: "wrong-token",
		Provider: block("cx23", ""), Size: "cx23", Zone: "fsn1",
		NoSuchSize: block("cx3", ""), NoSuchImage: block("cx23", "ubuntu-4.10"),
		CreateOperation: "server:create", ListOperation: "server:list", DeleteOperation: "server:delete",
		Needed:   []string{"server:list", "firewall:delete"},
		Named:    v1alpha1.CloudNetwork{Network: strconv.Itoa(testcloud.GivenNetwork), SecurityGroups: []string{strconv.Itoa(testcloud.GivenFirewall)}},
		NotThere: v1alpha1.CloudNetwork{Network: "elsewhere"},
		Sole:     true,
	}
}

func TestNetworksMayBeNamedByThePlace(t *testing.T) {
	for name, test := range map[string]struct {
		place, cluster, want string
		reason               string
	}{
		"by the place":                     {place: "shared", want: "4711"},
		"the cluster's goes before":        {place: "elsewhere", cluster: "shared", want: "4711"},
		"one that there is not is refused": {place: "elsewhere", reason: v1alpha1.ReasonConfiguration},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Account.Place.Hetzner.Network = test.place
			c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo", Named: v1alpha1.CloudNetwork{Network: test.cluster}}
			network, err := w.Cloud.EnsureNetwork(t.Context(), c)
			suite.WantReason(t, err, test.reason)
			if network.Network != test.want {
				t.Errorf("the network is %q, want %q", network.Network, test.want)
			}
		})
	}
}

func TestAServerOfSomebodyElseIsNotTaken(t *testing.T) {
	w := newWorld(t)
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
	network, err := w.Cloud.EnsureNetwork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
	if _, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-1", Provider: w.Provider}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-2", Provider: w.Provider})
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
}

func TestImages(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		system v1alpha1.System
		images v1alpha1.Images
		reason string
	}{
		"Ubuntu is the default":    {},
		"Debian":                   {system: v1alpha1.System{OperatingSystem: v1alpha1.Debian}},
		"there is none of Flatcar": {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, reason: v1alpha1.ReasonConfiguration},
		"the place's, by number":   {system: v1alpha1.System{OperatingSystem: v1alpha1.Flatcar}, images: v1alpha1.Images{v1alpha1.Flatcar: "161547269"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
			c.Place.Hetzner.Images = test.images
			network, err := w.Cloud.EnsureNetwork(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			c.Network = network
			provider := v1alpha1.Provider{Hetzner: &v1alpha1.HetznerMachine{ServerType: "cx23", System: test.system}}
			instance, err := w.Cloud.Create(t.Context(), c, machine.Machine{Name: "a", UID: "u-a", Provider: provider})
			suite.WantReason(t, err, test.reason)
			if err == nil {
				if err := w.Cloud.Delete(t.Context(), c, instance); err != nil {
					t.Fatal(err)
				}
				for range 3 { // until its name is free
					if _, err := w.Cloud.List(t.Context(), c); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
