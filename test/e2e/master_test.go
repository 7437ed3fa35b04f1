// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/local"
)

// ofProject returns a Cluster of the master as what it is on its seed, which is the platform's own.
func ofProject(t *testing.T, project, name string) cluster {
	t.Helper()
	var id string
	eventually(t, "the cluster "+name+" has its place", time.Minute, func() (bool, string) {
		out, err := seed(t).try("", "-n", "project-"+project, "get", "clusters.canopy.dev", name, "-o", "jsonpath={.status.id}")
		id = out
		return err == nil && id != "", fmt.Sprint(out, err)
	})
	return cluster{t, id, "cluster-" + id}
}

const project = `
apiVersion: canopy.dev/v1alpha1
kind: Project
metadata: {name: %s}
spec: {members: [{name: kubernetes-admin, role: Owner}]}
`

const projectsCluster = `
apiVersion: canopy.dev/v1alpha1
kind: Cluster
metadata: {name: shop, namespace: project-%[1]s}
spec: {datacenter: %[2]s, version: 1.37.2}
---
apiVersion: canopy.dev/v1alpha1
kind: NodePool
metadata: {name: shop-workers, namespace: project-%[1]s}
spec: {cluster: shop, replicas: 1, provider: {local: {}}}
`

// team makes a project with the cluster shop, which go with the test.
func team(t *testing.T, name, datacenter string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := seed(t).try("", "get", "seeds,projects,clusters.canopy.dev,nodepools,hostedclusters", "-A", "-o", "wide")
			t.Log(out)
		}
		deleteProject(t, name)
	})
	k := seed(t)
	k.apply(fmt.Sprintf(project, name))
	k.run("wait", "namespace/project-"+name, "--for=create", "--timeout=1m")
	k.apply(fmt.Sprintf(projectsCluster, name, datacenter))
}

// deleteProject deletes a project, if there is one, after the clusters in it, with which it would not go.
func deleteProject(t *testing.T, name string) {
	t.Helper()
	k := seed(t)
	if out, err := k.try("", "get", "project", name, "--ignore-not-found", "-o", "name"); err == nil && out == "" {
		return
	}
	for _, args := range [][]string{
		{"-n", "project-" + name, "delete", "clusters.canopy.dev", "--all", "--timeout=3m"},
		{"wait", "project", name, "--for=jsonpath={.status.clusters}=0", "--timeout=1m"},
		{"delete", "project", name, "--timeout=2m"},
	} {
		if _, err := k.try("", args...); err != nil {
			t.Error(err)
		}
	}
}

func TestAClusterOfAProject(t *testing.T) {
	team(t, "e2e-team", "local")
	k := seed(t)
	k.run("-n", "project-e2e-team", "wait", "clusters.canopy.dev/shop", "nodepool/shop-workers", "--for=condition=Ready", "--timeout=3m")
	c := ofProject(t, "e2e-team", "shop")

	t.Run("canopy finds it by its name", func(t *testing.T) {
		if out := canopy(t, "local", "status"); !strings.Contains(out, "cluster/e2e-team/shop") {
			t.Errorf("canopy local status does not list it:\n%s", out)
		}
		if out := canopy(t, "kubeconfig", "shop", "--kubeconfig", local.KubeconfigPath, "--print"); !strings.Contains(out, "canopy-e2e-team/shop") {
			t.Error("the kubeconfig's context is not named after project and cluster")
		}
		if out := canopy(t, "local", "logs", "control-plane-0", "--cluster", "shop", "-c", "etcd", "--tail", "5"); strings.TrimSpace(out) == "" {
			t.Error("there is no log of etcd")
		}
	})
	t.Run("a name in two projects needs the project", func(t *testing.T) {
		team(t, "e2e-other", "no-such-datacenter")
		_, err := run(t.Context(), "", binary(t, "canopy"), "kubeconfig", "shop", "--kubeconfig", local.KubeconfigPath, "--print")
		if err == nil || !strings.Contains(err.Error(), "--project e2e-other, --project e2e-team") {
			t.Errorf("error = %v, want one that names both projects", err)
		}
		canopy(t, "kubeconfig", "shop", "--kubeconfig", local.KubeconfigPath, "--project", "e2e-team", "--print")
	})
	t.Run("a pool scales", func(t *testing.T) {
		k := kube{t, k.kubeconfig}
		k.run("-n", "project-e2e-team", "scale", "nodepool", "shop-workers", "--replicas=2")
		inside := cluster{t, c.name, c.namespace}.inside()
		inside.wantOutput("2", 2*time.Minute, "get", "nodes", "-o", "go-template={{len .items}}")
		k.run("-n", "project-e2e-team", "wait", "nodepool/shop-workers", "--for=condition=Ready", "--timeout=1m")
	})
	t.Run("without the master the seed heals it", func(t *testing.T) { withoutTheMaster(t, cluster{t, c.name, c.namespace}) })

	k.run("-n", "project-e2e-team", "delete", "clusters.canopy.dev", "shop", "--timeout=3m")
	if out := k.run("get", "namespace", c.namespace, "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("the Cluster is gone, and %s is left on the seed", out)
	}
}

// withoutTheMaster stops the master, kills the control plane of c, and waits until it is back.
func withoutTheMaster(t *testing.T, c cluster) {
	t.Helper()
	k := seed(t)
	t.Cleanup(func() {
		if _, err := k.try("", "-n", "canopy-system", "scale", "deployment", "canopy-master", "--replicas=1"); err != nil {
			t.Error(err)
		}
		k.run("-n", "canopy-system", "rollout", "status", "deployment/canopy-master", "--timeout=2m")
	})
	k.run("-n", "canopy-system", "scale", "deployment", "canopy-master", "--replicas=0")
	k.wantOutput("", time.Minute, "-n", "canopy-system", "get", "pods", "-l", "app.kubernetes.io/component=canopy-master", "-o", "name")
	uid := k.run("-n", c.namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.metadata.uid}")
	k.run("-n", c.namespace, "delete", "pod", "control-plane-0", "--grace-period=0", "--force")
	k.wantThat("is a new pod that is ready", 2*time.Minute, func(out string) bool {
		return strings.HasSuffix(out, " True") && !strings.HasPrefix(out, uid)
	}, "-n", c.namespace, "get", "pod", "control-plane-0", "-o", `jsonpath={.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}`)
	c.ready(2 * time.Minute)
	c.inside().wantOutput("ok", time.Minute, "get", "--raw", "/readyz")
}
