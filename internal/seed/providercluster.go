// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/fleet"
)

// providerClusterController is the name of the controller.
const providerClusterController = "seed/providercluster"

// networkAge is how long a network is taken for what it was, unless the spec or the credentials change.
const networkAge = time.Hour

// ProviderClusterReconciler keeps what the machines of each cluster have in common at their cloud, by Cluster API's contract
// for infrastructure clusters, and sweeps away instances that no machine has.
type ProviderClusterReconciler struct {
	client.Client

	Fleets map[v1alpha1.ProviderName]*fleet.Fleet
	Clock  clock.PassiveClock
}

// setupProviderCluster adds the controller to the manager.
func setupProviderCluster(mgr ctrl.Manager, fleets map[v1alpha1.ProviderName]*fleet.Fleet, opts Options) error {
	r := &ProviderClusterReconciler{Client: mgr.GetClient(), Fleets: fleets, Clock: opts.Clock}
	return ctrl.NewControllerManagedBy(mgr).
		Named(providerClusterController).
		For(&v1alpha1.ProviderCluster{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(clusterOf), builder.WithPredicates(isCredentials)).
		Watches(&v1alpha1.ProviderMachine{}, handler.EnqueueRequestsFromMapFunc(clusterOf), builder.WithPredicates(deleted)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// isCredentials lets the credentials for a cloud through.
var isCredentials = predicate.NewPredicateFuncs(func(obj client.Object) bool { return obj.GetName() == v1alpha1.SecretCredentials })

// Reconcile brings what one cluster has at its cloud a step further.
func (r *ProviderClusterReconciler) Reconcile(ctx context.Context, pc *v1alpha1.ProviderCluster) (reconcile.Result, error) {
	if rests, err := machinesRest(ctx, r, pc.Namespace); err != nil || rests {
		return reconcile.Result{}, err
	}
	f := r.Fleets[pc.Spec.Place.Name()]
	before := pc.DeepCopy()
	if !pc.DeletionTimestamp.IsZero() {
		err := r.delete(ctx, pc, f)
		if err == nil {
			return reconcile.Result{}, kube.RemoveFinalizer(ctx, r.Client, pc, v1alpha1.FinalizerMachine)
		}
		return kube.Finish(ctx, r.Client, before, pc, refused(err))
	}
	err := kube.EnsureFinalizer(ctx, r.Client, pc, v1alpha1.FinalizerMachine)
	before = pc.DeepCopy()
	if err == nil {
		err = r.reconcile(ctx, pc, f)
	}
	return kube.Finish(ctx, r.Client, before, pc, refused(err))
}

func (r *ProviderClusterReconciler) reconcile(ctx context.Context, pc *v1alpha1.ProviderCluster, f *fleet.Fleet) error {
	if f == nil {
		return kube.Reject("ProviderUnavailable", fmt.Sprintf("this seed does not have the cloud %s", pc.Spec.Place.Name()))
	}
	credentials, err := fleet.Credentials(ctx, r.Client, pc)
	if err != nil {
		return err
	}
	cluster := fleet.Cluster(pc, credentials)
	observed := fmt.Sprintf("%d/%s/%s", pc.Generation, credentials.UID, credentials.ResourceVersion)
	if t := pc.Status.ObservedTime; t == nil || r.Clock.Since(t.Time) > networkAge || pc.Status.Observed != observed {
		network, err := f.Cloud.EnsureNetwork(ctx, cluster)
		if err != nil {
			return err
		}
		pc.Status.Network, pc.Status.Observed = network, observed
		pc.Status.ObservedTime = new(metav1.NewTime(r.Clock.Now()))
		pc.Status.Initialization.Provisioned = true
		cluster.Network = network
	}
	return f.Sweep(ctx, cluster, pc.Namespace)
}

// delete lets go of everything, once no machine is left that could want it.
func (r *ProviderClusterReconciler) delete(ctx context.Context, pc *v1alpha1.ProviderCluster, f *fleet.Fleet) error {
	if f == nil {
		return nil // of a cloud that the seed does not have there can be nothing
	}
	var machines v1alpha1.ProviderMachineList
	if err := r.List(ctx, &machines, client.InNamespace(pc.Namespace)); err != nil {
		return err
	}
	if n := len(machines.Items); n > 0 {
		return kube.Wait(v1alpha1.ReasonDeleting, fmt.Sprintf("waiting for %d machines to go", n), 0)
	}
	credentials, err := fleet.Credentials(ctx, r.Client, pc)
	if err != nil {
		return err
	}
	cluster := fleet.Cluster(pc, credentials)
	empty, err := f.Empty(ctx, cluster)
	if err != nil {
		return err
	}
	if !empty {
		return kube.Wait(v1alpha1.ReasonDeleting, "waiting for instances to go that no machine has", instancePoll)
	}
	left, err := f.Cloud.DeleteNetwork(ctx, cluster)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return kube.Wait(v1alpha1.ReasonDeleting, "waiting for the cloud to delete "+strings.Join(left, ", "), instancePoll)
	}
	f.Forget(pc.UID)
	return nil
}

// refused turns what a provider refuses into what is waited for.
func refused(err error) error {
	if r, ok := errors.AsType[*machine.RefusedError](err); ok {
		after := r.After
		if after == 0 {
			after = refusedRetry
		}
		return kube.Wait(r.Reason, r.Message, after)
	}
	return err
}
