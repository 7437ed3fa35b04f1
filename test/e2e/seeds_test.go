// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/local"
)

// inSeeds is a cluster of the project of the dedicated seeds, as its users reach it.
func inSeeds(t *testing.T, name string) kube {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(path, []byte(canopy(t, "kubeconfig", name, "--kubeconfig", local.KubeconfigPath, "--project", "seeds", "--print")), 0o600); err != nil {
		t.Fatal(err)
	}
	return kube{t, path}
}

// readiness returns the Ready condition of a cluster of that project: its status, reason and message.
func readiness(t *testing.T, name string) string {
	t.Helper()
	out, err := seed(t).try("", "-n", "project-seeds", "get", "clusters.canopy.dev", name,
		"-o", `jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason} {.message}{end} since {.status.lastContact}`)
	return out + fmt.Sprint(err)
}

func wantReadiness(t *testing.T, name, prefix string, within time.Duration) {
	t.Helper()
	eventually(t, "Cluster "+name+" is "+prefix, within, func() (bool, string) {
		got := readiness(t, name)
		return strings.HasPrefix(got, prefix), got
	})
}

// scale sets the number of pods of something in the platform's own cluster.
func scale(t *testing.T, namespace, what string, replicas int) {
	t.Helper()
	seed(t).run("-n", namespace, "scale", what, fmt.Sprintf("--replicas=%d", replicas))
}

// TestDedicatedSeeds makes two user clusters seeds, with a user cluster on each, and takes one of them and then the master
// away.
func TestDedicatedSeeds(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := seed(t).try("", "get", "seeds,clusters.canopy.dev,nodepools", "-A", "-o", "wide")
			t.Log(out)
		}
		k := seed(t)
		if _, err := k.try("", "-n", "project-seeds", "delete", "clusters.canopy.dev", "demo-1", "demo-2", "--ignore-not-found", "--timeout=110s"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"local-1", "local-2"} {
			if _, err := run(context.Background(), "", binary(t, "canopy"), "seed", "remove", name, "--kubeconfig", local.KubeconfigPath); err != nil {
				t.Log(err)
			}
			if _, err := k.try("", "delete", "datacenter", name, "--ignore-not-found"); err != nil {
				t.Error(err)
			}
		}
		deleteProject(t, "seeds")
	})
	canopy(t, "up", "--seeds", "2")
	for _, name := range []string{"demo-1", "demo-2"} {
		inSeeds(t, name).wantOutput("True", time.Minute, "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
	}
	for _, name := range []string{"local-1", "local-2"} {
		c := ofProject(t, "seeds", name)
		seed(t).wantOutput("key1", time.Minute, "-n", c.namespace, "get", "hostedcluster", c.name, "-o", "jsonpath={.status.encryption.key}")
	}
	t.Run("a cluster in each datacenter of the example", inEachDatacenter)
	t.Run("one seed is lost", withoutASeed)
	t.Run("the master is lost", seedsWithoutTheMaster)
}

// withoutASeed stops the API of the seed local-1. What would start it again is stopped before: the manager of the platform's
// own seed, on which local-1 is a user cluster.
func withoutASeed(t *testing.T) {
	lost := ofProject(t, "seeds", "local-1")
	heal := func() { scale(t, "canopy-system", "deployment/canopy-seed", 1) }
	t.Cleanup(heal)
	scale(t, "canopy-system", "deployment/canopy-seed", 0)
	seed(t).wantOutput("", time.Minute, "-n", "canopy-system", "get", "pods", "-l", "app.kubernetes.io/component=canopy-seed", "-o", "name")
	began := time.Now()
	scale(t, lost.namespace, "statefulset/control-plane", 0)

	wantReadiness(t, "demo-1", "Unknown SeedNotConnected seed local-1:", time.Minute)
	t.Logf("the master knew after %s", time.Since(began).Round(time.Second))
	if got := readiness(t, "demo-1"); strings.HasSuffix(got, "since <nil>") {
		t.Errorf("it is not said when the seed was heard of last: %s", got)
	}
	wantReadiness(t, "demo-2", "True Ready", 10*time.Second)
	for range 5 {
		asked := time.Now()
		seed(t).run("get", "clusters.canopy.dev", "-A")
		t.Logf("the master's API answered after %s", time.Since(asked).Round(time.Millisecond))
	}
	// What is changed of the other seed's cluster gets there, and what is changed of the lost one's, later.
	for _, name := range []string{"demo-1", "demo-2"} {
		seed(t).run("-n", "project-seeds", "patch", "clusters.canopy.dev", name, "--type=merge", "-p", `{"spec": {"coreDNS": {"replicas": 2}}}`)
	}
	arrived := func(cluster, on string, within time.Duration) {
		c := ofProject(t, "seeds", cluster)
		inSeeds(t, on).wantOutput("2", within, "-n", c.namespace, "get", "hostedcluster", c.name, "-o", "jsonpath={.spec.coreDNS.replicas}")
	}
	arrived("demo-2", "local-2", 30*time.Second)

	heal()
	wantReadiness(t, "demo-1", "True Ready", 5*time.Minute)
	arrived("demo-1", "local-1", 30*time.Second)
	wantReadiness(t, "demo-2", "True Ready", 2*time.Minute)
}

// seedsWithoutTheMaster kills control planes on both seeds while there is no master.
func seedsWithoutTheMaster(t *testing.T) {
	t.Cleanup(func() { scale(t, "canopy-system", "deployment/canopy-master", 1) })
	onSeed := map[string]kube{}
	for cluster, on := range map[string]string{"demo-1": "local-1", "demo-2": "local-2"} {
		onSeed[ofProject(t, "seeds", cluster).namespace] = inSeeds(t, on)
	}
	scale(t, "canopy-system", "deployment/canopy-master", 0)
	seed(t).wantOutput("", time.Minute, "-n", "canopy-system", "get", "pods", "-l", "app.kubernetes.io/component=canopy-master", "-o", "name")
	killed := map[string]string{} // uids of pods
	for namespace, k := range onSeed {
		killed[namespace] = k.run("-n", namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.metadata.uid}")
		k.run("-n", namespace, "delete", "pod", "control-plane-0", "--grace-period=0", "--force")
	}
	for namespace, k := range onSeed {
		k.wantThat("is a new pod that is ready", 2*time.Minute, func(out string) bool {
			return strings.HasSuffix(out, " True") && !strings.HasPrefix(out, killed[namespace])
		}, "-n", namespace, "get", "pod", "control-plane-0", "-o", `jsonpath={.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}`)
	}
}
