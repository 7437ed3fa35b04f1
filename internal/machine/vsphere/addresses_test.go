// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/suite"
)

func withAddresses(m machine.Machine, addresses ...string) machine.Machine {
	m.Provider.VSphere.Addresses = &v1alpha1.StaticAddresses{
		Addresses: addresses, PrefixLength: 24, Gateway: "192.0.2.1", DNSServers: []string{"192.0.2.2", "192.0.2.3"},
	}
	return m
}

func TestEachMachineHasAnAddressOfItsOwn(t *testing.T) {
	w, c := newWorld(t), New()
	cluster := w.cluster()
	if _, err := c.EnsureNetwork(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	addresses := []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"}
	var creating sync.WaitGroup
	for i, name := range []string{"workers-a", "workers-b", "workers-c"} {
		creating.Go(func() {
			if _, err := c.Create(t.Context(), cluster, withAddresses(newMachine(name, byte(i)), addresses...)); err != nil {
				t.Error(err)
			}
		})
	}
	creating.Wait()
	instances := w.settled(t, c, cluster)
	var given []string
	for _, instance := range instances {
		given = append(given, w.extraConfigOf(t, instance.ID)[keyAddress])
	}
	slices.Sort(given)
	if diff := cmp.Diff(addresses, given); diff != "" {
		t.Errorf("the addresses of three machines (-want +got):\n%s", diff)
	}

	fourth := withAddresses(newMachine("workers-d", 4), addresses...)
	_, err := New().Create(t.Context(), cluster, fourth) // after a restart, by what is written on the machines
	suite.WantReason(t, err, v1alpha1.ReasonQuotaExceeded)

	first := instances[0]
	freed := w.extraConfigOf(t, first.ID)[keyAddress]
	for len(w.settled(t, c, cluster)) == 3 {
		if err := c.Delete(t.Context(), cluster, first); err != nil {
			t.Fatal(err)
		}
		first.Running = false
	}
	w.create(t, c, cluster, fourth)
	written := w.extraConfigOf(t, string(fourth.UID))
	if written[keyAddress] != freed {
		t.Errorf("the fourth machine has the address %s, want %s, which was the first one's", written[keyAddress], freed)
	}
	want := strings.ReplaceAll(`instance-id: UID
local-hostname: workers-d
network:
  ethernets:
    primary:
      addresses:
      - `+freed+`/24
      match:
        name: e*
      nameservers:
        addresses:
        - 192.0.2.2
        - 192.0.2.3
      routes:
      - to: 0.0.0.0/0
        via: 192.0.2.1
  version: 2
`, "UID", string(fourth.UID))
	if diff := cmp.Diff(want, unpack(t, written["guestinfo.metadata"])); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	w.empty(t, c, cluster)
}

func TestAddressesThatAreNone(t *testing.T) {
	for name, static := range map[string]v1alpha1.StaticAddresses{
		"an address": {Addresses: []string{"192.0.2.300"}, Gateway: "192.0.2.1"},
		"a gateway":  {Addresses: []string{"192.0.2.10"}, Gateway: "router"},
		"a server":   {Addresses: []string{"192.0.2.10"}, Gateway: "192.0.2.1", DNSServers: []string{"dns"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := firstFree(&static, "workers", nil)
			suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
		})
	}
}

func TestOfTwoWithOneAddressTheYoungerHasFailed(t *testing.T) {
	var content []vim.ObjectContent
	for _, name := range []string{"a", "b"} {
		content = append(content, vim.ObjectContent{
			Obj: vim.ManagedObjectReference{Type: "VirtualMachine", Value: name},
			PropSet: []vim.DynamicProperty{
				{Name: "name", Val: name},
				{Name: "runtime.powerState", Val: vim.VirtualMachinePowerStatePoweredOn},
				{Name: extra(keyCluster), Val: vim.OptionValue{Key: keyCluster, Value: "c"}},
				{Name: extra(keyAddress), Val: vim.OptionValue{Key: keyAddress, Value: "192.0.2.10"}},
			},
		})
	}
	got := instancesOf(content, "c")
	if len(got) != 2 || got[0].Failed || !got[1].Failed || !strings.Contains(got[1].Message, "192.0.2.10") {
		t.Errorf("instancesOf() = %+v", got)
	}
}

func TestFlatcarHasItsAddressFromIgnition(t *testing.T) {
	m := withAddresses(newMachine("workers-a", 1))
	m.Provider.VSphere.OperatingSystem = v1alpha1.Flatcar
	m.UserData = []byte(`{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/hostname"}]}}`)
	options, err := extraConfig(machine.Cluster{UID: "c"}, m, "192.0.2.10")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, option := range options {
		written[option.GetOptionValue().Key], _ = option.GetOptionValue().Value.(string)
	}
	var config struct {
		Storage struct {
			Files []struct {
				Path     string
				Contents struct{ Source string }
			}
		}
	}
	if err := json.Unmarshal([]byte(unpack(t, written["guestinfo.ignition.config.data"])), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Storage.Files) != 2 {
		t.Fatalf("files: %v", config.Storage.Files)
	}
	unit, err := url.PathUnescape(strings.TrimPrefix(config.Storage.Files[1].Contents.Source, "data:,"))
	if want := "[Match]\nName=e*\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\nGateway=192.0.2.1\nDNS=192.0.2.2\nDNS=192.0.2.3\n"; err != nil || unit != want {
		t.Errorf("the unit is %q, %v, want %q", unit, err, want)
	}
	if written["guestinfo.ignition.config.data.encoding"] != "gzip+base64" || written["guestinfo.userdata"] != "" {
		t.Errorf("written: %v", written)
	}
}
