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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/bringyourown"
	"canopy.dev/canopy/internal/machine/fleet"
	"canopy.dev/canopy/internal/machine/local"
)

// providerMachineController is the name of the controller.
const providerMachineController = "seed/providermachine"

const (
	// refusedRetry is how often a provider is asked again that wants somebody to change something first.
	refusedRetry = time.Minute
	// joinPatience is how long the node of an instance that runs may take to come before the machine says that it is missing.
	joinPatience = 3 * time.Minute
	// instancePoll is how often an instance is looked at that is about to come or go, at a provider that does not tell us.
	instancePoll = 5 * time.Second
)

// ProviderMachineReconciler keeps the instance of each ProviderMachine, by Cluster API's contract for infrastructure
// machines. It makes an instance once: one that vanishes later is reported as gone, and Cluster API's health check
// replaces the machine. The node of the same name is told whose it is.
type ProviderMachineReconciler struct {
	client.Client

	// Live reads from the API itself.
	Live      client.Reader
	Clock     clock.PassiveClock
	Providers machine.Providers
	Clusters  clustercache.ClusterCache

	controller clustercache.SourceWatcher[reconcile.Request]
}

// setupProviderMachine adds the controller to the manager.
func setupProviderMachine(mgr ctrl.Manager, clusters clustercache.ClusterCache, fleets map[v1alpha1.ProviderName]*fleet.Fleet, opts Options) error {
	providers := machine.Providers{
		v1alpha1.ProviderLocal:        local.Provider{Client: mgr.GetClient()},
		v1alpha1.ProviderBringYourOwn: bringyourown.Provider{Clusters: clusters},
	}
	for name, f := range fleets {
		providers[name] = f
	}
	r := &ProviderMachineReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: opts.Clock, Providers: providers, Clusters: clusters}
	isMachine := predicate.NewPredicateFuncs(func(obj client.Object) bool {
		return obj.GetLabels()[v1alpha1.LabelComponent] == local.Component
	})
	ofCluster := func(ctx context.Context, cluster client.Object) []reconcile.Request {
		return kube.Requests(ctx, r, &v1alpha1.ProviderMachineList{}, client.InNamespace(cluster.GetNamespace()))
	}
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named(providerMachineController).
		For(&v1alpha1.ProviderMachine{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.Pod{}, builder.WithPredicates(isMachine)).
		// The three objects of a machine have the same name.
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(sameName), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, nodeChanged))).
		Watches(&v1alpha1.BootstrapConfig{}, handler.EnqueueRequestsFromMapFunc(sameName)).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster), builder.WithPredicates(resumed)).
		Watches(&v1alpha1.ProviderCluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster)).
		WatchesRawSource(clusters.GetClusterSource(providerMachineController, ofCluster)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Build(r)
	r.controller = c
	return err
}

func sameName(_ context.Context, obj client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(obj)}}
}

// Reconcile brings one machine a step further, or looks at a node that no machine has the name of.
func (r *ProviderMachineReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if rests, err := machinesRest(ctx, r, req.Namespace); err != nil || rests {
		return reconcile.Result{}, err
	}
	if err := r.watchNodes(ctx, clusterKey(req.Namespace)); err != nil {
		return reconcile.Result{}, err
	}
	m := &v1alpha1.ProviderMachine{}
	if err := r.Get(ctx, req.NamespacedName, m); apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.expel(ctx, req.NamespacedName)
	} else if err != nil {
		return reconcile.Result{}, err
	}
	provider, err := r.Providers.For(m.Spec.Provider)
	if !m.DeletionTimestamp.IsZero() {
		return r.delete(ctx, m, provider)
	}
	if err == nil {
		err = kube.EnsureFinalizer(ctx, r.Client, m, v1alpha1.FinalizerMachine)
	}
	before, capi := m.DeepCopy(), &clusterv1.Machine{}
	if err == nil {
		err = r.reconcile(ctx, m, capi, provider)
	}
	patience := time.Duration(0)
	if err == nil {
		patience, err = r.joins(m, capi)
	}
	result, err := kube.Finish(ctx, r.Client, before, m, refused(err))
	if patience > 0 && err == nil {
		result.RequeueAfter = min(result.RequeueAfter, patience)
	}
	return result, err
}

// joins says so when the machine has run for a while without a node: it cannot tell itself, because the cluster is where it
// would. It returns how long the node may still take.
func (r *ProviderMachineReconciler) joins(m *v1alpha1.ProviderMachine, capi *clusterv1.Machine) (time.Duration, error) {
	ready := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady)
	if capi.Status.NodeRef.IsDefined() || !capi.DeletionTimestamp.IsZero() {
		return 0, nil
	}
	missing := ready != nil && ready.Reason == v1alpha1.ReasonNodeNotJoined
	if ready == nil || ready.Status != metav1.ConditionTrue && !missing {
		return joinPatience, nil // it runs since now
	}
	if left := joinPatience - r.Clock.Since(ready.LastTransitionTime.Time); left > 0 && !missing {
		return left, nil
	}
	return 0, kube.Wait(v1alpha1.ReasonNodeNotJoined, fmt.Sprintf("its instance has run for more than %s and its node has not come: its console "+
		"says why (start-node, kubelet); the usual reasons are a firewall or a missing route between it and the cluster's API, and no way "+
		"to where kubelet, packages and images come from", joinPatience), 0)
}

// nodeChanged lets machines through whose node has just come, has stopped to answer, or answers again.
var nodeChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*clusterv1.Machine)
		after, ok2 := e.ObjectNew.(*clusterv1.Machine)
		if !ok1 || !ok2 {
			return false
		}
		ready := func(m *clusterv1.Machine) bool {
			return meta.IsStatusConditionTrue(m.Status.Conditions, clusterv1.MachineNodeReadyCondition)
		}
		return before.Status.NodeRef.IsDefined() != after.Status.NodeRef.IsDefined() || ready(before) != ready(after)
	},
}

func (r *ProviderMachineReconciler) reconcile(ctx context.Context, m *v1alpha1.ProviderMachine, capi *clusterv1.Machine, provider machine.Provider) error {
	if err := r.Get(ctx, client.ObjectKeyFromObject(m), capi); apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonWaitingForMachine, "its Machine does not exist yet", 0)
	} else if err != nil {
		return err
	}
	instance, err := r.instance(ctx, m, capi, provider)
	if errors.Is(err, machine.ErrNotFound) {
		return r.gone(ctx, capi, "its instance has vanished: the machine is replaced")
	}
	if err != nil {
		return err
	}
	m.Status.Addresses = instance.Addresses
	switch {
	case instance.Failed:
		return r.gone(ctx, capi, instance.Message+": the machine is replaced")
	case !instance.Running:
		return kube.Wait(instance.Reason, instance.Message, r.poll(m))
	}
	status := m.Status
	if err := kube.Patch(ctx, r.Client, m, func() { m.Spec.ProviderID = instance.ProviderID }); err != nil {
		return err
	}
	m.Status = status // the answer to the patch has the old one
	m.Status.Initialization.Provisioned = true
	if capi.Status.NodeRef.IsDefined() {
		return nil
	}
	return r.identify(ctx, m)
}

// instance returns the machine's instance, which is made if there never was one.
func (r *ProviderMachineReconciler) instance(ctx context.Context, m *v1alpha1.ProviderMachine, capi *clusterv1.Machine, provider machine.Provider) (machine.Instance, error) {
	if m.Status.Initialization.Provisioned {
		doubt := capi.Status.NodeRef.IsDefined() && !meta.IsStatusConditionTrue(capi.Status.Conditions, clusterv1.MachineNodeReadyCondition)
		return provider.Observe(ctx, m, doubt)
	}
	secret, err := r.userData(ctx, capi)
	if err != nil {
		return machine.Instance{}, err
	}
	return provider.Ensure(ctx, m, machine.Order{Version: strings.TrimPrefix(capi.Spec.Version, "v"), UserDataSecret: secret})
}

// userData returns the name of the Secret with the machine's user data. It asks the BootstrapConfig first: Cluster API
// copies the name into the Machine, but not at once.
func (r *ProviderMachineReconciler) userData(ctx context.Context, capi *clusterv1.Machine) (string, error) {
	if name := capi.Spec.Bootstrap.DataSecretName; name != nil {
		return *name, nil
	}
	config := &v1alpha1.BootstrapConfig{}
	key := client.ObjectKey{Namespace: capi.Namespace, Name: capi.Spec.Bootstrap.ConfigRef.Name}
	if err := r.Get(ctx, key, config); client.IgnoreNotFound(err) != nil {
		return "", err
	}
	if !config.Status.Initialization.DataSecretCreated {
		return "", kube.Wait("WaitingForUserData", "its user data does not exist yet", 0)
	}
	return config.Status.DataSecretName, nil
}

// gone makes Cluster API replace the machine, without asking a node that is no more to let go of its pods and volumes.
func (r *ProviderMachineReconciler) gone(ctx context.Context, capi *clusterv1.Machine, message string) error {
	if capi.DeletionTimestamp.IsZero() {
		if err := kube.Patch(ctx, r.Client, capi, func() {
			if capi.Annotations == nil {
				capi.Annotations = map[string]string{}
			}
			capi.Annotations[clusterv1.RemediateMachineAnnotation] = ""
			capi.Annotations[clusterv1.ExcludeNodeDrainingAnnotation] = ""
			capi.Annotations[clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation] = ""
		}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("asking for a replacement: %w", err)
		}
	}
	return kube.Wait(v1alpha1.ReasonMachineGone, message, 0)
}

// poll is how soon an instance is looked at again that has not come yet: the longer it takes, the more seldom.
func (r *ProviderMachineReconciler) poll(m *v1alpha1.ProviderMachine) time.Duration {
	return min(max(instancePoll, r.Clock.Since(m.CreationTimestamp.Time)/3), refusedRetry)
}

func (r *ProviderMachineReconciler) delete(ctx context.Context, m *v1alpha1.ProviderMachine, provider machine.Provider) (reconcile.Result, error) {
	gone, err := true, error(nil) // of a provider that the seed does not have there can be no instance
	if provider != nil {
		gone, err = provider.Delete(ctx, m)
	}
	if gone && err == nil {
		return reconcile.Result{}, kube.RemoveFinalizer(ctx, r.Client, m, v1alpha1.FinalizerMachine)
	}
	before := m.DeepCopy()
	if err == nil {
		err = kube.Wait(v1alpha1.ReasonDeleting, "its instance is being deleted", instancePoll)
	}
	return kube.Finish(ctx, r.Client, before, m, refused(err))
}
