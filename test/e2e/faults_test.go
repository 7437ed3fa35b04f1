// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBadInputIsExplained(t *testing.T) {
	t.Run("a version that does not exist", func(t *testing.T) {
		c := create(t, "e2e-version", `version: 1.35.9`)
		c.condition("Ready", "False", "UnsupportedVersion", time.Minute)
		if got := c.status(`{.status.conditions[?(@.type=="Ready")].message}`); !strings.Contains(got, "available are 1.37.2") {
			t.Errorf("the message does not say what is available: %s", got)
		}
	})
	t.Run("a range that the seed uses", func(t *testing.T) {
		c := create(t, "e2e-overlap", `version: 1.37.2, network: {podCIDR: 10.203.0.0/16}`)
		c.condition("Ready", "False", "NetworkOverlap", time.Minute)
	})
	t.Run("a port that is taken", func(t *testing.T) {
		first := create(t, "e2e-port-a", `version: 1.37.2, expose: {port: 31999}`)
		eventually(t, "the first cluster has the port", time.Minute, func() (bool, string) {
			got := first.status("{.status.endpoint}")
			return strings.HasSuffix(got, ":31999"), got
		})
		second := create(t, "e2e-port-b", `version: 1.37.2, expose: {port: 31999}`)
		second.condition("Ready", "False", "PortTaken", time.Minute)
	})
	t.Run("a flag that is the seed's", func(t *testing.T) {
		c := create(t, "e2e-flag", `version: 1.37.2, apiServer: {extraArgs: {etcd-servers: "http://example.test"}}`)
		c.condition("Ready", "False", "InvalidSpec", time.Minute)
	})
	t.Run("a namespace that is not its own", func(t *testing.T) {
		_, err := seed(t).try(`{apiVersion: hosting.canopy.dev/v1alpha1, kind: HostedCluster, metadata: {name: x, namespace: default}, spec: {version: 1.37.2}}`, "apply", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), "must be created in a namespace of its own named cluster-x") {
			t.Errorf("want a refusal that names the right namespace, got %v", err)
		}
	})
}

// kill ends processes in a pod of the seed with SIGKILL, from outside.
func kill(t *testing.T, pattern string) {
	t.Helper()
	if _, err := run(t.Context(), "", "bash", "-c", "pkill -KILL -f -- "+fmt.Sprintf("%q", "["+pattern[:1]+"]"+pattern[1:])); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingHeals(t *testing.T) {
	c := create(t, "e2e-heal", `version: 1.37.2, `+fmt.Sprintf(pool, 1))
	c.ready(3 * time.Minute)
	k := c.inside()
	k.run("create", "configmap", "witness", "--from-literal=a=b")
	witness := func(t *testing.T) {
		t.Helper()
		kube{t, k.kubeconfig}.wantOutput("b", 2*time.Minute, "get", "configmap", "witness", "-o", "jsonpath={.data.a}")
	}
	uid := func() string {
		return seed(t).run("-n", c.namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.metadata.uid}")
	}
	inPod := func(t *testing.T, comm string) {
		t.Helper()
		script := fmt.Sprintf(`for p in $(pgrep -x %s); do grep -q %s /proc/$p/cgroup && kill -9 $p && exit 0; done; echo "no process %s in the pod"; exit 1`, comm, uid(), comm)
		if _, err := run(t.Context(), "", "bash", "-c", script); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("etcd", func(t *testing.T) { inPod(t, "etcd"); witness(t) })
	t.Run("the API server", func(t *testing.T) { inPod(t, "kubernetes"); witness(t) })
	t.Run("the control plane's pod", func(t *testing.T) {
		seed(t).run("-n", c.namespace, "delete", "pod", "control-plane-0", "--grace-period=0", "--force")
		witness(t)
	})
	t.Run("the seed manager", func(t *testing.T) {
		kill(t, "canopy-server seed")
		seed(t).run("-n", "canopy-system", "rollout", "status", "deployment/canopy-seed", "--timeout=2m")
		cluster{t, c.name, c.namespace}.ready(2 * time.Minute)
	})
	t.Run("containerd", func(t *testing.T) {
		if _, err := run(t.Context(), "", "bash", "-c", `pkill -KILL -x containerd -P "$(grep -o '"pid": [0-9]*' /run/canopy/sandbox.json | grep -o '[0-9]*')"`); err != nil {
			t.Fatal(err)
		}
		witness(t)
		cluster{t, c.name, c.namespace}.ready(3 * time.Minute)
	})
	t.Run("a node", func(t *testing.T) {
		k := kube{t, k.kubeconfig}
		node := k.run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
		seed(t).run("-n", c.namespace, "delete", "pod", node, "--grace-period=0", "--force")
		eventually(t, "another node has taken its place", 6*time.Minute, func() (bool, string) {
			out, err := k.try("", "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {end}`)
			if err != nil {
				return false, err.Error()
			}
			fields := strings.Fields(out)
			return len(fields) == 2 && fields[0] != node && fields[1] == "True", out
		})
	})
}

func TestDeletionWhileCreating(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 4 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			c := create(t, "e2e-brief", `version: 1.37.2, `+fmt.Sprintf(pool, 1))
			time.Sleep(after) // not waited for anything: this is the moment at which the deletion comes
			c.delete()
		})
	}
	out := seed(t).run("get", "pv", "-o", `jsonpath={range .items[*]}{.spec.claimRef.namespace}{"\n"}{end}`)
	if strings.Contains(out, "cluster-e2e-brief") {
		t.Errorf("volumes are left: %s", out)
	}
}

func TestTenAtOnce(t *testing.T) {
	var clusters []cluster
	for i := range 10 {
		clusters = append(clusters, create(t, fmt.Sprintf("e2e-ten-%d", i), `version: 1.37.2`))
	}
	for _, c := range clusters {
		c.condition("ControlPlaneAvailable", "True", "Available", 4*time.Minute)
	}
	var group sync.WaitGroup
	for _, c := range clusters {
		group.Go(c.delete)
	}
	group.Wait()
}
