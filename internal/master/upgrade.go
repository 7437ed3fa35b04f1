// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// upgradeController is the name of the controller.
const upgradeController = "master/upgrade"

// UpgradeReconciler decides, for one seed at a time, which of its clusters get a newer patch now. It writes
// status.maintenance of Clusters and nothing else; their own controller does the rest.
type UpgradeReconciler struct {
	client.Client

	Clock clock.PassiveClock
}

func setupUpgrade(mgr ctrl.Manager, opts Options) error {
	r := &UpgradeReconciler{Client: mgr.GetClient(), Clock: opts.Clock}
	ofCluster := func(_ context.Context, obj client.Object) []reconcile.Request {
		cluster, ok := obj.(*v1alpha1.Cluster)
		if !ok || cluster.Status.Seed == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: cluster.Status.Seed}}}
	}
	all := func(ctx context.Context, _ client.Object) []reconcile.Request {
		return kube.Requests(ctx, r, &v1alpha1.SeedList{})
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named(upgradeController).
		For(&v1alpha1.Seed{}, changed).
		Watches(&v1alpha1.Release{}, wakes(all), changed).
		Watches(&v1alpha1.Cluster{}, wakes(ofCluster), builder.WithPredicates(upgradeChanged)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// upgradeFacts are what is asked of a cluster to decide about it and its neighbours.
type upgradeFacts struct {
	maintenance      v1alpha1.Maintenance
	target           string
	upgrading, ready bool
	deleted          bool
}

func factsOf(obj client.Object) upgradeFacts {
	cluster, ok := obj.(*v1alpha1.Cluster)
	if !ok || cluster.Spec.Maintenance.AutoUpgrade != v1alpha1.AutoUpgradePatch && !upgrading(cluster) {
		return upgradeFacts{}
	}
	return upgradeFacts{cluster.Spec.Maintenance, cluster.Status.TargetVersion, upgrading(cluster), ready(cluster), !cluster.DeletionTimestamp.IsZero()}
}

// upgradeChanged lets clusters through that have, want or end an upgrade. It is silent for the others.
var upgradeChanged = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return !reflect.DeepEqual(factsOf(e.Object), upgradeFacts{}) },
	DeleteFunc: func(e event.DeleteEvent) bool { return !reflect.DeepEqual(factsOf(e.Object), upgradeFacts{}) },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return !reflect.DeepEqual(factsOf(e.ObjectOld), factsOf(e.ObjectNew))
	},
}

// Reconcile decides about the clusters of one seed.
func (r *UpgradeReconciler) Reconcile(ctx context.Context, seed *v1alpha1.Seed) (reconcile.Result, error) {
	clusters, releases := &v1alpha1.ClusterList{}, &v1alpha1.ReleaseList{}
	if err := r.List(ctx, clusters, client.MatchingFields{indexSeed: seed.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the clusters of seed %s: %w", seed.Name, err)
	}
	if err := r.List(ctx, releases); err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the Releases: %w", err)
	}
	before := clusters.DeepCopy()
	now := r.Clock.Now()
	next := PlanUpgrades(now, seed, clusters.Items, releases.Items)
	var errs []error
	for i := range clusters.Items {
		errs = append(errs, kube.PatchStatus(ctx, r.Client, &before.Items[i], &clusters.Items[i]))
	}
	if err := errors.Join(errs...); err != nil || next.IsZero() {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: max(next.Sub(now), 1)}, nil
}
