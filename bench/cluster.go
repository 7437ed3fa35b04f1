// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/local"
)

const (
	// poll is how often an address is asked; each time costs CPU that the cluster under test does not get.
	poll     = 100 * time.Millisecond
	patience = 5 * time.Minute
)

type bench struct {
	seed    client.WithWatch
	idleCPU float64 // CPU seconds that the platform takes in a second at rest
	mu      sync.Mutex
	made    []string
}

func newBench() (*bench, error) {
	config, err := clientcmd.BuildConfigFromFlags("", local.KubeconfigPath)
	if err != nil {
		return nil, fmt.Errorf("%w: run make up first", err)
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	return &bench{seed: c}, err
}

// cleanUp deletes what an early end left.
func (b *bench) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range b.made {
		if err := b.delete(ctx, name); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// atOnce creates n clusters at once.
func (b *bench) atOnce(ctx context.Context, n int) ([]times, error) {
	all, errs := make([]times, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { all[i], errs[i] = b.cluster(ctx, fmt.Sprintf("bench-%d-of-%d", i, n), false) })
	}
	group.Wait()
	return all, errors.Join(errs...)
}

// cluster creates one cluster, waits for its API, its first node and its first pod, and deletes it.
func (b *bench) cluster(ctx context.Context, name string, alone bool) (t times, err error) {
	namespace := v1alpha1.NamespacePrefix + name
	if err := b.seed.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return t, err
	}
	b.mu.Lock()
	b.made = append(b.made, name)
	b.mu.Unlock()
	cpu, err := cpuSeconds()
	if err != nil {
		return t, err
	}
	start := time.Now()
	since := func() float64 { return time.Since(start).Seconds() }
	if err := b.seed.Create(ctx, hostedCluster(name)); err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.waitForReadyz(ctx, name); err != nil {
		return t, fmt.Errorf("waiting for the API of %s: %w", name, err)
	}
	t.readyz = since()
	if alone {
		used, err := cpuSeconds()
		if err != nil {
			return t, err
		}
		t.cpu = used - cpu - b.idleCPU*t.readyz
	}
	if t.nodeReady, t.podRunning, err = b.waitForPod(ctx, name, since); err != nil {
		return t, fmt.Errorf("waiting for the first pod of %s: %w", name, err)
	}
	deleted := time.Now()
	err = b.delete(ctx, name)
	t.gone = time.Since(deleted).Seconds()
	return t, err
}

func hostedCluster(name string) *v1alpha1.HostedCluster {
	return &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.NamespacePrefix + name},
		Spec: v1alpha1.HostedClusterSpec{
			Version:   images.DefaultKubernetesVersion(),
			NodePools: []v1alpha1.NodePool{{Name: "pool", Replicas: new(int32(1)), Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}}},
		},
	}
}

// waitForReadyz learns the address that the user gets and asks it until it answers.
func (b *bench) waitForReadyz(ctx context.Context, name string) error {
	asker := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // only the time of the answer matters
	}}
	defer asker.CloseIdleConnections()
	endpoint := ""
	return wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		if endpoint == "" {
			hc := &v1alpha1.HostedCluster{}
			if err := b.seed.Get(ctx, client.ObjectKey{Namespace: v1alpha1.NamespacePrefix + name, Name: name}, hc); err != nil {
				return false, err
			}
			if endpoint = hc.Status.Endpoint; endpoint == "" {
				return false, nil
			}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/readyz", nil)
		if err != nil {
			return false, err
		}
		resp, err := asker.Do(req)
		if err != nil {
			return false, nil // not yet
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
}

func (b *bench) waitForPod(ctx context.Context, name string, since func() float64) (nodeReady, podRunning float64, err error) {
	_, inside, err := b.inside(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	if _, err := inside.AppsV1().Deployments("default").Create(ctx, deployment(), metav1.CreateOptions{}); err != nil {
		return 0, 0, err
	}
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		if nodeReady == 0 {
			nodes, err := inside.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			if err != nil || len(nodes.Items) == 0 || !isReady(nodes.Items[0]) {
				return false, nil
			}
			nodeReady = since()
		}
		pods, err := inside.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		return err == nil && len(pods.Items) > 0 && pods.Items[0].Status.Phase == corev1.PodRunning, nil
	})
	return nodeReady, since(), err
}

// inside returns a client for the user cluster. The cluster must sign its certificate first, so it is tried for a while.
func (b *bench) inside(ctx context.Context, name string) (*rest.Config, kubernetes.Interface, error) {
	var inside kubernetes.Interface
	var config *rest.Config
	err := wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		kubeconfig, err := access.Kubeconfig(ctx, access.Request{Place: access.Place{Name: name, ID: name, Seed: b.seed}, User: "bench", Groups: []string{access.AdminGroup}, TTL: time.Hour})
		if err != nil {
			return false, nil
		}
		if config, err = clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig(); err != nil {
			return false, err
		}
		config.QPS = -1
		inside, err = kubernetes.NewForConfig(config)
		if err != nil {
			return false, err
		}
		_, err = inside.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	return config, inside, err
}

func deployment() *appsv1.Deployment {
	labels := map[string]string{"app": "bench"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "bench", Image: images.Ref("pause")}}},
			},
		},
	}
}

func isReady(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// delete deletes the cluster and waits until its namespace is gone.
func (b *bench) delete(ctx context.Context, name string) error {
	namespace := v1alpha1.NamespacePrefix + name
	hc := &v1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	if err := b.seed.Delete(ctx, hc); client.IgnoreNotFound(err) != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(b.seed.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})), nil
	})
}
