// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// nodePoolController is the name of the controller.
const nodePoolController = "master/nodepool"

// NodePoolReconciler ties each pool to its cluster, with which it goes, and says in its status what the cluster's says of
// it. The cluster's controller hands it to the seed.
type NodePoolReconciler struct{ client.Client }

func setupNodePool(mgr ctrl.Manager, opts Options) error {
	r := &NodePoolReconciler{mgr.GetClient()}
	ofCluster := func(ctx context.Context, cluster client.Object) []reconcile.Request {
		return kube.RequestsIf(ctx, r, &v1alpha1.NodePoolList{}, func(o client.Object) bool {
			return o.(*v1alpha1.NodePool).Spec.Cluster == cluster.GetName()
		}, client.InNamespace(cluster.GetNamespace()))
	}
	ofProject := func(ctx context.Context, project client.Object) []reconcile.Request {
		return kube.Requests(ctx, r, &v1alpha1.NodePoolList{}, client.InNamespace(v1alpha1.ProjectNamespacePrefix+project.GetName()))
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(nodePoolController).
		For(&v1alpha1.NodePool{}). // also its status, as with clusters
		Watches(&v1alpha1.Cluster{}, wakes(ofCluster)).
		Watches(&v1alpha1.Project{}, wakes(ofProject), builder.WithPredicates(usageChanged)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reconcile brings the status of one pool up to date.
func (r *NodePoolReconciler) Reconcile(ctx context.Context, pool *v1alpha1.NodePool) (reconcile.Result, error) {
	if !pool.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	before := pool.DeepCopy()
	cluster := &v1alpha1.Cluster{}
	err := r.Get(ctx, client.ObjectKey{Namespace: pool.Namespace, Name: pool.Spec.Cluster}, cluster)
	if apierrors.IsNotFound(err) {
		err = kube.Wait(v1alpha1.ReasonClusterMissing, fmt.Sprintf("spec.cluster: there is no Cluster %s in %s: make it, or delete this pool", pool.Spec.Cluster, pool.Namespace), 0)
		return kube.Finish(ctx, r.Client, before, pool, err)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := kube.Patch(ctx, r.Client, pool, func() { ownedBy(pool, cluster) }); err != nil {
		return reconcile.Result{}, err
	}
	before.ObjectMeta = *pool.ObjectMeta.DeepCopy()
	waitsFor := nodePoolStatus(pool, cluster)
	if err := r.checkQuota(ctx, pool); err != nil {
		waitsFor = err // which says why, where the seed can only say what
	}
	return kube.Finish(ctx, r.Client, before, pool, waitsFor)
}

// checkQuota says whether the project's quota holds the pool back.
func (r *NodePoolReconciler) checkQuota(ctx context.Context, pool *v1alpha1.NodePool) error {
	name, ok := v1alpha1.ProjectOf(pool.Namespace)
	project := &v1alpha1.Project{}
	if err := r.Get(ctx, client.ObjectKey{Name: name}, project); !ok || apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	if project.Spec.Quota == nil {
		return nil
	}
	clusters, pools := &v1alpha1.ClusterList{}, &v1alpha1.NodePoolList{}
	if err := errors.Join(r.List(ctx, clusters, client.InNamespace(pool.Namespace)), r.List(ctx, pools, client.InNamespace(pool.Namespace))); err != nil {
		return fmt.Errorf("reading the clusters and pools of %s: %w", project.Name, err)
	}
	return checkGrant(project, clusters.Items, pools.Items, pool)
}

// ownedBy makes Kubernetes delete the pool with its cluster.
func ownedBy(pool *v1alpha1.NodePool, cluster *v1alpha1.Cluster) {
	pool.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Cluster", Name: cluster.Name, UID: cluster.UID,
	}}
}

// nodePoolStatus writes what the cluster's status says of the pool into the pool's, and returns what it waits for.
func nodePoolStatus(pool *v1alpha1.NodePool, cluster *v1alpha1.Cluster) error {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Status == metav1.ConditionUnknown {
		return kube.Unknown(ready.Reason, ready.Message)
	}
	var known *hostingv1alpha1.NodePoolStatus
	for i := range cluster.Status.NodePools {
		if cluster.Status.NodePools[i].Name == pool.Name {
			known = &cluster.Status.NodePools[i]
		}
	}
	if known == nil {
		message := "waiting for the seed to make the pool"
		if ready != nil && ready.Status == metav1.ConditionFalse {
			message = fmt.Sprintf("waiting for Cluster %s: %s", cluster.Name, ready.Message)
		}
		return kube.Wait(v1alpha1.ReasonWaitingForSeed, message, 0)
	}
	pool.Status.WantedReplicas = known.WantedReplicas
	pool.Status.Replicas, pool.Status.ReadyReplicas = known.Replicas, known.ReadyReplicas
	pool.Status.UpToDateReplicas, pool.Status.Version = known.UpToDateReplicas, known.Version
	if known.Message != "" {
		return kube.Wait(v1alpha1.ReasonWaitingForNodes, known.Message, 0)
	}
	wanted := known.WantedReplicas
	if pool.Spec.Autoscaling == nil && pool.Spec.Replicas != nil {
		wanted = *pool.Spec.Replicas // of which the seed may not know yet
	}
	if known.ReadyReplicas != wanted || known.UpToDateReplicas != wanted {
		return kube.Wait(v1alpha1.ReasonWaitingForNodes, fmt.Sprintf("%d of %d nodes are ready", known.ReadyReplicas, wanted), 0)
	}
	return nil
}
