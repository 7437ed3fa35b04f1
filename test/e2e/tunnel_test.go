// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/pki"
)

// The same calls through each tunnel, with the cluster switched from one to the other while it runs.
func theTunnel(t *testing.T) {
	const spec = `version: 1.37.2, network: {tunnel: %s}, ` + pool
	c := create(t, "e2e-tunnel", fmt.Sprintf(spec, "OpenVPN", 2))
	c.ready(3 * time.Minute)
	k := c.inside()
	k.apply(workloads)
	webhook(t, k)
	k.run("rollout", "status", "daemonset/web", "--timeout=2m")
	k.run("rollout", "status", "deployment/webhook", "--timeout=2m")
	k.run("wait", "--for=condition=Ready", "pod/client", "--timeout=2m")

	t.Run("OpenVPN", func(t *testing.T) { everyCall(t, kube{t, k.kubeconfig}) })
	t.Run("there is no other way", func(t *testing.T) { noOtherWay(t, c) })
	t.Run("it comes back in seconds", func(t *testing.T) { killedServer(t, c, kube{t, k.kubeconfig}) })
	t.Run("its certificates change under load", func(t *testing.T) { newKeys(t, c, kube{t, k.kubeconfig}) })
	t.Run("one client is enough", func(t *testing.T) {
		k := kube{t, k.kubeconfig}
		k.run("-n", "kube-system", "delete", "pod", "openvpn-client-0", "--grace-period=0", "--force")
		if out := k.run("exec", "client", "--", "echo", "hello"); strings.TrimSpace(out) != "hello" {
			t.Errorf("exec: %q", out)
		}
	})
	t.Run("Konnectivity", func(t *testing.T) {
		c := cluster{t, c.name, c.namespace}
		c.apply(fmt.Sprintf(spec, "Konnectivity", 2))
		c.ready(2 * time.Minute)
		everyCall(t, kube{t, k.kubeconfig})
		if left := strings.TrimSpace(seed(t).run("-n", c.namespace, "get", "deployment,configmap", "-o", "name", "-l", "hosting.canopy.dev/component=openvpn")); left != "" {
			t.Errorf("of the other tunnel, there is still %s", left)
		}
	})
	t.Run("and back", func(t *testing.T) {
		c := cluster{t, c.name, c.namespace}
		c.apply(fmt.Sprintf(spec, "OpenVPN", 2))
		c.ready(2 * time.Minute)
		everyCall(t, kube{t, k.kubeconfig})
	})
}

// everyCall makes each kind of call that goes from the control plane into the user cluster.
func everyCall(t *testing.T, k kube) {
	t.Helper()
	if out := k.run("logs", "daemonset/web"); !strings.Contains(out, "Started HTTP server on port 8080") {
		t.Errorf("logs: %q", out)
	}
	if out := k.run("exec", "client", "--", "echo", "hello"); strings.TrimSpace(out) != "hello" {
		t.Errorf("exec: %q", out)
	}
	if out := k.run("run", "attached", "--image=registry.k8s.io/e2e-test-images/busybox:1.37.0-2", "--restart=Never", "--rm", "--attach", "--quiet", "--", "sh", "-c", "sleep 1; echo attached"); !strings.Contains(out, "attached") {
		t.Errorf("attach: %q", out)
	}
	portForward(t, k)
	k.wantOutput("through-the-service", time.Minute, "get", "--raw", "/api/v1/namespaces/default/services/web:80/proxy/echo?msg=through-the-service")
	pod := strings.Fields(k.run("get", "pod", "-l", "app=web", "-o", "name"))[0]
	k.wantOutput("through-the-pod", time.Minute, "get", "--raw", "/api/v1/namespaces/default/"+strings.Replace(pod, "pod/", "pods/", 1)+":8080/proxy/echo?msg=through-the-pod")
	if _, err := k.try("", "create", "configmap", "refused", "--from-literal=a=b"); err == nil || !strings.Contains(err.Error(), "this webhook denies all requests") {
		t.Errorf("the webhook was not asked: %v", err)
	}
	names := func(name string) func(string) bool {
		return func(out string) bool { return strings.Contains(out, name) }
	}
	k.wantThat("lists nodes", 2*time.Minute, names("workers"), "top", "nodes", "--no-headers")
	k.wantThat("lists pods", 2*time.Minute, names("client"), "top", "pods", "--no-headers")
}

// webhook serves a webhook in the user cluster that refuses every ConfigMap called "refused".
func webhook(t *testing.T, k kube) {
	t.Helper()
	ca, err := pki.NewCA("webhook", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Leaf{CommonName: "webhook", Names: []string{"webhook.default.svc"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	k.apply(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: webhook}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: webhook}
spec:
  selector: {matchLabels: {app: webhook}}
  template:
    metadata: {labels: {app: webhook}}
    spec:
      containers:
      - name: agnhost
        image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
        args: [webhook, --tls-cert-file=/keys/tls.crt, --tls-private-key-file=/keys/tls.key, --port=8444]
        readinessProbe: {httpGet: {path: /readyz, port: 8444, scheme: HTTPS}, periodSeconds: 1}
        volumeMounts: [{name: keys, mountPath: /keys}]
      volumes: [{name: keys, secret: {secretName: webhook}}]
---
apiVersion: v1
kind: Service
metadata: {name: webhook}
spec:
  selector: {app: webhook}
  ports: [{port: 443, targetPort: 8444}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: refuse}
webhooks:
- name: refuse.canopy.test
  clientConfig: {caBundle: %s, service: {namespace: default, name: webhook, path: /always-deny}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  matchConditions: [{name: its-name, expression: "object.metadata.name == 'refused'"}]
  admissionReviewVersions: [v1]
  sideEffects: None
`, encode(pair.Cert), encode(pair.Key), encode(ca.Cert)))
}

// noOtherWay tries, from a pod of the seed, what only the tunnel and the API may reach.
func noOtherWay(t *testing.T, c cluster) {
	t.Helper()
	k := seed(t)
	const probe = "e2e-probe"
	t.Cleanup(func() { _, _ = k.try("", "delete", "pod", probe, "--ignore-not-found", "--grace-period=1") })
	k.run("run", probe, "--image=registry.k8s.io/e2e-test-images/agnhost:2.66.1", "--restart=Never", "--", "pause")
	k.run("wait", "--for=condition=Ready", "pod/"+probe, "--timeout=1m")
	address := func(component string) string {
		return strings.Fields(k.run("-n", c.namespace, "get", "pod", "-l", "hosting.canopy.dev/component="+component, "-o", "jsonpath={.items[*].status.podIP}"))[0]
	}
	controlPlane, server, node := address("control-plane"), address("openvpn"), address("machine")
	for target, open := range map[string]bool{
		controlPlane + ":6443":  true,
		server + ":1194":        true,
		controlPlane + ":2379":  false, // etcd
		controlPlane + ":2381":  false, // its metrics
		controlPlane + ":10257": false, // kube-controller-manager
		controlPlane + ":10259": false, // kube-scheduler
		server + ":8131":        false, // the way into the tunnel
		server + ":8133":        false,
		node + ":10250":         false, // kubelet
	} {
		_, err := k.try("", "exec", probe, "--", "/agnhost", "connect", "--timeout=2s", target)
		if got := err == nil; got != open {
			t.Errorf("%s: open is %t, want %t (%v)", target, got, open, err)
		}
	}
}

// killedServer ends the tunnel's server under a running exec: the next one works within five seconds.
func killedServer(t *testing.T, c cluster, k kube) {
	t.Helper()
	seed(t).run("-n", c.namespace, "delete", "pod", "-l", "hosting.canopy.dev/component=openvpn", "--grace-period=0", "--force")
	killed := time.Now()
	k.wantOutput("hello", time.Minute, "exec", "client", "--", "echo", "hello")
	t.Logf("back after %s", time.Since(killed).Round(100*time.Millisecond))
}

// newKeys has all certificates of the tunnel issued anew while calls go through it.
func newKeys(t *testing.T, c cluster, k kube) {
	t.Helper()
	var calls, failures atomic.Int32
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			calls.Add(1)
			if _, err := k.try("", "exec", "client", "--", "true"); err != nil {
				failures.Add(1)
			}
		}
	}()
	s := seed(t)
	serial := func() string {
		return s.run("-n", c.namespace, "get", "secret", "openvpn", "-o", `go-template={{index .data "server.crt"}}`)
	}
	before := serial()
	s.run("-n", c.namespace, "delete", "secret", "openvpn", "openvpn-client")
	for deadline := time.Now().Add(time.Minute); ; {
		if out, err := s.try("", "-n", c.namespace, "get", "secret", "openvpn", "-o", `go-template={{index .data "server.crt"}}`); err == nil && out != before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the certificates were not issued anew")
		}
	}
	s.run("-n", c.namespace, "rollout", "status", "deployment/openvpn", "--timeout=1m")
	k.run("-n", "kube-system", "rollout", "status", "statefulset/openvpn-client", "--timeout=2m")
	close(stop)
	<-stopped
	t.Logf("%d calls, %d of them failed", calls.Load(), failures.Load())
	if calls.Load() < 5 || failures.Load()*2 > calls.Load() {
		t.Errorf("%d of %d calls failed", failures.Load(), calls.Load())
	}
	if out := k.run("exec", "client", "--", "echo", "hello"); strings.TrimSpace(out) != "hello" {
		t.Errorf("exec: %q", out)
	}
}
