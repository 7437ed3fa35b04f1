// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/output"
)

// manifest is a cluster and its pool, in a datacenter that is not there, so that the master leaves their status to the tests.
func manifest(name string) string {
	return `apiVersion: canopy.dev/v1alpha1
kind: NodePool
metadata: {name: ` + name + `-workers}
spec: {cluster: ` + name + `, provider: {local: {}}}
---
apiVersion: canopy.dev/v1alpha1
kind: Cluster
metadata: {name: ` + name + `, labels: {team: ` + name + `}}
spec: {datacenter: local, version: 1.37.2}
`
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ready waits until ada may use the project shop, and sees it: the rights to either come one after the other.
func ready(t *testing.T) terminal {
	t.Helper()
	term := newTerminal(t, "ada@example.com")
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		mine := term.run("", "get", "projects", "-o", "name")
		return strings.Contains(mine.out, "shop") && term.run("", "get", "clusters", "-p", "shop").code == output.ExitOK, nil
	})
	if err != nil {
		t.Fatal("ada is not let into the project")
	}
	return term
}

func TestLifeOfACluster(t *testing.T) {
	term := ready(t)
	file := write(t, manifest("life"))

	has(t, term.does(output.ExitFailed, "diff", "-f", file).out, "+kind: Cluster", "cluster/life (applied)")
	has(t, term.does(output.ExitOK, "apply", "-f", file, "--no-wait").out, "cluster/life created", "nodepool/life-workers created")
	has(t, term.does(output.ExitOK, "apply", "-f", file, "--no-wait").out, "cluster/life unchanged", "nodepool/life-workers unchanged")
	term.does(output.ExitOK, "diff", "-f", file)

	got := term.does(output.ExitOK, "get", "clusters", "-p", "shop", "-l", "team=life")
	has(t, got.out, "NAME", "STATUS", "life", "1.37.2")
	if got := term.does(output.ExitOK, "get", "cluster", "life", "-o", "jsonpath=.spec.datacenter").out; got != "local\n" {
		t.Errorf("a cluster is not found in its project: %s", got)
	}
	has(t, term.does(output.ExitOK, "get", "nodepools", "--cluster", "life", "-o", "name").out, "nodepool/life-workers")
	has(t, term.does(output.ExitOK, "scale", "life-workers", "3", "--no-wait").out, "nodepool/life-workers has 3 machines")
	has(t, term.does(output.ExitOK, "scale", "life-workers", "--min-replicas", "1", "--max-replicas", "5", "--no-wait").out, "nodepool/life-workers is scaled between 1 and 5 machines")
	has(t, term.does(output.ExitUsage, "scale", "life-workers", "4").err, "is scaled by what pods ask for", "--no-autoscaling")
	has(t, term.does(output.ExitUsage, "scale", "life-workers", "4", "--min-replicas", "1", "--max-replicas", "5").err, "give either a number of machines")
	has(t, term.does(output.ExitOK, "get", "nodepools", "--cluster", "life").out, "(1-5)")
	has(t, term.does(output.ExitOK, "scale", "life-workers", "3", "--no-autoscaling", "--no-wait").out, "nodepool/life-workers has 3 machines")
	has(t, term.does(output.ExitFailed, "diff", "-f", file).out, "-  replicas: 3", "+  replicas: 1")
	has(t, term.does(output.ExitOK, "pause", "life").out, "cluster/life is paused")
	has(t, term.does(output.ExitFailed, "status", "life").out, "cluster/life", "canopy resume life")
	term.does(output.ExitOK, "resume", "life")
	has(t, term.does(output.ExitOK, "describe", "cluster", "life").out, "Progress", "Conditions", "datacenter: local", "Label:")

	term.does(output.ExitUsage, "delete", "cluster", "life") // nobody is asked, so nobody has confirmed it
	if got := term.run("wrong\n", "delete", "cluster", "life"); got.code == output.ExitOK {
		t.Error("a cluster is deleted that was not confirmed")
	}
	term.does(output.ExitOK, "delete", "-f", file, "--yes", "--timeout=30s")
	term.does(output.ExitNotFound, "get", "cluster", "life")
	term.does(output.ExitOK, "wait", "cluster/life", "--for=deleted")
}

func TestWaitShowsStages(t *testing.T) {
	term := ready(t)
	term.does(output.ExitOK, "apply", "-f", write(t, manifest("wait")), "--no-wait")
	// There is no such datacenter: time alone does not bring it about.
	has(t, term.does(output.ExitTerminated, "wait", "cluster/wait", "--for=condition=Ready", "--timeout=30s").err, "no Datacenter local", "describe cluster/wait")
	has(t, term.does(output.ExitTimeout, "wait", "nodepool/wait-workers", "--for=phase=Never", "--timeout=1s").err, "goes on")

	done := make(chan result, 1)
	go func() {
		done <- term.run("", "wait", "nodepool/wait-workers", "--for=phase=Ready", "--progress=json", "--timeout=30s")
	}()
	pool := &v1alpha1.NodePool{}
	key := client.ObjectKey{Namespace: "project-shop", Name: "wait-workers"}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := onMaster.Get(ctx, key, pool); err != nil {
			return false, err
		}
		pool.Status.Replicas, pool.Status.ReadyReplicas, pool.Status.UpToDateReplicas, pool.Status.ObservedGeneration = 1, 1, 1, pool.Generation
		meta.SetStatusCondition(&pool.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, ObservedGeneration: pool.Generation})
		if err := onMaster.Status().Update(ctx, pool); err != nil && !apierrors.IsConflict(err) {
			return false, err
		}
		return len(done) > 0, nil // the master has its own view, and takes it back
	})
	if err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.code != output.ExitOK {
		t.Fatalf("ends with %d: %s", got.code, got.err)
	}
	has(t, got.err, `"object":"nodepool/wait-workers"`, `"step":"Ready","done":true`)
}

func TestErrorsHaveTheirCodes(t *testing.T) {
	term := ready(t)
	has(t, term.does(output.ExitNotFound, "get", "cluster", "nope", "-p", "shop").err, "why", "next", "ERR_NOT_FOUND")
	has(t, term.does(output.ExitUsage, "get", "clutser").err, "clusters, nodepools")
	has(t, term.does(output.ExitUsage, "gte").err, "unknown command", "--help")
	has(t, term.does(output.ExitUsage, "get", "clusters", "--frobnicate").err, "--help")
	has(t, term.does(output.ExitUsage, "seed", "frobnicate").err, "add", "drain")
	has(t, term.does(output.ExitUsage, "create", "member", "ben@example.com").err, `"role" not set`, "create member --help")
	has(t, term.does(output.ExitForbidden, "get", "clusters", "-p", "another").err, "ERR_FORBIDDEN")
	has(t, term.does(output.ExitUsage, "get", "clusters", "--context", "nowhere").err, "there are test")
	has(t, term.does(output.ExitFailed, "apply", "-f", write(t, strings.Replace(manifest("bad"), "version: 1.37.2", "version: 1.37.2, colour: red", 1))).err, "colour")

	t.Setenv(config.EnvToken, "eve@example.com") // a viewer
	has(t, term.does(output.ExitForbidden, "apply", "-f", write(t, manifest("eve"))).err, "writing cluster/eve", "role")

	t.Setenv(config.EnvToken, "")
	term.does(output.ExitOK, "logout")
	has(t, term.does(output.ExitForbidden, "get", "clusters").err, "canopy login")
}

func TestCommandsOnTheWayIn(t *testing.T) {
	term := ready(t)
	has(t, term.does(output.ExitOK, "whoami").out, "ada@example.com", "shop (Owner)")
	if got := term.does(output.ExitOK, "token").out; got != "ada@example.com\n" {
		t.Errorf("token %q", got)
	}
	has(t, term.does(output.ExitOK, "target", "project", "shop").err, "test/shop")
	has(t, term.does(output.ExitOK, "context", "ls").out, "*", "test", "shop")
	term.does(output.ExitOK, "context", "rename", "test", "prod")
	has(t, term.does(output.ExitOK, "version").out, "client: ", "server: ")
	has(t, term.does(output.ExitOK, "explain", "cluster.spec.version").out, "Kubernetes version")
	has(t, term.does(output.ExitOK, "render", "cluster", "--help").out, "--nodes")
	has(t, term.does(output.ExitOK, "__complete", "get", "clus").out, "clusters")
	has(t, term.does(output.ExitOK, "__complete", "get", "projects", "").out, "shop")
	term.does(output.ExitOK, "context", "rm", "prod")
	has(t, term.does(output.ExitForbidden, "get", "clusters").err, "canopy login", "canopy up")
}

func TestClusterStages(t *testing.T) {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: v1alpha1.ClusterSpec{Version: "1.37.2"}}
	waiting := func() string { return firstWaiting(clusterStages(c)) }
	if got := waiting(); !strings.HasPrefix(got, "Place: ") {
		t.Errorf("a new one waits for %s", got)
	}
	c.Status.Seed, c.Status.ID = "eu", "abc"
	c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "WaitingForEtcd", ObservedGeneration: 1}}
	c.Status.Components = []hostingv1alpha1.ComponentStatus{{Name: "etcd", Reason: "Starting", Message: "2 of 3 members"}}
	if got := waiting(); got != "Control plane: etcd: 2 of 3 members" {
		t.Errorf("it waits for %s", got)
	}
	c.Status.Components = nil
	for _, name := range append(controlPlane, "coredns") {
		c.Status.Components = append(c.Status.Components, hostingv1alpha1.ComponentStatus{Name: name, Ready: true})
	}
	c.Status.NodePools = []hostingv1alpha1.NodePoolStatus{{Name: "workers", Replicas: 2, ReadyReplicas: 1, Message: "a machine pulls images"}}
	c.Status.ReadyNodes = 1
	if got := waiting(); got != "Nodes: 1/2 ready; workers: a machine pulls images" {
		t.Errorf("it waits for %s", got)
	}
	c.Status.NodePools[0] = hostingv1alpha1.NodePoolStatus{Name: "workers", Replicas: 2, ReadyReplicas: 2}
	c.Status.Conditions[0].Status = metav1.ConditionTrue
	if got := waiting(); got != "" {
		t.Errorf("when all is there, it waits for %s", got)
	}
	c.Generation = 2
	if got := waiting(); got == "" {
		t.Error("a change that nobody has looked at is taken for done")
	}
}
