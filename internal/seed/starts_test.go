// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

func TestControlPlanesStartByCore(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	var objs []client.Object
	names := []string{"a", "b", "c", "d"}
	for i, name := range names {
		objs = append(objs, &v1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{
			Namespace: v1alpha1.NamespacePrefix + name, Name: name, UID: types.UID(name),
			CreationTimestamp: metav1.NewTime(now.Now().Add(time.Duration(i) * time.Second)),
		}})
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "seed"}}
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	cordoned := node.DeepCopy()
	cordoned.Name, cordoned.Spec.Unschedulable = "cordoned", true
	c := fake.NewClientBuilder().WithScheme(Scheme()).WithStatusSubresource(&v1alpha1.HostedCluster{}).
		WithObjects(append(objs, node, cordoned)...).Build()
	newReconciler := func() *HostedClusterReconciler {
		return &HostedClusterReconciler{Client: c, Clock: now, starts: newStarts(), prober: newProber()}
	}
	r := newReconciler()
	turn := func(name string) bool {
		t.Helper()
		hc := &v1alpha1.HostedCluster{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.NamespacePrefix + name, Name: name}, hc); err != nil {
			t.Fatal(err)
		}
		before := hc.DeepCopy()
		err := r.takeTurn(t.Context(), hc)
		if _, finish := kube.Finish(t.Context(), c, before, hc, err); finish != nil {
			t.Fatal(finish)
		}
		return err == nil
	}
	answer := func(name string) {
		t.Helper()
		hc := &v1alpha1.HostedCluster{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.NamespacePrefix + name, Name: name}, hc); err != nil {
			t.Fatal(err)
		}
		hc.Status.Version = "1.37.2"
		hc.Status.Conditions = append(hc.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionControlPlaneAvailable, Status: metav1.ConditionTrue, Reason: "Available",
			LastTransitionTime: metav1.NewTime(now.Now().Add(10 * time.Second)),
		})
		if err := c.Status().Update(t.Context(), hc); err != nil {
			t.Fatal(err)
		}
	}

	for i, name := range names {
		if got := turn(name); got != (i < 2) {
			t.Errorf("of two cores, cluster %s has one: %v", name, got)
		}
	}
	if !turn("a") {
		t.Error("a cluster that is being started loses its turn")
	}
	answer("a")
	if err := r.wakeQueued(t.Context()); err != nil || len(r.prober.Answered) != 2 {
		t.Errorf("when one answers, %d clusters are woken (%v), want those that wait", len(r.prober.Answered), err)
	}
	if turn("d") {
		t.Error("a cluster goes before an older one that waits")
	}
	if !turn("c") || turn("d") {
		t.Error("when one has answered, exactly the next one starts")
	}

	goesOn := func(name string) bool {
		t.Helper()
		hc := &v1alpha1.HostedCluster{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.NamespacePrefix + name, Name: name}, hc); err != nil {
			t.Fatal(err)
		}
		return r.makeWay(t.Context(), hc) == nil
	}
	if goesOn("a") {
		t.Error("what runs in a cluster takes CPU from control planes that were asked for at the same time")
	}
	now.SetTime(now.Now().Add(startFor))
	if !turn("d") {
		t.Error("control planes that never answer hold up others for ever")
	}
	now.SetTime(now.Now().Add(startFor))
	if !goesOn("a") {
		t.Error("control planes that never answer hold up the nodes of others for ever")
	}
}
