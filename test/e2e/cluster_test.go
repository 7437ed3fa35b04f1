// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// workloads are a web server on every node, in front of it a Service, and a client.
const workloads = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: agnhost
        image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
        args: [netexec, --http-port=8080]
        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  containers:
  - name: agnhost
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [pause]
`

func TestAUserClusterRunsPods(t *testing.T) {
	const spec = `version: 1.37.2, coreDNS: {replicas: 2}`
	c := create(t, "e2e-pods", spec+`, `+fmt.Sprintf(pool, 2))
	c.ready(3 * time.Minute)
	k := c.inside()
	k.apply(workloads)
	k.run("rollout", "status", "daemonset/web", "--timeout=2m")
	k.run("wait", "--for=condition=Ready", "pod/client", "--timeout=2m")

	t.Run("pods on both nodes reach each other", func(t *testing.T) {
		k := kube{t, k.kubeconfig}
		addresses := strings.Fields(k.run("get", "pod", "-l", "app=web", "-o", "jsonpath={.items[*].status.podIP}"))
		if len(addresses) != 2 {
			t.Fatalf("want a pod on each of two nodes, got %v", addresses)
		}
		for _, address := range addresses {
			k.wantOutput("web-answers", time.Minute, "exec", "client", "--", "sh", "-c", "curl -sf -m 5 http://"+address+":8080/echo?msg=web-answers")
		}
	})
	t.Run("a service is reached by its name", func(t *testing.T) {
		kube{t, k.kubeconfig}.wantOutput("web-answers", time.Minute, "exec", "client", "--", "curl", "-sf", "-m", "5", "http://web.default.svc.cluster.local/echo?msg=web-answers")
	})
	t.Run("the API is reached from a pod", func(t *testing.T) {
		kube{t, k.kubeconfig}.wantOutput("200", time.Minute, "exec", "client", "--", "curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "https://kubernetes.default/livez")
	})
	t.Run("logs, exec and port-forward work", func(t *testing.T) {
		k := kube{t, k.kubeconfig}
		if out := k.run("logs", "daemonset/web"); !strings.Contains(out, "Started HTTP server on port 8080") {
			t.Errorf("logs: %q", out)
		}
		if out := k.run("exec", "client", "--", "echo", "hello"); strings.TrimSpace(out) != "hello" {
			t.Errorf("exec: %q", out)
		}
		portForward(t, k)
	})
	t.Run("a network policy keeps others out", func(t *testing.T) { networkPolicy(t, kube{t, k.kubeconfig}) })
	t.Run("a volume holds data", func(t *testing.T) { volume(t, kube{t, k.kubeconfig}) })
	t.Run("a pool shrinks, and goes with its last machine", func(t *testing.T) {
		c := cluster{t, c.name, c.namespace}
		c.apply(spec + `, ` + fmt.Sprintf(pool, 1))
		kube{t, k.kubeconfig}.wantOutput("1", 2*time.Minute, "get", "nodes", "-o", "go-template={{len .items}}")
		c.ready(time.Minute)
		// Both DNS servers and both ends of the tunnel are on this one now, and their budgets let one of each go.
		c.apply(spec)
		kube{t, k.kubeconfig}.wantOutput("0", 2*time.Minute, "get", "nodes", "-o", "go-template={{len .items}}")
		eventually(t, "the machines are gone", time.Minute, func() (bool, string) {
			left := c.status("{.status.nodePools}")
			return left == "" || left == "[]", left
		})
	})
}

func portForward(t *testing.T, k kube) {
	t.Helper()
	// kubectl proxies by itself what a port-forward would carry; here both ends are checked in one command.
	script := fmt.Sprintf(`%s --kubeconfig %s port-forward service/web 18080:80 >/dev/null & pid=$!
trap 'kill $pid' EXIT
for i in $(seq 100); do curl -sf -m 2 'http://127.0.0.1:18080/echo?msg=forwarded' && exit 0; kill -0 $pid || exit 1; sleep 0.1; done; exit 1`,
		binary(t, "kubectl"), k.kubeconfig)
	out, err := run(t.Context(), "", "bash", "-c", script)
	if err != nil || out != "forwarded" {
		t.Errorf("port-forward: %q, %v", out, err)
	}
}

func networkPolicy(t *testing.T, k kube) {
	t.Helper()
	get := []string{"exec", "client", "--", "sh", "-c", "curl -s -m 2 -o /dev/null -w %{http_code} http://web; true"}
	k.apply(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
`)
	k.wantOutput("000", 30*time.Second, get...)
	k.run("label", "pod", "client", "app=friend", "--overwrite")
	k.wantOutput("200", 30*time.Second, get...)
	k.run("delete", "networkpolicy", "web")
}

const writer = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: writer}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: writer}}
  template:
    metadata: {labels: {app: writer}}
    spec:
      securityContext: {runAsUser: 1000, runAsNonRoot: true, fsGroup: 1000}
      containers:
      - name: busybox
        image: registry.k8s.io/e2e-test-images/busybox:1.37.0-2
        command: [sh, -c, "[ -f /data/first ] || date +%s.%N > /data/first; sleep infinity & wait"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

// volume writes to a volume and reads it from another pod.
func volume(t *testing.T, k kube) {
	t.Helper()
	k.apply(writer)
	k.run("rollout", "status", "deployment/writer", "--timeout=2m")
	first := k.run("exec", "deployment/writer", "--", "cat", "/data/first")
	k.run("delete", "pod", "-l", "app=writer", "--grace-period=0", "--force")
	k.run("rollout", "status", "deployment/writer", "--timeout=2m")
	k.wantOutput(strings.TrimSpace(first), time.Minute, "exec", "deployment/writer", "--", "cat", "/data/first")
}

func anUpgradeKeepsData(t *testing.T) {
	c := create(t, "e2e-upgrade", `version: 1.36.3, `+fmt.Sprintf(pool, 1))
	c.ready(4 * time.Minute)
	k := c.inside()
	k.wantOutput("v1.36.3", time.Minute, "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
	k.apply(writer)
	k.run("rollout", "status", "deployment/writer", "--timeout=2m")
	first := strings.TrimSpace(k.run("exec", "deployment/writer", "--", "cat", "/data/first"))

	c.apply(`version: 1.37.2, ` + fmt.Sprintf(pool, 1))
	c.ready(6 * time.Minute)
	if got := c.status("{.status.version}"); got != "1.37.2" {
		t.Errorf("the control plane runs %s", got)
	}
	k.wantOutput("v1.37.2", time.Minute, "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
	k.run("rollout", "status", "deployment/writer", "--timeout=2m")
	k.wantOutput(first, time.Minute, "exec", "deployment/writer", "--", "cat", "/data/first")
}

func TestAChangeOfTheSpecRollsOut(t *testing.T) {
	c := create(t, "e2e-change", `version: 1.37.2`)
	c.condition("ControlPlaneAvailable", "True", "Available", 2*time.Minute)
	c.apply(`version: 1.37.2, coreDNS: {replicas: 2}, apiServer: {certSANs: [api.example.test], extraArgs: {v: "3"}}`)
	c.condition("ControlPlaneUpToDate", "True", "UpToDate", 2*time.Minute)
	c.condition("ControlPlaneAvailable", "True", "Available", time.Minute)
	k := c.inside()
	k.wantOutput("2", time.Minute, "-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.spec.replicas}")
	out, err := run(t.Context(), "", "bash", "-c", "echo | openssl s_client -connect "+strings.TrimPrefix(c.status("{.status.endpoint}"), "https://")+" 2>/dev/null | openssl x509 -noout -ext subjectAltName")
	if err != nil || !strings.Contains(out, "DNS:api.example.test") {
		t.Errorf("the certificate lacks the new name: %s %v", out, err)
	}
	if args := seed(t).run("-n", c.namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.spec.containers[*].args}"); !strings.Contains(args, `"--v=3"`) {
		t.Errorf("the flag is not there: %s", args)
	}
}
