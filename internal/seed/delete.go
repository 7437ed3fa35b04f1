// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// deletionRetry is how often what has no watch of ours is looked at again while a cluster goes.
const deletionRetry = time.Second

// delete takes a cluster away:
//
//  0. machines that rest because the cluster is paused go on; what was made a moment ago is known
//  1. load balancers      and volumes that the cluster itself has at its cloud, while its nodes and its control plane run: release.go
//  2. machines            their instances go while the control plane still runs; Cluster API does it
//  3. the cloud           what the machines had in common there, while the credentials are still here
//  4. the rest            what we made (pods, volume claims, keys, Services), the volumes, Cluster API's objects; and the
//     namespace at the same time, because Kubernetes looks at one only after five seconds
//  5. the HostedCluster   as the last thing of ours in the namespace, so that Kubernetes need not look twice
//
// Each step starts when the one before is done, and says what it waits for. It returns true when the HostedCluster is gone,
// so that there is no status left to write.
func (r *HostedClusterReconciler) delete(ctx context.Context, hc *v1alpha1.HostedCluster) (bool, error) {
	r.prober.forget(hc)
	r.addons.forget(hc)
	r.starts.forget(hc)
	for _, step := range []func(context.Context, *v1alpha1.HostedCluster) (string, error){
		r.resume, r.poolsKnown, r.release, r.deleteMachines, r.deleteCloud, r.deleteNamespace, r.deleteContents, r.volumesGone, r.clusterGone,
	} {
		waitsFor, err := step(ctx, hc)
		if err != nil {
			return false, err
		}
		if waitsFor != "" {
			return false, kube.Wait(v1alpha1.ReasonDeleting, waitsFor+stays(hc), deletionRetry)
		}
	}
	r.Applier.Forget(hc.Namespace)
	return true, kube.RemoveFinalizer(ctx, r.Client, hc, v1alpha1.Finalizer)
}

// chain returns lists of Cluster API's kinds and of ours that stand behind them, in the order in which they are deleted.
// Cluster API would delete them one after the other as well, and wait for a second each time. Once all that owns it is
// known to go, nothing is made anew, and no machine is drained.
func chain() []client.ObjectList {
	return []client.ObjectList{
		&clusterv1.ClusterList{}, &clusterv1.MachineDeploymentList{}, &clusterv1.MachineSetList{}, &clusterv1.MachineList{},
		&v1alpha1.BootstrapConfigList{}, &v1alpha1.HostedControlPlaneList{},
	}
}

// poolsKnown waits until the cache has every pool that was made. Cluster API reads from it, too: it would let its Cluster go
// before a pool that it has not seen, and without a Cluster no pool ever goes.
func (r *HostedClusterReconciler) poolsKnown(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	live := &clusterv1.MachineDeploymentList{}
	if err := r.APIReader.List(ctx, live, client.InNamespace(hc.Namespace)); err != nil {
		return "", err
	}
	for i := range live.Items {
		err := r.Get(ctx, client.ObjectKeyFromObject(&live.Items[i]), &clusterv1.MachineDeployment{})
		if apierrors.IsNotFound(err) {
			return "waiting for Cluster API to learn of pool " + live.Items[i].Name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func (r *HostedClusterReconciler) deleteMachines(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	for _, list := range chain() {
		asked, err := r.deleteAll(ctx, hc, list)
		if err != nil {
			return "", err
		}
		if asked { // and go on when the cache knows, from which Cluster API reads, too
			return "waiting for Cluster API to learn that the machines are to go", nil
		}
	}
	machines := &clusterv1.MachineList{}
	if err := r.List(ctx, machines, client.InNamespace(hc.Namespace)); err != nil {
		return "", err
	}
	if len(machines.Items) == 0 {
		return "", nil
	}
	names := make([]string, 0, len(machines.Items))
	for _, m := range machines.Items {
		names = append(names, m.Name)
	}
	return fmt.Sprintf("waiting for %d machines to go: %s (kubectl -n %s describe machine says why one stays)", len(names), kube.Few(names), hc.Namespace), nil
}

func (r *HostedClusterReconciler) deleteCloud(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	clusters := &v1alpha1.ProviderClusterList{}
	if _, err := r.deleteAll(ctx, hc, clusters); err != nil || len(clusters.Items) == 0 {
		return "", err
	}
	message := "what the machines had in common at their cloud is being deleted"
	if ready := meta.FindStatusCondition(clusters.Items[0].Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
		message = ready.Message
	}
	return message, nil
}

// deleteAll deletes what is in the cluster's namespace, and reports whether there was something that did not go already.
func (r *HostedClusterReconciler) deleteAll(ctx context.Context, hc *v1alpha1.HostedCluster, list client.ObjectList) (asked bool, err error) {
	if err := r.List(ctx, list, client.InNamespace(hc.Namespace)); err != nil {
		return false, err
	}
	return asked, meta.EachListItem(list, func(item runtime.Object) error {
		obj, ok := item.(client.Object)
		if !ok || !obj.GetDeletionTimestamp().IsZero() {
			return nil
		}
		asked = true
		return kube.Delete(ctx, r.Client, obj)
	})
}

func (r *HostedClusterReconciler) clusterGone(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	err := r.Get(ctx, client.ObjectKeyFromObject(hc), &clusterv1.Cluster{})
	if err == nil {
		return "waiting for Cluster API to finish the deletion of its objects", nil
	}
	return "", client.IgnoreNotFound(err)
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
		return "waiting for the namespace to be emptied of " + kube.Few(left), nil
	}
	return "", nil
}

// deleteNamespace does not wait for the namespace, which goes when it is empty.
func (r *HostedClusterReconciler) deleteNamespace(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	ns := &corev1.Namespace{}
	// Not from the cache, which lacks a namespace that was never labelled because its cluster was rejected.
	if err := r.APIReader.Get(ctx, client.ObjectKey{Name: hc.Namespace}, ns); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	// One that does not follow the rule was never filled by us.
	if ns.Name != v1alpha1.NamespacePrefix+hc.Name || !ns.DeletionTimestamp.IsZero() {
		return "", nil
	}
	return "", kube.Delete(ctx, r.Client, ns)
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
		return "waiting for volumes to be deleted by their provisioner: " + kube.Few(left), nil
	}
	return "", nil
}
