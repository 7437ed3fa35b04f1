// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/local"
)

// somebodysMachine is a machine that nobody told anything: a pod of the node image without user data. It is behind two routers that
// translate addresses, as at home behind a provider who does so too, so that nobody can connect to it.
const somebodysMachine = `
apiVersion: v1
kind: Pod
metadata: {name: e2e-own, namespace: default}
spec:
  dnsPolicy: Default
  automountServiceAccountToken: false
  containers:
  - name: machine
    image: %s
    tty: true
    securityContext: {privileged: true}
    command: [sh, -ec]
    args:
    - |
      # router <namespace> <namespace behind it> <network>
      router() {
        ip netns add "$2"
        ip -n "$1" link add inside mtu 1400 type veth peer outside mtu 1400 netns "$2"
        ip -n "$1" address add "$3.1/30" dev inside
        ip -n "$1" link set inside up
        ip -n "$2" address add "$3.2/30" dev outside
        ip -n "$2" link set lo up
        ip -n "$2" link set outside up
        ip -n "$2" route add default via "$3.1"
        nsenter --net="/run/netns/$1" sh -ec "
          echo 1 > /proc/sys/net/ipv4/ip_forward
          nft add table ip router
          nft 'add chain ip router out { type nat hook postrouting priority srcnat; }'
          nft add rule ip router out ip saddr $3.0/30 masquerade"
      }
      ip netns attach provider 1
      router provider home 10.250.1
      router home machine 10.250.2
      exec nsenter --net=/run/netns/machine /sbin/init
    volumeMounts:
    - {name: containerd, mountPath: /var/lib/containerd}
    - {name: kubelet, mountPath: /var/lib/kubelet}
  volumes:
  - {name: containerd, emptyDir: {}}
  - {name: kubelet, emptyDir: {}}
`

const ownPool = `
apiVersion: canopy.dev/v1alpha1
kind: Datacenter
metadata: {name: e2e-racks}
spec: {seed: local, provider: {bringYourOwn: {}}}
---
apiVersion: canopy.dev/v1alpha1
kind: Project
metadata: {name: e2e-own}
spec: {members: [{name: %s, role: Editor}]}
`

const ownCluster = `
apiVersion: canopy.dev/v1alpha1
kind: Cluster
metadata: {name: shop, namespace: project-e2e-own}
spec: {datacenter: e2e-racks, version: %s}
---
apiVersion: canopy.dev/v1alpha1
kind: NodePool
metadata: {name: shop-own, namespace: project-e2e-own}
spec: {cluster: shop, replicas: 1, provider: {bringYourOwn: {}}}
`

// TestAMachineOfOnesOwn joins a machine by the command that the API gives, and takes it out again.
func TestAMachineOfOnesOwn(t *testing.T) {
	const email, base = "e2e-own@example.com", "/api/v1/projects/e2e-own/clusters/shop"
	k := seed(t)
	_, _ = run(t.Context(), "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath) // of a run that was ended
	password := strings.TrimSpace(canopy(t, "issuer", "add-user", email, "--kubeconfig", local.KubeconfigPath))
	t.Cleanup(func() {
		_, err := run(context.Background(), "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath)
		_, err2 := k.try("", "delete", "users.canopy.dev", "--field-selector", "spec.email="+email)
		deleteProject(t, "e2e-own")
		_, err3 := k.try("", "delete", "datacenter", "e2e-racks")
		_, err4 := k.try("", "delete", "pod", "e2e-own", "--ignore-not-found", "--now")
		if err != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Error(err, err2, err3, err4)
		}
	})
	version := images.DefaultKubernetesVersion()
	image, err := images.Kubernetes("node", version)
	if err != nil {
		t.Fatal(err)
	}
	k.apply(fmt.Sprintf(somebodysMachine, image))
	k.apply(fmt.Sprintf(ownPool, email))
	k.run("wait", "namespace/project-e2e-own", "--for=create", "--timeout=1m")
	k.apply(fmt.Sprintf(ownCluster, version))
	me := theAPI(t).logIn(email, password)

	var join struct{ Machine, Command string }
	eventually(t, "there is a command for the machine that is waited for", 3*time.Minute, func() (bool, string) {
		status, content := me.do(http.MethodPost, base+"/nodepools/shop-own/join-command", map[string]any{"ttl": "10m"})
		return status == http.StatusOK && json.Unmarshal(content, &join) == nil, fmt.Sprint(status, string(content))
	})
	k.run("wait", "pod/e2e-own", "--for=condition=Ready", "--timeout=2m")
	own := func(args ...string) (string, error) {
		return k.try("", append([]string{"exec", "e2e-own", "--", "nsenter", "--target=1", "--net"}, args...)...)
	}
	eventually(t, "the machine has booted", 2*time.Minute, func() (bool, string) {
		out, err := own("systemctl", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded"), fmt.Sprint(out, err)
	})
	if out, err := own("sh", "-c", join.Command); err != nil {
		t.Fatalf("joining: %v: %s", err, out)
	}
	k.run("-n", "project-e2e-own", "wait", "nodepool/shop-own", "--for=condition=Ready", "--timeout=3m")
	inside := kube{t, me.kubeconfig(base + "/kubeconfig")}
	if node, err := inside.try("", "--token", me.token, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name} {.items[*].spec.providerID}"); err != nil || !strings.HasPrefix(node, join.Machine+" canopy-own://") {
		t.Errorf("the node is %q: %v", node, err)
	}
	if out, err := inside.try("", "--token", me.token, "-n", "kube-system", "logs", "daemonset/flannel"); err != nil || out == "" {
		t.Errorf("logs of a node that nobody can connect to: %q, %v", out, err)
	}

	if status, content := me.do(http.MethodDelete, base+"/machines/"+join.Machine, nil); status != http.StatusAccepted {
		t.Fatalf("deleting the machine: %d: %s", status, content)
	}
	// Of the last machine the cluster's own pods need not be drained.
	k.run("-n", "project-e2e-own", "scale", "nodepool", "shop-own", "--replicas=0")
	noNode := func() (bool, string) {
		out, err := inside.try("", "--token", me.token, "get", "nodes", "-o", "name")
		return err == nil && out == "", fmt.Sprint(out, err)
	}
	eventually(t, "its node is gone", 3*time.Minute, noNode)
	if out, err := own("systemctl", "restart", "kubelet"); err != nil {
		t.Fatalf("restarting kubelet: %v: %s", err, out)
	}
	eventually(t, "the node that it registers again is gone, too", time.Minute, func() (bool, string) {
		out, err := own("journalctl", "-u", "kubelet", "--no-pager", "-n", "2000")
		registered := strings.Count(out, "Successfully registered node") > 1
		gone, seen := noNode()
		return registered && gone, fmt.Sprint(seen, err)
	})
	if out, err := own("/etc/canopy/leave"); err != nil {
		t.Fatalf("leaving: %v: %s", err, out)
	}
	if out, err := own("sh", "-c", "ls /etc/canopy /var/lib/kubelet; systemctl is-active kubelet"); !strings.Contains(out, "inactive") || strings.Contains(out, "pki") {
		t.Errorf("the machine still has %s, %v", out, err)
	}
}
