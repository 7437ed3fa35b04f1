// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// kubeconfig returns that of a cluster.
func kubeconfig(t *testing.T, config *rest.Config, mods ...func(*clientcmdapi.Config)) []byte {
	t.Helper()
	kc := &clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}
	for _, mod := range mods {
		mod(kc)
	}
	content, err := clientcmd.Write(*kc)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func newSeedReconciler(t *testing.T) (*SeedReconciler, client.Client) {
	t.Helper()
	c := newClient(t, &masterConfig)
	ensureNamespace(t, c, v1alpha1.SystemNamespace)
	ensureDefaultClass(t, c)
	ensureDefaultClass(t, newClient(t, &seedConfig))
	seeds := newConnections(t.Context())
	for _, told := range []chan event.GenericEvent{seeds.Connected, seeds.Events} {
		go func() {
			for range told { // nobody else listens
			}
		}()
	}
	return &SeedReconciler{Client: c, Seeds: seeds, Config: &masterConfig, Clock: clock.RealClock{}, ProbePeriod: time.Minute, installing: make(chan struct{}, 1)}, c
}

// ensureDefaultClass makes the storage class that etcd's volumes get.
func ensureDefaultClass(t *testing.T, c client.Client) {
	t.Helper()
	err := c.Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "standard", Annotations: map[string]string{kube.DefaultStorageClassAnnotation: "true"}}, Provisioner: "example.com/disk",
	})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func (r *SeedReconciler) step(t *testing.T, seed *v1alpha1.Seed) metav1.Condition {
	t.Helper()
	get(t, r.Client, seed)
	_, _ = r.Reconcile(t.Context(), seed)
	get(t, r.Client, seed)
	ready := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		t.Fatal("there is no Ready condition")
	}
	return *ready
}

// remove takes a seed away, so that the next one may be the same cluster.
func (r *SeedReconciler) takeAway(t *testing.T, seed *v1alpha1.Seed) {
	t.Helper()
	get(t, r.Client, seed)
	if err := r.Delete(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	get(t, r.Client, seed)
	if _, err := r.Reconcile(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(seed), seed); !apierrors.IsNotFound(err) {
		t.Fatalf("the seed is still there: %v", err)
	}
}

func TestASeedIsConnected(t *testing.T) {
	r, c := newSeedReconciler(t)
	seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "remote"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "remote", Install: v1alpha1.InstallManual}})
	if ready := r.step(t, seed); ready.Reason != v1alpha1.ReasonSecretMissing {
		t.Errorf("Ready: %+v", ready)
	}
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "remote", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: kubeconfig(t, &seedConfig)}})
	if ready := r.step(t, seed); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready: %+v", ready)
	}
	if s := seed.Status; !strings.HasPrefix(s.KubernetesVersion, "v1.") || s.LastContact == nil || s.ClusterUID == "" {
		t.Errorf("status: %+v", s)
	}
	eventually(t, "the seed's HostedClusters are followed", func(context.Context) bool { return r.Seeds.Get("remote") != nil })

	// The master was to install it, too, but has not: it can be removed.
	second := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "remote-again"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "remote", Address: "192.0.2.1"}})
	if ready := r.step(t, second); ready.Reason != v1alpha1.ReasonWrongCluster || !strings.Contains(ready.Message, "the same cluster as Seed remote") {
		t.Errorf("Ready: %+v", ready)
	}
	if ready := r.step(t, seed); ready.Status != metav1.ConditionTrue {
		t.Errorf("the first one is not ready any more: %+v", ready)
	}
	r.takeAway(t, second)
	r.takeAway(t, seed)
	if r.Seeds.Get("remote") != nil {
		t.Error("the connection is still there")
	}
}

func TestTheMasterIsASeed(t *testing.T) {
	r, c := newSeedReconciler(t)
	seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "own"}})
	if ready := r.step(t, seed); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready: %+v", ready)
	}
	r.takeAway(t, seed)
}

func TestASeedThatCannotBeReached(t *testing.T) {
	for name, tc := range map[string]struct {
		config          func(t *testing.T) []byte
		reason, message string
	}{
		"nowhere": {
			func(t *testing.T) []byte {
				t.Helper()
				return kubeconfig(t, &rest.Config{Host: "https://127.0.0.1:1"})
			},
			v1alpha1.ReasonUnreachable, "its API at https://127.0.0.1:1 does not answer: dial: connect: connection refused",
		},
		"itself": {
			func(t *testing.T) []byte { t.Helper(); return kubeconfig(t, &masterConfig) },
			v1alpha1.ReasonWrongCluster, "its kubeconfig leads to the master's own cluster",
		},
		"rubbish": {
			func(*testing.T) []byte { return []byte("password: hunter2") },
			v1alpha1.ReasonInvalidKubeconfig, "Secret canopy-system/rubbish, key kubeconfig: it is not a kubeconfig",
		},
		"expired": {
			func(t *testing.T) []byte {
				t.Helper()
				return kubeconfig(t, &seedConfig, func(kc *clientcmdapi.Config) {
					kc.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "hunter2"}
				})
			},
			v1alpha1.ReasonUnauthorized, "does not accept the credentials in Secret canopy-system/expired: they were withdrawn",
		},
		"command": {
			func(t *testing.T) []byte {
				t.Helper()
				return kubeconfig(t, &seedConfig, func(kc *clientcmdapi.Config) {
					kc.AuthInfos["u"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: "evil", InteractiveMode: "Never"}}
				})
			},
			v1alpha1.ReasonInvalidKubeconfig, "it wants a command or plugin to be run",
		},
		"file": {
			func(t *testing.T) []byte {
				t.Helper()
				return kubeconfig(t, &seedConfig, func(kc *clientcmdapi.Config) {
					kc.AuthInfos["u"] = &clientcmdapi.AuthInfo{TokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"}
				})
			},
			v1alpha1.ReasonInvalidKubeconfig, "it names files",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, c := newSeedReconciler(t)
			create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: tc.config(t)}})
			seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: name, Install: v1alpha1.InstallManual}})
			ready := r.step(t, seed)
			if ready.Reason != tc.reason || !strings.Contains(ready.Message, tc.message) || strings.Contains(ready.Message, "hunter2") {
				t.Errorf("got  %s: %s\nwant %s: %s", ready.Reason, ready.Message, tc.reason, tc.message)
			}
			r.takeAway(t, seed)
		})
	}
}

func TestASeedWithClustersStays(t *testing.T) {
	r, c := newSeedReconciler(t)
	seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "used"}})
	r.step(t, seed)
	cluster := create(t, c, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "on-used", Namespace: "default"}, Spec: v1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"}})
	cluster.Status.Seed = "used"
	if err := c.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	if ready := r.step(t, seed); ready.Reason != v1alpha1.ReasonInUse || seed.Status.Clusters != 1 || seedError(seed) != "" {
		t.Errorf("Ready: %+v, %d clusters, its clusters are told %q", ready, seed.Status.Clusters, seedError(seed))
	}
	if err := c.Delete(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(seed), seed); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}
