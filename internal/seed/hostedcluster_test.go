// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

// clusterTest is one HostedCluster and a reconciler that is called by hand. No pod starts here, so its API never answers.
type clusterTest struct {
	*testing.T
	*HostedClusterReconciler
	hc *v1alpha1.HostedCluster
}

func newClusterTest(t *testing.T, name string, mods ...func(*v1alpha1.HostedClusterSpec)) clusterTest {
	t.Helper()
	c := newClient(t)
	ns := v1alpha1.NamespacePrefix + name
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	hc := &v1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, Spec: v1alpha1.HostedClusterSpec{Version: "1.37.2"}}
	for _, mod := range mods {
		mod(&hc.Spec)
	}
	opts := Options{Exposure: controlplane.Exposure{Address: "192.0.2.1"}, ReservedCIDRs: []string{"10.203.0.0/16"}, Clock: clock.RealClock{}, Context: t.Context()}
	return clusterTest{t, &HostedClusterReconciler{
		Client: c, APIReader: c, Applier: &kube.Applier{Client: c, Live: c}, Clock: opts.Clock, Options: opts,
		Events: events.NewFakeRecorder(100),
		prober: newProber(), addons: &addons{options: opts}, starts: newStarts(),
	}, create(t, c, hc)}
}

// step reconciles once, and returns the Ready condition that comes of it.
func (c clusterTest) step() metav1.Condition {
	c.Helper()
	c.get(c.hc, c.hc.Name)
	_, _ = c.Reconcile(c.Context(), c.hc) // what it says is in the condition
	c.get(c.hc, c.hc.Name)
	ready := meta.FindStatusCondition(c.hc.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		c.Fatal("there is no Ready condition")
	}
	return *ready
}

// answered makes the cluster one whose API has answered once, so that there is what follows then.
func (c clusterTest) answered() {
	c.Helper()
	patchStatus(c.T, c.Client, c.hc, func() { c.hc.Status.Version = c.hc.Spec.Version })
	c.step()
}

func (c clusterTest) get(obj client.Object, name string) {
	c.Helper()
	if err := c.Get(c.Context(), client.ObjectKey{Namespace: c.hc.Namespace, Name: name}, obj); err != nil {
		c.Fatal(err)
	}
}

func (c clusterTest) secret(name string) map[string][]byte {
	c.Helper()
	secret := &corev1.Secret{}
	c.get(secret, name)
	return secret.Data
}

// versions returns the resource versions of everything in the namespace.
func (c clusterTest) versions() map[string]string {
	c.Helper()
	versions := map[string]string{}
	for _, gvk := range []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Secret"), corev1.SchemeGroupVersion.WithKind("Service"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"), networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
		v1alpha1.GroupVersion.WithKind("HostedCluster"),
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := c.List(c.Context(), list, client.InNamespace(c.hc.Namespace)); err != nil {
			c.Fatal(err)
		}
		for _, item := range list.Items {
			versions[gvk.Kind+"/"+item.Name] = item.ResourceVersion
		}
	}
	return versions
}

func TestAClusterIsMade(t *testing.T) {
	c := newClusterTest(t, "made")
	ready := c.step()
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonWaitingForAPI || !strings.Contains(ready.Message, "etcd: its pod does not exist yet") {
		t.Errorf("Ready: %+v", ready)
	}
	if !strings.HasPrefix(c.hc.Status.Endpoint, "https://192.0.2.1:3") {
		t.Errorf("status.endpoint: %q", c.hc.Status.Endpoint)
	}
	for _, want := range []string{
		"Secret/ca", "Secret/front-proxy-ca", "Secret/service-account", "Secret/control-plane", "Secret/made-kubeconfig",
		"Service/kube-apiserver", "StatefulSet/control-plane", "PersistentVolumeClaim/etcd-data", "NetworkPolicy/deny",
		"Secret/openvpn-ca", "Secret/openvpn", "Secret/openvpn-client",
	} {
		if c.versions()[want] == "" {
			t.Errorf("%s was not made", want)
		}
	}
	first := c.versions()
	c.step()
	if diff := cmp.Diff(first, c.versions()); diff != "" {
		t.Errorf("a second time changed something:\n%s", diff)
	}
}

func TestASpecThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		mod             func(*v1alpha1.HostedClusterSpec)
		reason, message string
	}{
		"no-such-version": {
			func(s *v1alpha1.HostedClusterSpec) { s.Version = "1.35.9" },
			v1alpha1.ReasonUnsupportedVersion, "spec.version: Kubernetes 1.35.9 is not available; available are 1.37.2, 1.36.3",
		},
		"no-such-pool-version": {
			func(s *v1alpha1.HostedClusterSpec) {
				s.NodePools = []v1alpha1.NodePool{{Name: "a", Version: "1.36.0", Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}}}
			},
			v1alpha1.ReasonUnsupportedVersion, "spec.nodePools[0].version: Kubernetes 1.36.0 is not available; available are 1.37.2, 1.36.3",
		},
		"seeds-range": {
			func(s *v1alpha1.HostedClusterSpec) { s.Network.PodCIDR = "10.203.128.0/20" },
			v1alpha1.ReasonNetworkOverlap, "spec.network.podCIDR: 10.203.128.0/20 overlaps with 10.203.0.0/16, which the seed itself uses: create the cluster with another range",
		},
		"seeds-flag": {
			func(s *v1alpha1.HostedClusterSpec) { s.Scheduler.ExtraArgs = map[string]string{"kubeconfig": "/tmp/x"} },
			v1alpha1.ReasonInvalidSpec, "spec.scheduler.extraArgs: kubeconfig is set by the seed and cannot be replaced: remove it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClusterTest(t, name, tc.mod)
			ready := c.step()
			if ready.Reason != tc.reason || ready.Message != tc.message {
				t.Errorf("got  %s: %s\nwant %s: %s", ready.Reason, ready.Message, tc.reason, tc.message)
			}
			if c.hc.Status.ObservedGeneration != c.hc.Generation {
				t.Error("it is not said that the spec was looked at")
			}
		})
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	port := func(s *v1alpha1.HostedClusterSpec) { s.Expose.Port = 30777 }
	first := newClusterTest(t, "port-a", port)
	first.step()
	second := newClusterTest(t, "port-b", port)
	if ready := second.step(); ready.Reason != v1alpha1.ReasonPortTaken {
		t.Errorf("Ready: %+v", ready)
	}
	service := &corev1.Service{}
	first.get(service, controlplane.APIServer)
	if err := first.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	if ready := second.step(); ready.Reason != v1alpha1.ReasonWaitingForAPI {
		t.Errorf("the port is free and the cluster is still not made: %+v", ready)
	}
}

func TestKeysAreNeverOverwritten(t *testing.T) {
	c := newClusterTest(t, "keys")
	c.step()
	before := c.secret(controlplane.SecretCA)

	// A cache that is behind does not know the Secrets yet.
	behind := interceptor.NewClient(c.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, live client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*corev1.Secret); ok {
				return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
			}
			return live.Get(ctx, key, obj, opts...)
		},
	})
	r := *c.HostedClusterReconciler
	r.Client = behind
	keys, err := r.ensureAuthorities(t.Context(), c.hc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before["tls.crt"], keys.ca.Cert); diff != "" {
		t.Error("another authority is used than the one that was made")
	}
	if diff := cmp.Diff(before["tls.crt"], c.secret(controlplane.SecretCA)["tls.crt"]); diff != "" {
		t.Error("the authority was overwritten")
	}
}

func TestAMissingKeyOfARunningClusterIsReported(t *testing.T) {
	c := newClusterTest(t, "lost")
	c.step()
	patchStatus(t, c.Client, c.hc, func() { c.hc.Status.Version = "1.37.2" })
	secret := &corev1.Secret{}
	c.get(secret, controlplane.SecretCA)
	if err := c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason != v1alpha1.ReasonSecretMissing || !strings.Contains(ready.Message, "Secret cluster-lost/ca is gone") {
		t.Errorf("Ready: %+v", ready)
	}
}

func TestANewNameIsCertified(t *testing.T) {
	c := newClusterTest(t, "names")
	c.step()
	keys := func() string {
		set := &appsv1.StatefulSet{}
		c.get(set, controlplane.Name)
		return set.Spec.Template.Annotations[controlplane.AnnotationKeys]
	}
	before, client1 := keys(), c.secret(controlplane.SecretCertificates)["scheduler.crt"]
	c.hc.Spec.APIServer.CertSANs = []string{"api.example.test"}
	if err := c.Update(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	c.step()
	if keys() == before {
		t.Error("the pod is not replaced")
	}
	data := c.secret(controlplane.SecretCertificates)
	block, _ := pem.Decode(data["apiserver.crt"])
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(cert.DNSNames, "api.example.test") {
		t.Errorf("the certificate is for %v", cert.DNSNames)
	}
	if !slices.Equal(client1, data["scheduler.crt"]) {
		t.Error("a certificate was renewed that was still good")
	}
}

func TestDeletionSaysWhatItWaitsFor(t *testing.T) {
	c := newClusterTest(t, "bye")
	c.step()
	c.answered()
	if err := c.Delete(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	ready := c.step()
	if ready.Reason != v1alpha1.ReasonDeleting || !strings.Contains(ready.Message, "waiting for Cluster API to learn") {
		t.Errorf("Ready: %+v", ready)
	}
	for strings.Contains(ready.Message, "waiting for Cluster API to learn") { // kind by kind
		ready = c.step()
	}
	if ready.Reason != v1alpha1.ReasonDeleting || !strings.Contains(ready.Message, "waiting for the namespace to be emptied of ConfigMap control-plane, PersistentVolumeClaim etcd-data, Secret bye-kubeconfig") {
		t.Errorf("Ready: %+v", ready)
	}
	claim := &corev1.PersistentVolumeClaim{}
	c.get(claim, "etcd-data")
	claim.Finalizers = nil // which the controller manager would remove
	if err := c.Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	if ready = c.step(); ready.Reason != v1alpha1.ReasonDeleting || !strings.Contains(ready.Message, "waiting for Cluster API to finish") {
		t.Errorf("Ready: %+v", ready)
	}
	cluster := &clusterv1.Cluster{}
	c.get(cluster, c.hc.Name)
	cluster.Finalizers = nil // which Cluster API would remove
	if err := c.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reconcile(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: c.hc.Namespace}, ns); err != nil || ns.DeletionTimestamp.IsZero() {
		t.Errorf("the namespace is not being deleted: %v", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(c.hc), c.hc); !apierrors.IsNotFound(err) {
		t.Errorf("the HostedCluster is still there: %v", err)
	}
}
