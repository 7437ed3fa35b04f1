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

const agnhost = `
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers:
  - name: agnhost
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [pause]
`

// inPod asks the API from a pod by the Service "kubernetes", with the pod's own token and the certificate checked.
const inPod = `d=/var/run/secrets/kubernetes.io/serviceaccount; curl -s -m 5 -o /dev/null -w %{http_code} --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" https://kubernetes.default.svc/version`

// Node ports are what all other tests' clusters have.
func TestExposeStrategies(t *testing.T) {
	for name, tc := range map[string]struct{ spec, want string }{
		"loadbalancer":              {`expose: {strategy: LoadBalancer}`, "https://10.202.1."},
		"gateway":                   {`expose: {strategy: Gateway}`, "https://10.202.0.2:30043"},
		"gateway-with-konnectivity": {`expose: {strategy: Gateway}, network: {tunnel: Konnectivity}`, "https://10.202.0.2:30043"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := create(t, "e2e-"+name, `version: 1.37.2, `+tc.spec+`, `+fmt.Sprintf(pool, 1))
			c.ready(5 * time.Minute)
			if got := c.status("{.status.endpoint}"); !strings.HasPrefix(got, tc.want) {
				t.Errorf("the endpoint is %s, want %s…", got, tc.want)
			}
			k := c.inside()
			k.run("get", "nodes")
			k.apply(agnhost)
			k.run("wait", "--for=condition=Ready", "pod/client", "--timeout=2m")
			// The command gets there through the tunnel, and back from there by the Service.
			k.wantOutput("200", time.Minute, "exec", "client", "--", "sh", "-c", inPod)
		})
	}
}

// prober asks the API from a pod, all the time, and notes on a volume when it does not answer.
const prober = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: failures}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prober}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: prober}}
  template:
    metadata: {labels: {app: prober}}
    spec:
      containers:
      - name: agnhost
        image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
        command: [sh, -c]
        args:
        - |
          trap 'exit 0' TERM
          while true; do
            curl -sk -m 5 -o /dev/null https://10.240.16.1/livez || echo "$(date) $(hostname) curl ended with $?" >>/data/failures
            echo >>/data/asked
            sleep 0.2
          done
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: failures}}]
`

func aLiveClusterMovesToTheGateway(t *testing.T) {
	c := create(t, "e2e-move", `version: 1.37.2, expose: {strategy: NodePort}, `+fmt.Sprintf(pool, 1))
	c.ready(3 * time.Minute)
	old := c.inside()
	old.apply(prober)
	old.run("rollout", "status", "deployment/prober", "--timeout=2m")
	node := old.run("get", "nodes", "-o", "name")
	restarts := []string{"-n", c.namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.metadata.uid} {.status.containerStatuses[*].restartCount}"}
	controlPlane := seed(t).run(restarts...)

	c.apply(`version: 1.37.2, expose: {strategy: Gateway}, ` + fmt.Sprintf(pool, 1))
	eventually(t, "the status says that kubeconfigs change", time.Minute, func() (bool, string) {
		got := c.status(`{.status.conditions[?(@.type=="Exposed")].status} {.status.conditions[?(@.type=="Exposed")].message}`)
		return strings.HasPrefix(got, "True kubeconfigs have to be fetched anew"), got
	})
	old.run("get", "nodes") // the old way still works
	c.ready(4 * time.Minute)
	k := c.inside()
	if now := k.run("get", "nodes", "-o", "name"); now == node {
		t.Errorf("the machine was not replaced: %s", now)
	}
	k.run("rollout", "status", "deployment/prober", "--timeout=2m")
	k.wantOutput("198.18.77.1", time.Minute, "get", "endpointslice", "kubernetes", "-o", "jsonpath={.endpoints[*].addresses[*]}")
	// It asks for a while longer, where the Service leads now.
	asked := strings.TrimSpace(k.run("exec", "deployment/prober", "--", "sh", "-c", "wc -l </data/asked"))
	eventually(t, "the pod goes on asking", time.Minute, func() (bool, string) {
		now, err := k.try("", "exec", "deployment/prober", "--", "sh", "-c", "wc -l </data/asked")
		return err == nil && len(strings.TrimSpace(now)) > 0 && strings.TrimSpace(now) != asked, now
	})
	if failures := k.run("exec", "deployment/prober", "--", "sh", "-c", "cat /data/failures 2>/dev/null || true"); failures != "" {
		t.Errorf("the API did not answer in pods:\n%s", failures)
	}
	if now := seed(t).run(restarts...); now != controlPlane {
		t.Errorf("the control plane was restarted: %s, then %s", controlPlane, now)
	}
	seed(t).wantOutput("ClusterIP", time.Minute, "-n", c.namespace, "get", "service", "kube-apiserver", "-o", "jsonpath={.spec.type}")
	if out, err := old.try("", "get", "nodes", "--request-timeout=5s"); err == nil {
		t.Errorf("the old endpoint still works, though no machine uses it: %s", out)
	}
	if events := seed(t).run("-n", c.namespace, "get", "events", "-o", "jsonpath={.items[*].reason}"); !strings.Contains(events, "EndpointChanged") {
		t.Errorf("no event tells of the new endpoint: %s", events)
	}
}
