// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

// startFor is how long a control plane that does not answer holds up others: several times what one takes alone.
const startFor = 30 * time.Second

// starts remembers which control planes were let go ahead since this process began. What it forgets is still seen by
// their StatefulSets; it is there for the moment until the cache has these.
type starts struct {
	mu    sync.Mutex
	began map[client.ObjectKey]time.Time
}

func newStarts() *starts { return &starts{began: map[client.ObjectKey]time.Time{}} }

// takeTurn returns nil if the cluster's control plane may start, and a *kube.WaitingError if it has to wait for others. To
// start one takes a core for some seconds, so that a seed starts as many at once as it has cores: all of them would be no
// sooner there if they shared these, and most of them much later.
func (r *HostedClusterReconciler) takeTurn(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	if hc.Status.Version != "" {
		return nil // it has answered before
	}
	r.starts.mu.Lock()
	defer r.starts.mu.Unlock()
	if began, err := r.began(ctx, hc); err != nil || !began.IsZero() {
		return err
	}
	others, err := r.others(ctx, hc)
	if err != nil {
		return err
	}
	cores, err := r.cores(ctx)
	if err != nil {
		return err
	}
	ahead, retry := int64(0), startFor
	for _, other := range others {
		if !other.queued {
			ahead, retry = ahead+1, min(retry, other.left)
		} else if other.created.Before(&hc.CreationTimestamp) {
			ahead++
		}
	}
	if ahead < cores {
		r.starts.began[client.ObjectKeyFromObject(hc)] = r.Clock.Now()
		return nil
	}
	message := fmt.Sprintf("other control planes are being started: a seed starts as many at once as it has cores, which are %d", cores)
	setCondition(hc, v1alpha1.ConditionControlPlaneAvailable, false, v1alpha1.ReasonQueued, message)
	return kube.Wait(v1alpha1.ReasonQueued, message, retry)
}

// makeWay returns a *kube.WaitingError while all of a cluster but its control plane has to wait for control planes of others:
// what runs inside, its machines, what watches it. A node boots with all the cores that it can get: of clusters that are
// created together, each would have its API much later, and none its node sooner. Those that are created after the cluster
// has answered do not hold it up.
func (r *HostedClusterReconciler) makeWay(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	answered := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionControlPlaneAvailable)
	nodes := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionNodesReady)
	if answered == nil || answered.Status != metav1.ConditionTrue || nodes != nil && nodes.Reason != v1alpha1.ReasonQueued {
		return nil // it had its turn, or does not answer any more
	}
	r.starts.mu.Lock()
	defer r.starts.mu.Unlock()
	others, err := r.others(ctx, hc)
	if err != nil {
		return err
	}
	for _, other := range others {
		if !answered.LastTransitionTime.Before(&other.created) {
			message := "what runs in the cluster waits for control planes of other clusters that are being started"
			setCondition(hc, v1alpha1.ConditionNodesReady, false, v1alpha1.ReasonQueued, message)
			return kube.Wait(v1alpha1.ReasonQueued, message, other.left)
		}
	}
	return nil
}

// starting is a cluster whose control plane is being started, or waits for its turn.
type starting struct {
	created metav1.Time
	// queued is true if it waits; left is for how much longer it may hold up others.
	queued bool
	left   time.Duration
}

// others returns what else is being started than the cluster.
func (r *HostedClusterReconciler) others(ctx context.Context, hc *v1alpha1.HostedCluster) ([]starting, error) {
	var clusters v1alpha1.HostedClusterList
	if err := r.List(ctx, &clusters); err != nil {
		return nil, fmt.Errorf("reading which control planes are being started: %w", err)
	}
	var found []starting
	for i := range clusters.Items {
		other := &clusters.Items[i]
		if other.Status.Version != "" || other.UID == hc.UID || !other.DeletionTimestamp.IsZero() {
			continue
		}
		began, err := r.began(ctx, other)
		if err != nil {
			return nil, err
		}
		if left := startFor - r.Clock.Since(began); !began.IsZero() && left > 0 {
			found = append(found, starting{other.CreationTimestamp, false, left})
		} else if began.IsZero() && isQueued(other) {
			found = append(found, starting{other.CreationTimestamp, true, startFor})
		}
	}
	return found, nil
}

// began returns when the cluster's control plane was first let go ahead, zero if it was not.
func (r *HostedClusterReconciler) began(ctx context.Context, hc *v1alpha1.HostedCluster) (time.Time, error) {
	key := client.ObjectKeyFromObject(hc)
	if began, ok := r.starts.began[key]; ok {
		return began, nil
	}
	set := &appsv1.StatefulSet{}
	err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Name}, set)
	return set.CreationTimestamp.Time, client.IgnoreNotFound(err)
}

// cores is how many the seed's nodes have for pods.
func (r *HostedClusterReconciler) cores(ctx context.Context) (int64, error) {
	var nodes corev1.NodeList
	if err := r.List(ctx, &nodes); err != nil {
		return 0, fmt.Errorf("reading how many cores the seed has: %w", err)
	}
	var milli int64
	for _, node := range nodes.Items {
		if !node.Spec.Unschedulable {
			milli += node.Status.Allocatable.Cpu().MilliValue()
		}
	}
	return max(1, milli/1000), nil
}

// wakeQueued looks again at all clusters that wait for their turn.
func (r *HostedClusterReconciler) wakeQueued(ctx context.Context) error {
	var clusters v1alpha1.HostedClusterList
	if err := r.List(ctx, &clusters); err != nil {
		return fmt.Errorf("reading which clusters wait for their turn: %w", err)
	}
	for i := range clusters.Items {
		hc := &clusters.Items[i]
		if !isQueued(hc) {
			continue
		}
		select {
		case r.prober.Answered <- event.TypedGenericEvent[*v1alpha1.HostedCluster]{Object: hc}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// isQueued reports whether the cluster's control plane, or its machines, wait for their turn.
func isQueued(hc *v1alpha1.HostedCluster) bool {
	for _, t := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionNodesReady} {
		if c := meta.FindStatusCondition(hc.Status.Conditions, t); c != nil && c.Reason == v1alpha1.ReasonQueued {
			return true
		}
	}
	return false
}

// forget forgets a cluster that is gone.
func (s *starts) forget(hc *v1alpha1.HostedCluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.began, client.ObjectKeyFromObject(hc))
}
