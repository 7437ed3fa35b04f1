// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// delete takes a cluster away from its seed:
//
//  1. the HostedCluster   the seed deletes what it made, and says how far it is
//  2. the namespace       if the HostedCluster never came to be; the seed deletes it otherwise
//  3. the Cluster
//
// It returns true when the Cluster is gone, so that there is no status left to write.
func (r *ClusterReconciler) delete(ctx context.Context, cluster *v1alpha1.Cluster) (bool, error) {
	if cluster.Status.ID == "" {
		// Not from the cache, which may not know the place that was just chosen.
		live := &v1alpha1.Cluster{}
		if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(cluster), live); err != nil {
			return true, client.IgnoreNotFound(err)
		}
		if live.UID != cluster.UID || live.Status.ID == "" {
			return true, kube.RemoveFinalizer(ctx, r.Client, cluster, v1alpha1.FinalizerCluster)
		}
		cluster.Status = live.Status
	}
	conn, err := r.connection(ctx, cluster)
	if err != nil {
		return false, err
	}
	for _, step := range []func(context.Context, *Connection, string) (string, error){deleteHostedCluster, deleteNamespace} {
		waitsFor, err := step(ctx, conn, cluster.Status.ID)
		if err != nil {
			return false, fmt.Errorf("seed %s: %w", cluster.Status.Seed, err)
		}
		if waitsFor != "" {
			return false, kube.Wait(v1alpha1.ReasonDeleting, fmt.Sprintf("seed %s: %s", cluster.Status.Seed, waitsFor), deletionRetry)
		}
	}
	conn.Applier.Forget(hostingv1alpha1.NamespacePrefix + cluster.Status.ID)
	return true, kube.RemoveFinalizer(ctx, r.Client, cluster, v1alpha1.FinalizerCluster)
}

func deleteHostedCluster(ctx context.Context, conn *Connection, id string) (string, error) {
	hc := &hostingv1alpha1.HostedCluster{}
	if err := conn.Live.Get(ctx, client.ObjectKey{Namespace: hostingv1alpha1.NamespacePrefix + id, Name: id}, hc); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if hc.DeletionTimestamp.IsZero() {
		return "the deletion begins", kube.Delete(ctx, conn.Client, hc)
	}
	if ready := meta.FindStatusCondition(hc.Status.Conditions, hostingv1alpha1.ConditionReady); ready != nil && ready.Reason == hostingv1alpha1.ReasonDeleting {
		return ready.Message, nil
	}
	return "waiting for the seed to begin with the deletion", nil
}

func deleteNamespace(ctx context.Context, conn *Connection, id string) (string, error) {
	ns := &corev1.Namespace{}
	if err := conn.Live.Get(ctx, client.ObjectKey{Name: hostingv1alpha1.NamespacePrefix + id}, ns); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if ns.DeletionTimestamp.IsZero() {
		if err := kube.Delete(ctx, conn.Client, ns); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("waiting for the namespace %s to be emptied by Kubernetes", ns.Name), nil
}
