// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	for _, step := range []func(context.Context, *Connection, *v1alpha1.Cluster) (string, error){deleteHostedCluster, deleteNamespace} {
		waitsFor, err := step(ctx, conn, cluster)
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

func deleteHostedCluster(ctx context.Context, conn *Connection, cluster *v1alpha1.Cluster) (string, error) {
	id, hc := cluster.Status.ID, &hostingv1alpha1.HostedCluster{}
	if err := conn.Live.Get(ctx, client.ObjectKey{Namespace: hostingv1alpha1.NamespacePrefix + id, Name: id}, hc); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if hc.DeletionTimestamp.IsZero() {
		return "the deletion begins", kube.Delete(ctx, conn.Client, hc)
	}
	if err := abandonCloud(ctx, conn, cluster, hc); err != nil {
		return "", err
	}
	if ready := meta.FindStatusCondition(hc.Status.Conditions, hostingv1alpha1.ConditionReady); ready != nil && ready.Reason == hostingv1alpha1.ReasonDeleting {
		return ready.Message, nil
	}
	return "waiting for the seed to begin with the deletion", nil
}

// abandonCloud hands on that somebody does not want to wait for the cloud.
func abandonCloud(ctx context.Context, conn *Connection, cluster *v1alpha1.Cluster, hc *hostingv1alpha1.HostedCluster) error {
	value := cluster.Annotations[hostingv1alpha1.AnnotationAbandonCloud]
	if value == "" {
		return nil
	}
	return kube.Patch(ctx, conn.Client, hc, func() {
		metav1.SetMetaDataAnnotation(&hc.ObjectMeta, hostingv1alpha1.AnnotationAbandonCloud, value)
	})
}

func deleteNamespace(ctx context.Context, conn *Connection, cluster *v1alpha1.Cluster) (string, error) {
	id, ns := cluster.Status.ID, &corev1.Namespace{}
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
