// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// holdQuota counts what the project has and writes what the API server holds its quota with. It returns a
// *kube.WaitingError until Kubernetes counts the clusters.
func (r *ProjectReconciler) holdQuota(ctx context.Context, project *v1alpha1.Project) error {
	ns := client.InNamespace(namespaceOf(project))
	clusters, pools := &v1alpha1.ClusterList{}, &v1alpha1.NodePoolList{}
	if err := r.List(ctx, clusters, ns); err != nil {
		return fmt.Errorf("counting the clusters of %s: %w", project.Name, err)
	}
	if err := r.List(ctx, pools, ns); err != nil {
		return fmt.Errorf("counting the pools of %s: %w", project.Name, err)
	}
	storages, err := etcdStorages(ctx, r)
	if err != nil {
		return err
	}
	project.Status.Clusters = int32(len(clusters.Items))
	if now := quotaStatus(project, clusters.Items, pools.Items, storages.of); !equality.Semantic.DeepEqual(project.Status.Quota, now) {
		project.Status.Quota = now
	}
	if project.Spec.Quota == nil {
		return r.dropQuota(ctx, project)
	}
	quota := resourceQuota(project)
	parameters := quotaParameters(project, usage(clusters.Items, pools.Items, storages.of), pools.Items, storages)
	owner := kube.Owner{FieldManager: projectController, Label: v1alpha1.LabelProject, Value: project.Name}
	if err := r.Applier.Apply(ctx, owner, []client.Object{quota, parameters}); err != nil {
		return err
	}
	inForce := &corev1.ResourceQuota{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(quota), inForce); client.IgnoreNotFound(err) != nil {
		return err
	}
	if !equality.Semantic.DeepEqual(inForce.Status.Hard, quota.Spec.Hard) {
		return kube.Wait(v1alpha1.ReasonWaitingForQuota, "waiting for kube-controller-manager to count the clusters for the ResourceQuota "+quota.Name, 0)
	}
	return nil
}

// dropQuota removes what a quota was held with that is no more.
func (r *ProjectReconciler) dropQuota(ctx context.Context, project *v1alpha1.Project) error {
	for _, obj := range []client.Object{&corev1.ResourceQuota{}, &corev1.ConfigMap{}} {
		err := r.Get(ctx, client.ObjectKey{Namespace: namespaceOf(project), Name: quotaName}, obj)
		if err == nil {
			err = kube.Delete(ctx, r.Client, obj)
		}
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// storages are the sizes of etcd's volumes by datacenter, where its seed has a default of its own.
type storages map[string]resource.Quantity

func etcdStorages(ctx context.Context, reader client.Reader) (storages, error) {
	datacenters, seeds := &v1alpha1.DatacenterList{}, &v1alpha1.SeedList{}
	if err := reader.List(ctx, datacenters); err != nil {
		return nil, fmt.Errorf("reading the datacenters: %w", err)
	}
	if err := reader.List(ctx, seeds); err != nil {
		return nil, fmt.Errorf("reading the seeds: %w", err)
	}
	ofSeed := map[string]*resource.Quantity{}
	for i := range seeds.Items {
		ofSeed[seeds.Items[i].Name] = seeds.Items[i].Spec.Defaults.EtcdStorage
	}
	sizes := storages{}
	for _, dc := range datacenters.Items {
		if size := ofSeed[dc.Spec.Seed]; size != nil {
			sizes[dc.Name] = *size
		}
	}
	return sizes, nil
}

// of returns the size of a cluster's volume.
func (s storages) of(cluster *v1alpha1.Cluster) resource.Quantity {
	if size, ok := s[cluster.Spec.Datacenter]; ok {
		return etcdStorage(cluster, &size)
	}
	return etcdStorage(cluster, nil)
}

// withQuota finds the projects that have a quota.
func (r *ProjectReconciler) withQuota(ctx context.Context, _ client.Object) []reconcile.Request {
	return kube.RequestsIf(ctx, r, &v1alpha1.ProjectList{}, func(o client.Object) bool { return o.(*v1alpha1.Project).Spec.Quota != nil })
}

// quotaInForce lets ResourceQuotas through that come, go, or are counted by Kubernetes now.
var quotaInForce = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.ResourceQuota)
		after, ok2 := e.ObjectNew.(*corev1.ResourceQuota)
		return ok && ok2 && (!equality.Semantic.DeepEqual(before.Spec, after.Spec) || !equality.Semantic.DeepEqual(before.Status.Hard, after.Status.Hard))
	},
}

// usageChanged lets projects through of which the quota is used differently, or is another one.
var usageChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.Project)
		after, ok2 := e.ObjectNew.(*v1alpha1.Project)
		return ok && ok2 && !equality.Semantic.DeepEqual(before.Status.Quota, after.Status.Quota)
	},
}

// leavingChanged lets clusters through whose deleted pools have other machines left than before.
var leavingChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(removedPools(e.ObjectOld), removedPools(e.ObjectNew))
	},
}

// removedPools returns how many machines are left of each deleted pool, as far as the seed says it.
func removedPools(obj client.Object) map[string]int32 {
	replicas := map[string]int32{}
	if cluster, ok := obj.(*v1alpha1.Cluster); ok {
		for _, pool := range cluster.Status.NodePools {
			if pool.Removed != nil {
				replicas[pool.Name] = pool.Replicas
			}
		}
	}
	return replicas
}

// QuotaOf returns what a project may have, and what it has if these are its clusters and pools.
func QuotaOf(ctx context.Context, r client.Reader, project *v1alpha1.Project, clusters []v1alpha1.Cluster, pools []v1alpha1.NodePool) (v1alpha1.QuotaStatus, error) {
	storages, err := etcdStorages(ctx, r)
	if err != nil {
		return v1alpha1.QuotaStatus{}, err
	}
	return quotaStatus(project, clusters, pools, storages.of), nil
}
