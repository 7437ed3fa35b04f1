// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"canopy.dev/canopy/internal/local/sandbox"
)

// patchesDir is where kubeadm finds the patches of its manifests, in the sandbox.
const patchesDir = "/etc/canopy/patches"

// kubeadmPath holds a kubeadmProgress.
var kubeadmPath = filepath.Join(StateDir, "kubeadm.json")

// kubeadmProgress is how far kubeadm has come in the life of this platform.
type kubeadmProgress struct {
	// Keys: all keys, certificates and kubeconfigs are complete. Before, nothing was started with them, so that half
	// written ones can be thrown away; afterwards data is signed with them, and they stay.
	Keys bool `json:"keys"`
	// Config is the hash of the configuration that `kubeadm init` last completed with.
	Config string `json:"config"`
}

// configAnnotation of a pod is the hash of the configuration that kubeadm made it from.
const configAnnotation = "canopy.dev/config"

// skippedPhases of `kubeadm init`: the keys are there already; preflight checks and kubelet are ours.
const skippedPhases = "preflight,certs,kubeconfig,kubelet-start,show-join-command"

// kubeadmPatches returns patches by file name. The requests that kubeadm writes add up to nearly half of a small
// machine, which would be missing for user clusters; its startup probes look every ten seconds; a second DNS server on
// the same node helps nobody. The hash marks what was made from the configuration with that hash.
func kubeadmPatches(hash string) map[string]string {
	component := func(name, cpu string) string {
		return fmt.Sprintf(`metadata:
  annotations: {%s: %q}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: %s
    resources:
      requests: {cpu: %s}
    startupProbe: {initialDelaySeconds: 0, periodSeconds: 1, failureThreshold: 240}
`, configAnnotation, hash, name, cpu)
	}
	return map[string]string{
		"etcd+strategic.yaml":                    component("etcd", "100m"),
		"kube-apiserver+strategic.yaml":          component("kube-apiserver", "150m"),
		"kube-controller-manager+strategic.yaml": component("kube-controller-manager", "50m"),
		"kube-scheduler+strategic.yaml":          component("kube-scheduler", "50m"),
		"corednsdeployment+strategic.yaml": fmt.Sprintf(`spec:
  replicas: 1
  template:
    metadata:
      annotations: {%s: %q}
    spec:
      containers:
      - name: coredns
        resources:
          requests: {cpu: 20m}
`, configAnnotation, hash),
	}
}

// ensureKubernetes makes kubeadm apply its configuration, the one with the hash, unless it has, and waits until all of
// Kubernetes runs with it in the sandbox p.
func ensureKubernetes(ctx context.Context, p process, hash string) error {
	var progress kubeadmProgress
	if data, err := os.ReadFile(kubeadmPath); err == nil {
		if err := json.Unmarshal(data, &progress); err != nil {
			return fmt.Errorf("%s: %w", kubeadmPath, err)
		}
	}
	if !progress.Keys {
		if err := makeKeys(ctx, p); err != nil {
			return err
		}
		progress.Keys = true
		if err := sandbox.WriteJSON(kubeadmPath, progress); err != nil {
			return err
		}
	}
	if err := errors.Join(publishKubeconfig(), ensureEncryptionKey()); err != nil {
		return err
	}
	if progress.Config != hash {
		apply := kubeadmInit
		if progress.Config != "" {
			apply = kubeadmAgain
		}
		if err := apply(ctx, p, hash); err != nil {
			return err
		}
		progress.Config = hash
		if err := sandbox.WriteJSON(kubeadmPath, progress); err != nil {
			return err
		}
	}
	return awaitSystemPods(ctx, p.Since, hash, allPods)
}

// kubeadmInit makes the cluster.
func kubeadmInit(ctx context.Context, p process, _ string) error {
	return kubeadm(ctx, p, "init", "--skip-phases="+skippedPhases)
}

// kubeadmAgain applies a changed configuration to the cluster. Kubeadm does not expect that its components are replaced,
// so this is waited for here, between its phases.
func kubeadmAgain(ctx context.Context, p process, hash string) error {
	if err := kubeadm(ctx, p, "init", "phase", "etcd", "local"); err != nil {
		return err
	}
	if err := kubeadm(ctx, p, "init", "phase", "control-plane", "all"); err != nil {
		return err
	}
	if err := awaitSystemPods(ctx, p.Since, hash, controlPlanePods); err != nil {
		return err
	}
	if err := kubeadm(ctx, p, "init", "--skip-phases="+skippedPhases+",etcd,control-plane,wait-control-plane"); err != nil {
		return err
	}
	return restartKubeProxy(ctx, p)
}

// makeKeys makes all keys, certificates and kubeconfigs, in place of what a killed kubeadm may have left.
func makeKeys(ctx context.Context, p process) error {
	entries, err := os.ReadDir(kubernetesDir)
	if err != nil {
		return err
	}
	for _, e := range entries { // the directory itself is mounted in the sandbox
		if err := os.RemoveAll(filepath.Join(kubernetesDir, e.Name())); err != nil {
			return err
		}
	}
	if len(entries) > 0 { // kubelet may have seen an older kubeconfig
		if err := os.RemoveAll(filepath.Join(kubeletDir, "pki")); err != nil {
			return err
		}
		if err := p.restartDaemon(ctx, "kubelet"); err != nil {
			return err
		}
	}
	for _, phase := range []string{"certs", "kubeconfig"} {
		if err := kubeadm(ctx, p, "init", "phase", phase, "all"); err != nil {
			return err
		}
	}
	unix.Sync() // the record that they are complete must not reach the disk before they do
	return nil
}

// kubeadm runs in the sandbox. Its output is kept beside the logs of the daemons, and the end of it is in the error.
func kubeadm(ctx context.Context, p process, args ...string) error {
	path := sandbox.LogPath(logDir, "kubeadm")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	args = append([]string{"/usr/local/bin/kubeadm"}, append(args, "--config="+kubeadmConfigPath)...)
	if err := p.run(ctx, out, args...); err != nil {
		return fmt.Errorf("kubeadm (all of its output is in %s): %w\n%s", path, err, lastLines(path, 5))
	}
	return nil
}

// restartKubeProxy makes kube-proxy read its configuration again, of which kubeadm only writes the new version.
func restartKubeProxy(ctx context.Context, p process) error {
	err := p.run(ctx, io.Discard, "/usr/local/bin/kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace=kube-system",
		"rollout", "restart", "daemonset/kube-proxy")
	if err != nil {
		return fmt.Errorf("restart kube-proxy: %w", err)
	}
	return nil
}

func lastLines(path string, n int) []byte {
	content, _ := os.ReadFile(path)
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}

// publishKubeconfig copies kubeadm's administrator kubeconfig to where its user looks for it.
func publishKubeconfig() error {
	config, err := os.ReadFile(filepath.Join(kubernetesDir, "admin.conf"))
	if err != nil {
		return fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	if published, err := os.ReadFile(KubeconfigPath); err == nil && bytes.Equal(published, config) {
		return nil
	}
	return sandbox.WriteFile(KubeconfigPath, config, 0o600)
}

// restConfig returns the configuration of clients of the platform's Kubernetes, without client-go's rate limit.
func restConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", KubeconfigPath)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", KubeconfigPath, err)
	}
	config.QPS = -1
	return config, nil
}

// apiReady asks the API once; the error says what it lacks.
func apiReady(ctx context.Context) error {
	config, err := restConfig()
	if err != nil {
		return err
	}
	config.Timeout = 2 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}
