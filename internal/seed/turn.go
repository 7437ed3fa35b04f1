// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// startsFor is how long a control plane counts as one that starts: one that cannot must not keep others waiting.
const startsFor = 30 * time.Second

// turn returns a *kube.WaitingError while a new control plane must wait for others that start. A start takes all of a core,
// so more of them at once than there are cores would all be late, and none done earlier.
func (r *HostedClusterReconciler) turn(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	if begun(hc) {
		return nil
	}
	list := &v1alpha1.HostedClusterList{}
	if err := r.List(ctx, list); err != nil {
		return fmt.Errorf("reading which control planes start: %w", err)
	}
	ahead := ahead(hc, list.Items, r.Clock.Now())
	if ahead == 0 {
		return nil
	}
	cores, err := r.cores(ctx)
	if err != nil || ahead < cores {
		return err
	}
	// The message does not count: it would be written anew for each that waits whenever one has started.
	return kube.Wait(v1alpha1.ReasonQueued, fmt.Sprintf("control planes that were created earlier start first, as many at a time as the seed's nodes have cores (%d)", cores), startsFor)
}

// cores returns the number of cores of the seed's nodes; at least one.
func (r *HostedClusterReconciler) cores(ctx context.Context) (int, error) {
	nodes := &corev1.NodeList{}
	if err := r.List(ctx, nodes); err != nil {
		return 0, fmt.Errorf("counting the cores of the seed's nodes: %w", err)
	}
	n := int64(0)
	for i := range nodes.Items {
		n += nodes.Items[i].Status.Allocatable.Cpu().Value()
	}
	return max(int(n), 1), nil
}

// begun reports whether the cluster's control plane was made, now or long ago.
func begun(hc *v1alpha1.HostedCluster) bool {
	return meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionControlPlaneAvailable) != nil
}

// starting reports whether the cluster's control plane was made and has not answered yet.
func starting(hc *v1alpha1.HostedCluster, now time.Time) bool {
	available := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionControlPlaneAvailable)
	return available != nil && hc.Status.Version == "" && now.Sub(available.LastTransitionTime.Time) < startsFor
}

// queued reports whether the cluster waits for its turn, or was not looked at yet.
func queued(hc *v1alpha1.HostedCluster) bool {
	ready := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionReady)
	return !begun(hc) && (ready == nil || ready.Reason == v1alpha1.ReasonQueued)
}

// ahead returns how many control planes start before that of hc: those that are starting, and those in the queue that were
// created earlier.
func ahead(hc *v1alpha1.HostedCluster, all []v1alpha1.HostedCluster, now time.Time) int {
	n := 0
	for i := range all {
		other := &all[i]
		earlier := cmp.Or(other.CreationTimestamp.Compare(hc.CreationTimestamp.Time), cmp.Compare(other.Name, hc.Name)) < 0
		if other.DeletionTimestamp.IsZero() && (starting(other, now) || queued(other) && earlier) {
			n++
		}
	}
	return n
}

// madePlace lets clusters through whose control plane has come up, or whose deletion has begun.
var madePlace = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.HostedCluster)
		after, ok2 := e.ObjectNew.(*v1alpha1.HostedCluster)
		return ok && ok2 && (before.Status.Version != after.Status.Version || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// queuedClusters returns those that wait for their turn.
func (r *HostedClusterReconciler) queuedClusters(ctx context.Context, _ client.Object) []reconcile.Request {
	list := &v1alpha1.HostedClusterList{}
	if err := r.List(ctx, list); err != nil {
		return nil // the cache only fails before it has started
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if hc := &list.Items[i]; queued(hc) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(hc)})
		}
	}
	return requests
}
