// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/local/sandbox"
)

func exampleInput() nodeInput {
	return nodeInput{
		Settings: DefaultSettings(), NodeName: NodeName, NodePodBits: nodePodBits, MTU: 1400, APIPort: apiPort,
		imageNames: imageNames{
			KubernetesVersion: "v1.99.0", ControlPlaneRepository: "registry.example.com",
			EtcdRepository: "registry.example.com", EtcdTag: "3.9-0",
			CoreDNSRepository: "registry.example.com/coredns", CoreDNSTag: "v1.9", PauseImage: "registry.example.com/pause:3",
		},
		Digests:     map[string]string{"registry.example.com/etcd:3.9-0": "sha256:aa"},
		Nameservers: []string{"192.0.2.53"},
		Mirrors:     map[string]string{"registry.example.com/hosts.toml": "server = \"https://registry.example.com\"\n"},
	}
}

// TestNodeFiles shows everything that the node is configured with.
func TestNodeFiles(t *testing.T) {
	in := exampleInput()
	files := in.rootFiles()
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "==> %s\n%s", path, files[path])
	}
	daemons, err := yaml.Marshal(in.daemons(files))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "==> daemons\n%s", daemons)
	golden.Check(t, "node.txt", b.String())
}

func TestDaemonsAreRestartedOnlyWhenWhatTheyReadChanges(t *testing.T) {
	tests := map[string]struct {
		change func(*nodeInput)
		want   []string
	}{
		"nothing changed":            {change: func(*nodeInput) {}},
		"another pause image":        {change: func(in *nodeInput) { in.PauseImage += "1" }, want: []string{"containerd"}},
		"other DNS servers":          {change: func(in *nodeInput) { in.Nameservers = nil }, want: []string{"kubelet"}},
		"another service network":    {change: func(in *nodeInput) { in.ServiceCIDR = in.PodCIDR }, want: []string{"kubelet"}},
		"read anew at every pull":    {change: func(in *nodeInput) { in.Mirrors = nil }},
		"read anew for every pod":    {change: func(in *nodeInput) { in.MTU = 9000 }},
		"what kubeadm alone reads":   {change: func(in *nodeInput) { in.EtcdTag = "4" }},
		"images under the same name": {change: func(in *nodeInput) { in.Digests = nil }},
	}
	before := map[string]string{}
	for _, d := range exampleInput().daemons(exampleInput().rootFiles()) {
		before[d.Name] = sandbox.Hash(d)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := exampleInput()
			tc.change(&in)
			var changed []string
			for _, d := range in.daemons(in.rootFiles()) {
				if sandbox.Hash(d) != before[d.Name] {
					changed = append(changed, d.Name)
				}
			}
			if diff := cmp.Diff(tc.want, changed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigHashChangesWithWhatPodsAreMadeFrom(t *testing.T) {
	tests := map[string]struct {
		change func(*nodeInput)
		want   bool
	}{
		"nothing":                     {change: func(*nodeInput) {}},
		"a version":                   {change: func(in *nodeInput) { in.KubernetesVersion = "v1.99.1" }, want: true},
		"an image of the same name":   {change: func(in *nodeInput) { in.Digests = nil }, want: true},
		"something of the node alone": {change: func(in *nodeInput) { in.MTU = 9000 }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := exampleInput()
			tc.change(&in)
			if got := in.configHash() != exampleInput().configHash(); got != tc.want {
				t.Errorf("changed = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestDaemonNames(t *testing.T) {
	var got []string
	for _, d := range exampleInput().daemons(nil) {
		got = append(got, d.Name)
	}
	if diff := cmp.Diff(daemonNames, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseNameservers(t *testing.T) {
	tests := map[string]struct {
		content string
		want    []string
	}{
		"servers in their order":        {"search example.com\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n", []string{"192.0.2.53", "192.0.2.54"}},
		"a resolver on the host's own":  {"nameserver 127.0.0.53\noptions edns0\n", nil},
		"IPv6, which pods do not have":  {"nameserver 2001:db8::53\nnameserver 192.0.2.53\n", []string{"192.0.2.53"}},
		"comments and half lines":       {"# nameserver 192.0.2.1\nnameserver\nnameserver x\n", nil},
		"the same server over and over": {"nameserver 192.0.2.53\nnameserver 192.0.2.53\n", []string{"192.0.2.53"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseNameservers(tc.content)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestListedImagesCompleteKubeadmsNames(t *testing.T) {
	names := listedImages()
	if names.EtcdRepository+"/etcd:"+names.EtcdTag != "registry.k8s.io/etcd:"+names.EtcdTag || names.CoreDNSRepository != "registry.k8s.io/coredns" {
		t.Errorf("kubeadm would look for etcd in %s and CoreDNS in %s", names.EtcdRepository, names.CoreDNSRepository)
	}
	if names.ControlPlaneRepository != "registry.k8s.io" || !strings.HasPrefix(names.KubernetesVersion, "v1.") {
		t.Errorf("kubeadm would look for %s in %s", names.KubernetesVersion, names.ControlPlaneRepository)
	}
}
