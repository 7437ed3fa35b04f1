// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/usercluster"
)

const (
	// transferred is how many bytes one exec prints to measure throughput.
	transferred = 200_000_000
	// turn is how many calls one path makes before it is the next one's turn, so that all see the same machine.
	turn = 50
)

// path is one way to a pod.
type path struct {
	name   string
	config *rest.Config
	client kubernetes.Interface
	execs  []float64 // milliseconds
	// kubelet is what exec is asked of, for example "https://10.0.0.7:10250"; empty: the API.
	kubelet string
}

// tunnels measures exec through each tunnel, as people call it, and the tunnel's own part in that: the same exec asked of the
// node's kubelet through the tunnel, and directly. It reports what the parts of the tunnels take at rest, too.
func (b *bench) tunnels(ctx context.Context, execs int, rest time.Duration) error {
	var paths []*path
	for name, tunnel := range map[string]v1alpha1.Tunnel{"openvpn": v1alpha1.TunnelOpenVPN, "konnectivity": v1alpha1.TunnelKonnectivity} {
		p, err := b.tunnelCluster(ctx, name, tunnel)
		if err != nil {
			return err
		}
		paths = append(paths, p)
	}
	for _, p := range paths {
		if err := p.prepare(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		defer p.cleanUp() //nolint:contextcheck // also after an interrupt
	}
	if err := pause(ctx, rest); err != nil {
		return err
	}
	for _, p := range paths {
		if err := b.tunnelAtRest(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range slices.Clone(paths) {
		kubelet, err := b.kubeletPaths(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		paths = append(paths, kubelet...)
	}
	return compareExecs(ctx, paths, execs)
}

// compareExecs reports the execs of all paths, which are the tunnels, and then for each its kubelet through it and directly.
func compareExecs(ctx context.Context, paths []*path, execs int) error {
	for done := 0; done < execs; done += turn {
		for _, p := range paths {
			if err := p.callOften(ctx, min(turn, execs-done)); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	for _, p := range paths {
		emit("exec_"+p.name, "ms", slices.Clone(p.execs))
		var rates []float64
		for range 3 {
			start := time.Now()
			if err := p.exec(ctx, "head", "-c", fmt.Sprint(transferred), "/dev/zero"); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			rates = append(rates, transferred/mb/time.Since(start).Seconds())
		}
		emit("exec_throughput_"+p.name, "MB/s", rates)
	}
	for i := 2; i < len(paths); i += 2 {
		emitDifference("tunnel_added_"+paths[i].name, "ms", paths[i].execs, paths[i+1].execs)
	}
	return nil
}

// tunnelCluster returns the way into a new cluster with one node.
func (b *bench) tunnelCluster(ctx context.Context, name string, tunnel v1alpha1.Tunnel) (*path, error) {
	cluster := "bench-" + name
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.NamespacePrefix + cluster}}
	if err := b.seed.Create(ctx, namespace); err != nil {
		return nil, err
	}
	b.made = append(b.made, cluster)
	hc := hostedCluster(cluster)
	hc.Spec.Network.Tunnel = tunnel
	if err := b.seed.Create(ctx, hc); err != nil {
		return nil, err
	}
	config, _, err := b.inside(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return newPath(name, config)
}

func newPath(name string, config *rest.Config) (*path, error) {
	config.QPS = -1
	c, err := kubernetes.NewForConfig(config)
	return &path{name: name, config: config, client: c}, err
}

const (
	benchPod       = "bench-exec"
	benchContainer = "busybox"
)

// prepare starts the pod to exec in, and waits until that works.
func (p *path) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := p.client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: benchPod},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(0)),
			Containers:                    []corev1.Container{{Name: benchContainer, Image: images.Ref("busybox"), Command: []string{"sleep", "86400"}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		return p.exec(ctx, "true") == nil, nil
	})
}

func (p *path) cleanUp() {
	_ = p.client.CoreV1().Pods("default").Delete(context.Background(), benchPod, metav1.DeleteOptions{})
}

func (p *path) callOften(ctx context.Context, n int) error {
	for range n {
		start := time.Now()
		if err := p.exec(ctx, "true"); err != nil {
			return err
		}
		p.execs = append(p.execs, 1000*time.Since(start).Seconds())
	}
	return nil
}

// exec runs a command in the pod and reads what it prints.
func (p *path) exec(ctx context.Context, command ...string) error {
	address := p.kubelet + "/exec/default/" + benchPod + "/" + benchContainer + "?output=1&error=1&" + url.Values{"command": command}.Encode()
	if p.kubelet == "" {
		address = p.client.CoreV1().RESTClient().Get().Namespace("default").Resource("pods").Name(benchPod).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL().String()
	}
	executor, err := remotecommand.NewWebSocketExecutor(p.config, "GET", address)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard})
}

// tunnelAtRest reports memory and CPU of the parts of a tunnel at both ends.
func (b *bench) tunnelAtRest(ctx context.Context, p *path) error {
	var uids []string
	servers := &corev1.PodList{}
	if err := b.seed.List(ctx, servers, client.InNamespace(v1alpha1.NamespacePrefix+"bench-"+p.name)); err != nil {
		return err
	}
	clients, err := p.client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range append(servers.Items, clients.Items...) {
		switch pod.Labels[v1alpha1.LabelComponent] {
		case openvpn.Server, openvpn.Client, usercluster.KonnectivityAgent:
			uids = append(uids, string(pod.UID))
		case "control-plane":
			if p.name == "konnectivity" { // its server is in there
				uids = append(uids, string(pod.UID))
			}
		}
	}
	return restOf(ctx, "tunnel_"+p.name, uids, func(comm string) bool {
		return comm == "openvpn" || comm == "tunnel" || strings.HasPrefix(comm, "proxy-")
	})
}
