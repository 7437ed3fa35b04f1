// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// deletionRetry is how often what has no watch of ours is looked at again while a cluster goes.
const deletionRetry = time.Second

// delete takes a cluster away, in this order; each step starts when the one before is done, and says what it waits for:
//
//  1. machines            their instances go while the control plane still runs; Cluster API does it
//  2. what we made        pods, volume claims, keys, Services
//  3. volumes             their provisioner deletes the data
//  4. the namespace       with the HostedCluster as the last thing of ours in it, so that Kubernetes need not look twice
//
// It returns true when the HostedCluster is gone, so that there is no status left to write.
func (r *HostedClusterReconciler) delete(ctx context.Context, hc *v1alpha1.HostedCluster) (bool, error) {
	r.prober.forget(hc)
	r.addons.forget(hc)
	for _, step := range []func(context.Context, *v1alpha1.HostedCluster) (string, error){r.deleteMachines, r.deleteContents, r.volumesGone} {
		waitsFor, err := step(ctx, hc)
		if err != nil {
			return false, err
		}
		if waitsFor != "" {
			return false, kube.Wait(v1alpha1.ReasonDeleting, waitsFor, deletionRetry)
		}
	}
	if err := r.deleteNamespace(ctx, hc); err != nil {
		return false, err
	}
	return true, kube.RemoveFinalizer(ctx, r.Client, hc, v1alpha1.Finalizer)
}

func (r *HostedClusterReconciler) deleteMachines(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	cluster := &clusterv1.Cluster{}
	err := r.Get(ctx, client.ObjectKeyFromObject(hc), cluster)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if cluster.DeletionTimestamp.IsZero() {
		if err := kube.Delete(ctx, r.Client, cluster); err != nil {
			return "", err
		}
	}
	machines := &clusterv1.MachineList{}
	if err := r.List(ctx, machines, client.InNamespace(hc.Namespace)); err != nil {
		return "", err
	}
	if len(machines.Items) == 0 {
		return "waiting for Cluster API to finish the deletion of its objects", nil
	}
	names := make([]string, 0, len(machines.Items))
	for _, m := range machines.Items {
		names = append(names, m.Name)
	}
	return fmt.Sprintf("waiting for %d machines to go: %s (kubectl -n %s describe machine says why one stays)", len(names), list(names), hc.Namespace), nil
}

// contents are the kinds of what we made, in the order in which they are deleted: who makes pods goes before the pods.
var contents = []schema.GroupVersionKind{
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "PersistentVolumeClaim"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "ConfigMap"},
}

func (r *HostedClusterReconciler) deleteContents(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	var left []string
	for _, gvk := range contents {
		items := &metav1.PartialObjectMetadataList{}
		items.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := r.APIReader.List(ctx, items, client.InNamespace(hc.Namespace), client.MatchingLabels(clusterLabels(hc))); err != nil {
			return "", err
		}
		for i := range items.Items {
			item := &items.Items[i]
			left = append(left, gvk.Kind+" "+item.Name)
			if !item.DeletionTimestamp.IsZero() {
				continue
			}
			item.SetGroupVersionKind(gvk)
			// What a process would still write goes with the volume: there is no use in waiting for it.
			if err := kube.Delete(ctx, r.Client, item, client.GracePeriodSeconds(1)); err != nil {
				return "", err
			}
		}
	}
	if len(left) > 0 {
		return "waiting for the namespace to be emptied of " + list(left), nil
	}
	return "", nil
}

func (r *HostedClusterReconciler) deleteNamespace(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	ns := &corev1.Namespace{}
	// Not from the cache, which lacks a namespace that was never labelled because its cluster was rejected.
	if err := r.APIReader.Get(ctx, client.ObjectKey{Name: hc.Namespace}, ns); err != nil {
		return client.IgnoreNotFound(err)
	}
	// One that does not follow the rule was never filled by us.
	if ns.Name != v1alpha1.NamespacePrefix+hc.Name || !ns.DeletionTimestamp.IsZero() {
		return nil
	}
	return kube.Delete(ctx, r.Client, ns)
}

func (r *HostedClusterReconciler) volumesGone(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	volumes := &corev1.PersistentVolumeList{}
	if err := r.List(ctx, volumes); err != nil {
		return "", err
	}
	var left []string
	for _, v := range volumes.Items {
		claim := v.Spec.ClaimRef
		if claim != nil && claim.Namespace == hc.Namespace && v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			left = append(left, v.Name)
		}
	}
	if len(left) > 0 {
		return "waiting for volumes to be deleted by their provisioner: " + list(left), nil
	}
	return "", nil
}

// list joins names in a stable order and cuts long lists short.
func list(names []string) string {
	const most = 5
	slices.Sort(names)
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
