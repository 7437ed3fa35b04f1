// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package e2e uses the local platform as its user would: with kubectl, the canopy command and YAML.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"canopy.dev/canopy/internal/local"
)

// root is the checkout, in which `make up` has put the commands into bin/.
const root = "../.."

func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make up first", err)
	}
	return path
}

// run runs a command with input and returns what it prints, and an error with all of that.
func run(ctx context.Context, input, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Dir = root
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

func canopy(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t.Context(), "", binary(t, "canopy"), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kube is one cluster, reached with kubectl.
type kube struct {
	t          *testing.T
	kubeconfig string
}

// seed is the platform's own Kubernetes.
func seed(t *testing.T) kube { t.Helper(); return kube{t, local.KubeconfigPath} }

// try runs kubectl.
func (k kube) try(input string, args ...string) (string, error) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // also for what runs in a test's clean-up
	defer cancel()
	return run(ctx, input, binary(k.t, "kubectl"), append([]string{"--kubeconfig", k.kubeconfig}, args...)...)
}

// run runs kubectl, which must succeed.
func (k kube) run(args ...string) string {
	k.t.Helper()
	out, err := k.try("", args...)
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

func (k kube) apply(yaml string) {
	k.t.Helper()
	if _, err := k.try(yaml, "apply", "-f", "-"); err != nil {
		k.t.Fatal(err)
	}
}

// eventually asks until ok is true, less often the longer it takes, because asking takes CPU from what is asked for; on failure the
// test says what was seen last.
func eventually(t *testing.T, what string, within time.Duration, ask func() (ok bool, seen string)) {
	t.Helper()
	var seen string
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	delay := wait.Backoff{Duration: 250 * time.Millisecond, Factor: 1.2, Cap: 2 * time.Second, Steps: 20}.DelayFunc()
	err := delay.Until(ctx, true, true, func(context.Context) (bool, error) {
		var ok bool
		ok, seen = ask()
		return ok, nil
	})
	if err != nil {
		t.Fatalf("%s: not within %s; last seen: %s", what, within, seen)
	}
}

// wantOutput asks with kubectl until the output is want.
func (k kube) wantOutput(want string, within time.Duration, args ...string) {
	k.t.Helper()
	k.wantThat("says "+want, within, func(out string) bool { return strings.TrimSpace(out) == want }, args...)
}

// wantThat asks with kubectl until the output is as it should be.
func (k kube) wantThat(what string, within time.Duration, fits func(out string) bool, args ...string) {
	k.t.Helper()
	eventually(k.t, "kubectl "+strings.Join(args, " ")+" "+what, within, func() (bool, string) {
		out, err := k.try("", args...)
		if err != nil {
			return false, err.Error()
		}
		return fits(out), out
	})
}

// cluster is a user cluster of one test.
type cluster struct {
	t               *testing.T
	name, namespace string
}

const pool = "nodePools: [{name: workers, replicas: %d, provider: {local: {}}}]"

// create applies a HostedCluster with the given spec, and deletes it when the test ends.
func create(t *testing.T, name, spec string) cluster {
	t.Helper()
	c := cluster{t, name, "cluster-" + name}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := seed(t).try("", "-n", c.namespace, "get", "hostedcluster,cluster,machine,pod", "-o", "wide")
			describe, _ := seed(t).try("", "-n", c.namespace, "get", "hostedcluster", name, "-o", "yaml")
			t.Logf("what there is in %s:\n%s\n%s", c.namespace, out, describe)
		}
		c.delete()
	})
	c.apply(spec)
	return c
}

func (c cluster) apply(spec string) {
	c.t.Helper()
	seed(c.t).apply(fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %s}
---
apiVersion: hosting.canopy.dev/v1alpha1
kind: HostedCluster
metadata: {name: %s, namespace: %s}
spec: {%s}
`, c.namespace, c.name, c.namespace, spec))
}

// status returns a field of the HostedCluster.
func (c cluster) status(jsonpath string) string {
	c.t.Helper()
	out, err := seed(c.t).try("", "-n", c.namespace, "get", "hostedcluster", c.name, "-o", "jsonpath="+jsonpath)
	if err != nil {
		return err.Error()
	}
	return out
}

// ready waits until the cluster is as its spec wants it.
func (c cluster) ready(within time.Duration) {
	c.t.Helper()
	c.condition("Ready", "True", "Ready", within)
}

func (c cluster) condition(condition, status, reason string, within time.Duration) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("cluster %s has %s=%s (%s)", c.name, condition, status, reason), within, func() (bool, string) {
		generation := c.status(`{.metadata.generation}`)
		got := c.status(fmt.Sprintf(`{range .status.conditions[?(@.type=="%s")]}{.status} {.reason} {.observedGeneration} {.message}{end}`, condition))
		return strings.HasPrefix(got, status+" "+reason+" "+generation+" "), got
	})
}

// inside is the user cluster, reached as its users reach it.
func (c cluster) inside() kube {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), c.name+".yaml")
	if err := os.WriteFile(path, []byte(canopy(c.t, "kubeconfig", c.name, "--kubeconfig", local.KubeconfigPath, "--print")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return kube{c.t, path}
}

// delete deletes the cluster and waits until nothing of it is left.
func (c cluster) delete() {
	c.t.Helper()
	if _, err := seed(c.t).try("", "-n", c.namespace, "delete", "hostedcluster", c.name, "--ignore-not-found", "--wait=false"); err != nil {
		c.t.Error(err)
	}
	eventually(c.t, "the namespace of "+c.name+" is gone", 3*time.Minute, func() (bool, string) {
		out, err := seed(c.t).try("", "get", "namespace", c.namespace, "--ignore-not-found", "-o", "name")
		if err != nil {
			return false, err.Error()
		}
		return out == "", c.status(`{range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{end}`)
	})
}
