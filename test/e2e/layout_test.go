// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	hosting "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/test/cloud/accounts"
)

// datacentersOf are those of examples/layout.yaml, with the dedicated seeds in the place of the example's.
func datacentersOf(t *testing.T, seeds map[string]string) []*v1alpha1.Datacenter {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "examples", "layout.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*v1alpha1.Datacenter
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		d := &v1alpha1.Datacenter{}
		if err := yaml.Unmarshal([]byte(document), d); err != nil {
			t.Fatal(err)
		}
		if d.Kind != "Datacenter" {
			continue
		}
		d.Spec.Seed = seeds[d.Spec.Seed]
		all = append(all, d)
	}
	return all
}

// providerIDs are how the IDs of nodes begin at the clouds of the example.
var providerIDs = map[hosting.ProviderName]string{
	hosting.ProviderAWS: "aws://", hosting.ProviderDigitalOcean: "digitalocean://", hosting.ProviderGCP: "gce://",
}

// inEachDatacenter makes the example's nine datacenters, which are at three clouds and belong to two seeds, and a cluster with a
// node that runs a pod in each of them. A seed has one at a time, which two cores can bear.
func inEachDatacenter(t *testing.T) {
	k := seed(t)
	datacenters := datacentersOf(t, map[string]string{"seed-us": "local-1", "seed-eu": "local-2"})
	if len(datacenters) != 9 {
		t.Fatalf("the example has %d datacenters", len(datacenters))
	}
	clouds, url := map[hosting.ProviderName]accounts.Account{}, map[hosting.ProviderName]string{}
	all := accounts.All()
	for name := range providerIDs {
		a := all[name]
		a.Booter = newBooter(t, "layout-"+string(name))
		clouds[name], url[name] = a, serve(t, a)
		account, err := a.At(url[name])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, err := k.try("", "delete", "preset/layout-"+string(name), "--ignore-not-found")
			_, err2 := k.try("", "-n", "canopy-system", "delete", "secret/layout-"+string(name), "--ignore-not-found")
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
		})
		k.apply(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: layout-%[1]s, namespace: canopy-system}
data: %[2]s
---
apiVersion: canopy.dev/v1alpha1
kind: Preset
metadata: {name: layout-%[1]s}
spec: {provider: %[1]s, secretName: layout-%[1]s, projects: [seeds]}
`, name, asYAML(t, account.Credentials)))
	}
	t.Cleanup(func() {
		for _, d := range datacenters {
			_, err := k.try("", "-n", "project-seeds", "delete", "clusters.canopy.dev", d.Name, "--ignore-not-found", "--timeout=100s")
			_, err2 := k.try("", "delete", "datacenter", d.Name, "--ignore-not-found", "--timeout=100s")
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
		}
	})
	began := time.Now()
	t.Run("one after another", func(t *testing.T) {
		for _, on := range []string{"local-1", "local-2"} {
			t.Run(on, func(t *testing.T) {
				t.Parallel()
				for _, d := range datacenters {
					if d.Spec.Seed != on {
						continue
					}
					switch p := &d.Spec.Provider; {
					case p.AWS != nil:
						p.AWS.Endpoint = url[p.Name()]
					case p.DigitalOcean != nil:
						p.DigitalOcean.Endpoint = url[p.Name()]
					case p.GCP != nil:
						p.GCP.Endpoint = url[p.Name()]
					}
					runsAPod(t, d, clouds[d.Spec.Provider.Name()].Machine)
				}
			})
		}
	})
	t.Logf("nine clusters, each with a node that ran a pod, after %s", time.Since(began).Round(time.Second))
	for name, a := range clouds {
		if left := a.Left(); len(left) > 0 {
			t.Errorf("%s still has %v", name, left)
		}
		t.Logf("%s: calls %v", name, a.Calls())
	}
}

// runsAPod makes a datacenter, and, for a while, a cluster there with a node that runs a pod.
func runsAPod(t *testing.T, d *v1alpha1.Datacenter, machine hosting.Provider) {
	t.Helper()
	began := time.Now()
	provider := d.Spec.Provider.Name()
	seed(t).apply(fmt.Sprintf(`%[1]s---
apiVersion: canopy.dev/v1alpha1
kind: Cluster
metadata: {name: %[2]s, namespace: project-seeds}
spec: {datacenter: %[2]s, version: %[3]s, preset: layout-%[4]s, monitoring: {enabled: false}}
---
apiVersion: canopy.dev/v1alpha1
kind: NodePool
metadata: {name: %[2]s-workers, namespace: project-seeds}
spec: {cluster: %[2]s, replicas: 1, provider: %[5]s}
`, marshal(t, d), d.Name, images.DefaultKubernetesVersion(), provider, asYAML(t, machine)))
	wantReadiness(t, d.Name, "True Ready", 5*time.Minute)
	inside := inSeeds(t, d.Name)
	inside.run("create", "deployment", "web", "--image="+images.Ref("nginx"))
	inside.run("rollout", "status", "deployment", "web", "--timeout=100s")
	if node := inside.run("get", "nodes", "-o", "jsonpath={.items[*].spec.providerID}"); !strings.HasPrefix(node, providerIDs[provider]) {
		t.Errorf("the node of %s is %s", d.Name, node)
	}
	t.Logf("%s: a pod runs after %s", d.Name, time.Since(began).Round(time.Second))
	cluster := []string{"-n", "project-seeds", "clusters.canopy.dev", d.Name}
	seed(t).run(append([]string{"delete", "--wait=false"}, cluster...)...)
	seed(t).wantOutput("", 3*time.Minute, append([]string{"get", "--ignore-not-found", "-o", "name"}, cluster...)...)
}

func marshal(t *testing.T, object any) string {
	t.Helper()
	content, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
