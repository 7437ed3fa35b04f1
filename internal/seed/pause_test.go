// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/machine"
)

// machinesRest reports what Cluster API is told.
func (c clusterTest) machinesRest() bool {
	c.Helper()
	rests, err := machinesRest(c.Context(), c.Client, c.hc.Namespace)
	if err != nil {
		c.Fatal(err)
	}
	return rests
}

func TestAPausedClusterIsLeftAlone(t *testing.T) {
	c := newClusterTest(t, "paused")
	c.step()
	c.answered()
	c.change(func(s *v1alpha1.HostedClusterSpec) {
		s.Paused = true
		s.Scheduler.ExtraArgs = map[string]string{"v": "4"}
	})
	config := &corev1.ConfigMap{}
	c.get(config, controlplane.Name)
	if err := c.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	before := c.versions()
	ready := c.step()
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonPaused || !strings.HasPrefix(ready.Message, pausedMessage+"; etcd: its pod does not exist yet") {
		t.Errorf("Ready: %+v", ready)
	}
	if !c.machinesRest() {
		t.Error("its machines are still worked on")
	}
	after := c.versions()
	delete(before, "HostedCluster/paused")
	delete(after, "HostedCluster/paused")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something was changed:\n%s", diff)
	}
	if available := meta.FindStatusCondition(c.hc.Status.Conditions, v1alpha1.ConditionControlPlaneAvailable); available.ObservedGeneration != c.hc.Generation {
		t.Errorf("it is not observed any more: %+v", available)
	}

	c.change(func(s *v1alpha1.HostedClusterSpec) { s.Paused = false })
	if ready := c.step(); ready.Reason != v1alpha1.ReasonWaitingForAPI || c.machinesRest() {
		t.Errorf("Ready: %+v, machines rest: %v", ready, c.machinesRest())
	}
	c.get(config, controlplane.Name)
}

func TestAClusterThatIsMadePausedIsNotMade(t *testing.T) {
	c := newClusterTest(t, "never", func(s *v1alpha1.HostedClusterSpec) { s.Paused = true })
	if ready := c.step(); ready.Reason != v1alpha1.ReasonPaused || ready.Message != pausedMessage+"; it has not been made yet" {
		t.Errorf("Ready: %+v", ready)
	}
	if made := c.versions(); len(made) != 1 {
		t.Errorf("there is more than the HostedCluster: %v", made)
	}
}

func TestAPausedClusterCanBeDeleted(t *testing.T) {
	c := newClusterTest(t, "paused-bye")
	c.step()
	c.answered()
	c.change(func(s *v1alpha1.HostedClusterSpec) { s.Paused = true })
	c.step()
	if err := c.Delete(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason != v1alpha1.ReasonDeleting || !strings.Contains(ready.Message, "not paused any more") || c.machinesRest() {
		t.Errorf("Ready: %+v, machines rest: %v", ready, c.machinesRest())
	}
	if ready := c.step(); !strings.Contains(ready.Message, "that the machines are to go") {
		t.Errorf("Ready: %+v", ready)
	}
}

func TestMachinesOfAPausedClusterRest(t *testing.T) {
	p := newPoolTest(t, "resting")
	capi := &clusterv1.Cluster{}
	pause := func(paused bool) {
		t.Helper()
		if err := p.Get(t.Context(), client.ObjectKeyFromObject(p.cluster), capi); err != nil {
			t.Fatal(err)
		}
		capi.Spec.Paused = &paused
		if err := p.Update(t.Context(), capi); err != nil {
			t.Fatal(err)
		}
	}
	pause(true)
	m := create(t, p.Client, &v1alpha1.ProviderMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: "m"},
		Spec:       v1alpha1.ProviderMachineSpec{Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}},
	})
	b := create(t, p.Client, &v1alpha1.BootstrapConfig{ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: "m"}})
	machines := &ProviderMachineReconciler{Client: p.Client, Providers: machine.Providers{}, Clusters: clustercache.NewFakeEmptyClusterCache()}
	req := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(m)}
	bootstrap := &BootstrapReconciler{Client: p.Client, Live: p.Client}
	step := func() (touched bool) {
		t.Helper()
		if _, err := machines.Reconcile(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if _, err := bootstrap.Reconcile(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := p.Get(t.Context(), req.NamespacedName, m); err != nil {
			t.Fatal(err)
		}
		return len(m.Status.Conditions)+len(b.Status.Conditions) > 0
	}
	if step() {
		t.Errorf("they do not rest: %+v, %+v", m.Status.Conditions, b.Status.Conditions)
	}
	pause(false)
	_, err := machines.Reconcile(t.Context(), req) // without providers it has something to say, too
	_, bErr := bootstrap.Reconcile(t.Context(), b)
	if getErr := p.Get(t.Context(), req.NamespacedName, m); getErr != nil || bErr != nil {
		t.Fatal(err, bErr, getErr)
	}
	if len(m.Status.Conditions) == 0 || len(b.Status.Conditions) == 0 {
		t.Errorf("they still rest: %+v, %+v", m.Status.Conditions, b.Status.Conditions)
	}
}
