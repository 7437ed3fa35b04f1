// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/forward"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/tunnel"
)

// keysDir and socketDir are where a control plane's container has its keys and Konnectivity's socket.
const (
	keysDir   = "/etc/kubernetes/pki"
	egress    = "/etc/kubernetes/config/egress.yaml"
	socketDir = "/run/konnectivity"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// kubeletPaths returns two ways to the kubelet of the only node of a cluster: through its tunnel, as its kube-apiserver
// goes, and directly from the platform's node, which no NetworkPolicy keeps from its own pods.
func (b *bench) kubeletPaths(ctx context.Context, cluster *path) ([]*path, error) {
	nodes, err := cluster.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	if len(nodes.Items) != 1 {
		return nil, fmt.Errorf("want one node, there are %d", len(nodes.Items))
	}
	namespace := v1alpha1.NamespacePrefix + "bench-" + cluster.name
	controlPlane, err := b.processIn(ctx, keysDir+"/apiserver.crt", client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelComponent: controlplane.Name})
	if err != nil {
		return nil, err
	}
	onNode, err := b.processIn(ctx, "/etc/passwd", client.InNamespace(metav1.NamespaceSystem), client.MatchingLabels{"k8s-app": "kube-proxy"})
	if err != nil {
		return nil, err
	}
	through, err := b.egressOf(ctx, cluster.name, namespace, controlPlane)
	if err != nil {
		return nil, err
	}
	keys := filepath.Join("/proc", fmt.Sprint(controlPlane), "root", keysDir)
	node := nodes.Items[0].Status.Addresses[0].Address
	var paths []*path
	for _, way := range []struct {
		name string
		dial dialFunc
	}{{"_kubelet", through}, {"_kubelet_directly", dialFrom(onNode)}} {
		local, err := listenFor(ctx, way.dial, net.JoinHostPort(node, "10250"))
		if err != nil {
			return nil, err
		}
		paths = append(paths, &path{name: cluster.name + way.name, kubelet: "https://" + local, config: &rest.Config{TLSClientConfig: rest.TLSClientConfig{
			ServerName: node, CAFile: filepath.Join(keys, "ca.crt"), CertFile: filepath.Join(keys, "kubelet-client.crt"), KeyFile: filepath.Join(keys, "kubelet-client.key"),
		}}})
	}
	return paths, nil
}

// listenFor listens on an address of this machine, which it returns, and carries each connection on to another. The client
// of exec does not let its caller dial.
func listenFor(ctx context.Context, dial dialFunc, to string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		_ = forward.Accept(listener, func(client net.Conn) {
			go func() {
				server, err := dial(ctx, "tcp", to)
				if err != nil {
					fmt.Fprintf(os.Stderr, "bench: %s: %s\n", to, err)
					_ = client.Close()
					return
				}
				forward.Between(client, server, nil, nil)
			}()
		})
	}()
	return listener.Addr().String(), nil
}

// processIn returns a process of the first pod that matches, in a container that has the file.
func (b *bench) processIn(ctx context.Context, file string, opts ...client.ListOption) (int, error) {
	pods := &corev1.PodList{}
	if err := b.seed.List(ctx, pods, opts...); err != nil {
		return 0, err
	}
	if len(pods.Items) == 0 {
		return 0, fmt.Errorf("no pod matches %v", opts)
	}
	pids, err := processesOf(string(pods.Items[0].UID))
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if _, err := os.Stat(filepath.Join("/proc", fmt.Sprint(pid), "root", file)); err == nil {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("pod %s has no container that runs and has %s", pods.Items[0].Name, file)
}

// dialFrom dials from the network of another process.
func dialFrom(pid int) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		there, err := netns.GetFromPid(pid)
		if err != nil {
			return nil, err
		}
		defer there.Close()
		runtime.LockOSThread() // and never unlocked unless it came back: the thread ends with its goroutine
		here, err := netns.Get()
		if err != nil {
			return nil, err
		}
		defer here.Close()
		if err := netns.Set(there); err != nil {
			return nil, err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if back := netns.Set(here); back != nil {
			return nil, errors.Join(err, back)
		}
		runtime.UnlockOSThread()
		return conn, err
	}
}

// egressOf returns the way by which a cluster's kube-apiserver opens connections to it.
func (b *bench) egressOf(ctx context.Context, name, namespace string, controlPlane int) (dialFunc, error) {
	root := filepath.Join("/proc", fmt.Sprint(controlPlane), "root")
	if name == "konnectivity" {
		content, err := os.ReadFile(filepath.Join(root, egress))
		if err != nil {
			return nil, err
		}
		dir, err := os.MkdirTemp("", "canopy-bench-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		file := filepath.Join(dir, "egress.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(content), socketDir, root+socketDir)), 0o600); err != nil {
			return nil, err
		}
		config, err := egressselector.ReadEgressSelectorConfiguration(file)
		if err != nil {
			return nil, err
		}
		selector, err := egressselector.NewEgressSelector(config)
		if err != nil {
			return nil, err
		}
		dial, err := selector.Lookup(egressselector.Cluster.AsNetworkContext())
		return dialFunc(dial), err
	}
	service := &corev1.Service{}
	if err := b.seed.Get(ctx, client.ObjectKey{Namespace: namespace, Name: openvpn.Server}, service); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(root, keysDir, "egress-client.crt"), filepath.Join(root, keysDir, "egress-client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(root, keysDir, "openvpn-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: openvpn.Server + "." + namespace + ".svc", MinVersion: tls.VersionTLS13}
	relay := net.JoinHostPort(service.Spec.ClusterIP, fmt.Sprint(tunnel.RelayPort))
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := dialFrom(controlPlane)(ctx, "tcp", relay)
		if err != nil {
			return nil, err
		}
		return connect(tls.Client(conn, config), address)
	}, nil
}

// connect asks for a connection to address.
func connect(conn net.Conn, address string) (net.Conn, error) {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close() // there is none: what follows is the connection's
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT %s: %s", address, answer.Status)
	}
	return conn, nil // a TLS server says nothing before its client does
}
