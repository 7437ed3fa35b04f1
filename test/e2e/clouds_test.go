// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/local"
	"canopy.dev/canopy/test/cloud/accounts"
	"canopy.dev/canopy/test/cloud/core"
)

// TestMachinesAtClouds makes a cluster at AWS and at the test clouds that have no part in inEachDatacenter, with a node that runs a
// pod. At AWS it loses an instance and makes a load balancer. Nothing is left when the clusters are deleted.
func TestMachinesAtClouds(t *testing.T) {
	for name, a := range accounts.All() {
		if _, ok := providerIDs[name]; ok && name != v1alpha1.ProviderAWS {
			continue
		}
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			a.Booter = newBooter(t, "instances-"+string(name))
			account, err := a.At(serve(t, a))
			if err != nil {
				t.Fatal(err)
			}
			c := create(t, "at-"+string(name), fmt.Sprintf(`version: %s, cloud: {place: %s}, nodePools: [{name: workers, replicas: 1, provider: %s}]`,
				images.DefaultKubernetesVersion(), asYAML(t, account.Place), asYAML(t, a.Machine)))
			c.condition("CloudReady", "False", "SecretMissing", time.Minute)
			seed(t).apply(credentials(c, account.Credentials))
			c.ready(5 * time.Minute)
			k := c.inside()
			k.run("create", "deployment", "web", "--image="+images.Ref("nginx"))
			k.run("rollout", "status", "deployment", "web", "--timeout=100s")
			node := k.run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name} {.items[0].spec.providerID}")
			if machines := a.Machines(); len(machines) != 1 || !strings.Contains(node, machines[0].ID) {
				t.Errorf("the node is %s, and the instances are %v", node, machines)
			}
			if name == v1alpha1.ProviderAWS { // what follows is the same for all
				isReplaced(t, a, k, strings.Fields(node)[0])
				isBalanced(t, a, k)
			}
			c.delete()
			if left := a.Left(); len(left) > 0 {
				t.Errorf("the cloud still has %v", left)
			}
			t.Logf("calls: %v", a.Calls())
		})
	}
}

// isReplaced takes the only instance away behind everybody's back.
func isReplaced(t *testing.T, a accounts.Account, k kube, node string) {
	t.Helper()
	if err := a.Vanish(t.Context(), a.Machines()[0].ID); err != nil {
		t.Fatal(err)
	}
	k.wantThat("is another node that is ready", 5*time.Minute, func(out string) bool {
		return strings.HasSuffix(out, " True") && !strings.HasPrefix(out, node)
	}, "get", "nodes", "-o", `jsonpath={.items[*].metadata.name} {.items[*].status.conditions[?(@.type=="Ready")].status}`)
}

// isBalanced makes a load balancer, and leaves it to the cluster's deletion.
func isBalanced(t *testing.T, a accounts.Account, k kube) {
	t.Helper()
	k.run("expose", "deployment", "web", "--port=80", "--type=LoadBalancer")
	k.wantThat("has a name", 2*time.Minute, func(out string) bool { return strings.HasSuffix(out, ".elb.amazonaws.com") },
		"get", "service", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].hostname}")
	if left := strings.Join(a.Left(), " "); !strings.Contains(left, "load-balancer ") {
		t.Errorf("the cloud has no load balancer, but %s", left)
	}
}

// asYAML is a value in the form of YAML that is JSON.
func asYAML(t *testing.T, value any) string {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// serve serves the cloud where the platform's pods reach it, and returns its URL.
func serve(t *testing.T, a accounts.Account) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(local.DefaultSettings().HostAddress().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a.Handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

func credentials(c cluster, data map[string][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata: {name: provider-credentials, namespace: %s, labels: {hosting.canopy.dev/cluster: %s}}\ndata:\n", c.namespace, c.name)
	for key, value := range data {
		fmt.Fprintf(&b, "  %s: %s\n", key, base64.StdEncoding.EncodeToString(value))
	}
	return b.String()
}

// booter boots instances as pods.
type booter struct {
	t         *testing.T
	namespace string
}

func newBooter(t *testing.T, namespace string) booter {
	t.Helper()
	seed(t).apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n")
	t.Cleanup(func() {
		if _, err := seed(t).try("", "delete", "namespace", namespace, "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	return booter{t, namespace}
}

// pod is the name of an instance's pod.
func (b booter) pod(id string) string {
	return "i-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(id))
}

// Boot makes the pod.
func (b booter) Boot(_ context.Context, i core.Instance) error {
	image, err := images.Kubernetes("node", images.DefaultKubernetesVersion())
	if err != nil {
		return err
	}
	_, err = seed(b.t).try(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: %[1]s, namespace: %[2]s}
data: {user-data: %[3]s}
stringData: {meta-data: '{instance-id: %[1]s, local-hostname: %[1]s}'}
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  automountServiceAccountToken: false
  dnsPolicy: Default
  terminationGracePeriodSeconds: 1
  containers:
  - name: machine
    image: %[4]s
    tty: true
    securityContext: {privileged: true}
    volumeMounts:
    - {name: user-data, mountPath: /var/lib/cloud/seed/nocloud, readOnly: true}
    - {name: containerd, mountPath: /var/lib/containerd}
    - {name: kubelet, mountPath: /var/lib/kubelet}
    - {name: log, mountPath: /var/log}
  volumes:
  - {name: user-data, secret: {secretName: %[1]s}}
  - {name: containerd, emptyDir: {}}
  - {name: kubelet, emptyDir: {}}
  - {name: log, emptyDir: {}}
`, b.pod(i.ID), b.namespace, base64.StdEncoding.EncodeToString(i.UserData), image), "create", "-f", "-")
	if err != nil {
		b.t.Logf("booting instance %s: %v", i.ID, err)
	}
	return err
}

// Look asks for the pod's address.
func (b booter) Look(_ context.Context, id string) (address string, running bool) {
	out, err := seed(b.t).try("", "-n", b.namespace, "get", "pod", b.pod(id), "-o", "jsonpath={.status.podIP} {.status.phase}")
	if err != nil {
		return "", false
	}
	address, phase, _ := strings.Cut(out, " ")
	return address, phase == "Running"
}

// Stop deletes the pod.
func (b booter) Stop(_ context.Context, id string) error {
	_, err := seed(b.t).try("", "-n", b.namespace, "delete", "pod,secret", b.pod(id), "--ignore-not-found", "--wait=false")
	return err
}
