// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// seedController is the name of the controller.
const seedController = "master/seed"

// contactPrecision is how exact status.lastContact is, so that it costs few writes.
const contactPrecision = 30 * time.Second

// seedWorkers is how many seeds are looked at at the same time. They are many because one that hangs keeps its worker until
// its time is over, and the others are not to wait for it.
const seedWorkers = 64

// SeedReconciler keeps the connection to each seed, installs there what it needs, and says in its status how the seed is.
type SeedReconciler struct {
	client.Client

	Seeds *Connections
	// Config is the master's own.
	Config *rest.Config
	Clock  clock.PassiveClock
	// ProbePeriod is how often a seed is asked how it is: nothing tells us when it goes.
	ProbePeriod time.Duration
	// Images are installed on seeds.
	Images Images
	// installing has room for as many as may be installed at the same time, because it takes memory.
	installing chan struct{}
	failures   sync.Map // of installations: name of the seed → installFailure
	reviews    sync.Map // of rights: name of the seed → review
}

func setupSeed(mgr ctrl.Manager, seeds *Connections, opts Options) error {
	r := &SeedReconciler{
		Client: mgr.GetClient(), Seeds: seeds, Config: mgr.GetConfig(),
		Clock: opts.Clock, ProbePeriod: opts.ProbePeriod, Images: opts.Images, installing: make(chan struct{}, 1),
	}
	ofSecret := func(ctx context.Context, secret client.Object) []reconcile.Request {
		if secret.GetNamespace() != v1alpha1.SystemNamespace {
			return nil
		}
		return kube.Requests(ctx, r, &v1alpha1.SeedList{}, client.MatchingFields{indexKubeconfig: secret.GetName()})
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(seedController).
		For(&v1alpha1.Seed{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, wakes(ofSecret)).
		WithOptions(controller.Options{MaxConcurrentReconciles: seedWorkers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reconcile looks at one seed.
func (r *SeedReconciler) Reconcile(ctx context.Context, seed *v1alpha1.Seed) (reconcile.Result, error) {
	before := seed.DeepCopy()
	clusters := &v1alpha1.ClusterList{}
	// They are counted and named, and belong to the cache: each probe would copy all of them.
	if err := r.List(ctx, clusters, client.MatchingFields{indexSeed: seed.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("counting the clusters of seed %s: %w", seed.Name, err)
	}
	seed.Status.Clusters = int32(len(clusters.Items))
	if seed.DeletionTimestamp.IsZero() {
		counted := seed.Status.Clusters // the answer to a patch has the old status
		if err := kube.EnsureFinalizer(ctx, r.Client, seed, v1alpha1.FinalizerSeed); err != nil {
			return reconcile.Result{}, err
		}
		before.ObjectMeta, seed.Status.Clusters = *seed.ObjectMeta.DeepCopy(), counted
	}
	err := r.reconcile(ctx, before, seed, clusters.Items)
	if errors.Is(err, errSeedRemoved) {
		return reconcile.Result{}, nil
	}
	result, err := kube.Finish(ctx, r.Client, before, seed, err)
	if err == nil {
		result.RequeueAfter = min(result.RequeueAfter, wait.Jitter(r.ProbePeriod, 0.2))
	}
	return result, err
}

// reconcile goes through what a seed needs, in this order; the first that it lacks is what its Ready condition says:
//
//  1. Connected  the API answers, it is the right cluster's and the seed of nobody else, the master may do its work there, and
//     the kinds are known
//  2. Installed  what the master brings
//  3. a cache of its HostedClusters
//  4. pods of Canopy that run, and a storage class
//
// Some of the status is written on the way, and is then also in before.
func (r *SeedReconciler) reconcile(ctx context.Context, before, seed *v1alpha1.Seed, clusters []v1alpha1.Cluster) error {
	leaving := !seed.DeletionTimestamp.IsZero() && len(clusters) == 0
	if leaving && (!seed.IsManaged() || !touched(seed)) {
		return r.remove(ctx, seed)
	}
	remote, err := r.connect(ctx, seed)
	if err != nil && leaving && uninstalled(seed) {
		return r.remove(ctx, seed) // the master's account went with the rest
	}
	if err != nil {
		setCondition(seed, v1alpha1.ConditionConnected, v1alpha1.ReasonConnected, err)
		return explainRemoval(leaving, err)
	}
	if now := r.Clock.Now(); seed.Status.LastContact == nil || now.Sub(seed.Status.LastContact.Time) >= contactPrecision {
		seed.Status.LastContact = &metav1.Time{Time: now}
	}
	if leaving {
		if err := r.uninstall(ctx, before, seed, remote); err != nil {
			return err
		}
		return r.remove(ctx, seed)
	}
	installErr := r.install(ctx, before, seed, remote)
	kindsErr := remote.checkKinds()
	setCondition(seed, v1alpha1.ConditionConnected, v1alpha1.ReasonConnected, kindsErr)
	if kindsErr != nil {
		return cmp.Or(installErr, kindsErr)
	}
	//nolint:contextcheck // the connection goes on when this reconciliation has ended
	conn, err := r.Seeds.Connect(seed.Name, remote.config, remote.fingerprint)
	if err != nil {
		return err
	}
	if _, err := conn.state(); err != nil {
		return kube.Wait(v1alpha1.ReasonConnecting, "its HostedClusters cannot be read: "+err.Error(), 0)
	}
	if !seed.DeletionTimestamp.IsZero() {
		return kube.Wait(v1alpha1.ReasonInUse, fmt.Sprintf("it is to be removed once it has no clusters, and has %d: delete %s", len(clusters), nameClusters(clusters)), 0)
	}
	if err := r.countCapacity(ctx, seed, remote); err != nil {
		return err
	}
	if installErr != nil {
		return installErr
	}
	return remote.checkHealth(ctx, seed)
}

// errSeedRemoved says that there is no seed left whose status could be written.
var errSeedRemoved = errors.New("the seed is removed")

// remove forgets a seed that has no clusters, and gives its cluster back, if it answers.
func (r *SeedReconciler) remove(ctx context.Context, seed *v1alpha1.Seed) error {
	if !uninstalled(seed) && seed.Status.ClusterUID != "" { // else it never was this cluster
		if err := r.release(ctx, seed); err != nil {
			ctrl.LoggerFrom(ctx).Info("The seed still says that it is of this master: take the annotation "+v1alpha1.AnnotationInstallation+" away", "cause", err.Error())
		}
	}
	r.Seeds.Disconnect(seed.Name)
	r.reviews.Delete(seed.Name)
	if err := kube.RemoveFinalizer(ctx, r.Client, seed, v1alpha1.FinalizerSeed); err != nil {
		return err
	}
	return errSeedRemoved
}

// explainRemoval says how to go on without a seed that cannot be cleaned up.
func explainRemoval(leaving bool, err error) error {
	var waiting *kube.WaitingError
	if leaving && errors.As(err, &waiting) {
		explained := *waiting
		explained.Message += "; set spec.install to Manual to forget the seed without uninstalling what is there"
		return &explained
	}
	return err
}

// touched reports whether the master has begun to install something on the seed.
func touched(seed *v1alpha1.Seed) bool {
	installed := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionInstalled)
	return seed.Status.InstalledVersion != "" || installed != nil && installed.Reason != v1alpha1.ReasonImagesUnknown
}

// setCondition writes what err says into a condition; nil is True, for the reason.
func setCondition(seed *v1alpha1.Seed, name, reason string, err error) {
	condition := metav1.Condition{Type: name, Status: metav1.ConditionTrue, Reason: reason, ObservedGeneration: seed.Generation}
	var waiting *kube.WaitingError
	switch {
	case errors.As(err, &waiting):
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, waiting.Reason, waiting.Message
		if waiting.Unknown {
			condition.Status = metav1.ConditionUnknown
		}
	case err != nil:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionUnknown, "Error", err.Error()
	}
	meta.SetStatusCondition(&seed.Status.Conditions, condition)
}

// nameClusters returns the first clusters by project and name, such as "shop/web, shop/db and 3 more".
func nameClusters(clusters []v1alpha1.Cluster) string {
	names := make([]string, 0, len(clusters))
	for i := range clusters {
		names = append(names, clusters[i].QualifiedName())
	}
	return kube.Few(names)
}
