// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package seed runs on every seed. It reads HostedClusters and the Secrets beside them, writes the objects of their
// control planes, pools and addons, and runs Cluster API's controllers with our provider and bootstrap controllers. It
// knows nothing of people, projects or datacenters, and calls no master.
package seed

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/clouds"
	"canopy.dev/canopy/internal/machine/fleet"
)

// Options is what a seed manager is told.
type Options struct {
	// Exposure is how people and nodes reach the control planes.
	Exposure controlplane.Exposure
	// ReservedCIDRs are ranges that user clusters may not use because the seed does.
	ReservedCIDRs []string
	// RegistryMirror is where nodes pull images from before they ask an image's own registry, for example
	// "http://10.202.0.2:5000"; empty: they ask that registry.
	RegistryMirror string
	// Proxy is what nodes reach the internet through.
	Proxy machine.Proxy
	// ServerImage and NodeNetworkImage are the images of those parts of Canopy that run inside user clusters.
	ServerImage, NodeNetworkImage string
	// OpenVPNImage is the image of both ends of the tunnel.
	OpenVPNImage string
	// Alertmanager is the host and port to which the Prometheus of each cluster sends its alerts; empty: to nobody.
	Alertmanager string
	// HealthAddress and MetricsAddress are listened on, for example ":8081".
	HealthAddress, MetricsAddress string
	// LeaderElection lets several replicas run, of which one works.
	LeaderElection bool
	// Workers is how many clusters are reconciled at the same time.
	Workers int

	// Context ends with the process, Clock is the real one outside of tests.
	Context context.Context //nolint:containedctx // for what outlives one reconciliation: asking an API until it answers
	Clock   clock.PassiveClock
}

// Scheme returns the kinds that a seed manager reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(apiextensionsv1.AddToScheme(scheme))
	utilruntime.Must(apiregistrationv1.AddToScheme(scheme))
	utilruntime.Must(clusterv1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Run runs the seed manager until ctx ends.
func Run(ctx context.Context, config *rest.Config, opts Options) error {
	opts.Context = ctx
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	mgr, err := newManager(config, opts)
	if err != nil {
		return err
	}
	if err := setupControllers(ctx, mgr, opts); err != nil {
		return err
	}
	metrics.Registry.MustRegister(operations, &collector{reader: mgr.GetClient(), synced: mgr.GetCache().WaitForCacheSync})
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, opts Options) (ctrl.Manager, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own fairness
	ours, err := labels.NewRequirement(v1alpha1.LabelCluster, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	byObject := ClusterAPICache()
	for _, kind := range []client.Object{
		&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}, &corev1.Service{}, &corev1.Namespace{},
		&corev1.PersistentVolumeClaim{}, &corev1.ServiceAccount{}, &appsv1.Deployment{}, &appsv1.StatefulSet{},
		&rbacv1.Role{}, &rbacv1.RoleBinding{},
	} {
		byObject[kind] = cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        Scheme(),
		HealthProbeBindAddress:        opts.HealthAddress,
		Metrics:                       server.Options{BindAddress: opts.MetricsAddress},
		LeaderElection:                opts.LeaderElection,
		LeaderElectionID:              "canopy-seed",
		LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject:         byObject,
		},
		Client: client.Options{Cache: &client.CacheOptions{Unstructured: true}},
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the seed manager: %w", err)
	}
	return mgr, nil
}

// setupControllers is the table of contents: every controller that runs on a seed.
func setupControllers(ctx context.Context, mgr ctrl.Manager, opts Options) error {
	clusters, err := SetupClusterAPI(ctx, mgr)
	if err != nil {
		return err
	}
	fleets := map[v1alpha1.ProviderName]*fleet.Fleet{}
	for name, cloud := range clouds.All() {
		fleets[name] = &fleet.Fleet{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Cloud: cloud, Clock: opts.Clock}
	}
	for _, controller := range []struct {
		name  string
		setup func() error
	}{
		{hostedClusterController, func() error { return setupHostedCluster(mgr, clusters, opts) }},
		{bootstrapController, func() error { return setupBootstrap(mgr, clusters, opts) }},
		{providerClusterController, func() error { return setupProviderCluster(mgr, fleets, opts) }},
		{providerMachineController, func() error { return setupProviderMachine(mgr, clusters, fleets, opts) }},
		{csrController, func() error { return setupCSR(mgr, clusters, opts.Workers) }},
	} {
		if err := controller.setup(); err != nil {
			return fmt.Errorf("setting up the controller %s: %w", controller.name, err)
		}
	}
	return nil
}

func setupHostedCluster(mgr ctrl.Manager, clusters clustercache.ClusterCache, opts Options) error {
	r := &HostedClusterReconciler{
		Client:    mgr.GetClient(),
		APIReader: mgr.GetAPIReader(),
		Applier:   &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()},
		Clock:     opts.Clock,
		Events:    mgr.GetEventRecorder(hostedClusterController),
		Options:   opts,
		prober:    newProber(),
		addons:    &addons{clusters: clusters, options: opts},
		starts:    newStarts(),
	}
	toCluster := handler.EnqueueRequestsFromMapFunc(clusterOf)
	answered := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, hc *v1alpha1.HostedCluster) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(hc)}}
	})
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named(hostedClusterController).
		For(&v1alpha1.HostedCluster{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&appsv1.StatefulSet{}, toCluster).
		Watches(&corev1.Pod{}, toCluster, builder.WithPredicates(notMachine)).
		Watches(&corev1.Secret{}, toCluster, builder.WithPredicates(predicate.Or(deleted, isCredentials))).
		Watches(&corev1.Service{}, toCluster).
		Watches(&clusterv1.Cluster{}, toCluster).
		Watches(&v1alpha1.HostedControlPlane{}, toCluster).
		Watches(&v1alpha1.ProviderCluster{}, toCluster).
		Watches(&v1alpha1.ProviderMachine{}, toCluster).
		Watches(&clusterv1.Machine{}, toCluster).
		Watches(&clusterv1.MachineDeployment{}, toCluster, builder.WithPredicates(resized)).
		Watches(&clusterv1.MachineSet{}, toCluster, builder.WithPredicates(goes)).
		WatchesRawSource(source.Channel(r.prober.Answered, answered)).
		WatchesRawSource(clusters.GetClusterSource(hostedClusterController, clusterOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return err
	}
	r.addons.watcher = c
	return nil
}

// notMachine lets the pods of control planes and what stands beside them through, not those that are machines.
var notMachine = predicate.NewPredicateFuncs(func(obj client.Object) bool {
	return obj.GetLabels()[v1alpha1.LabelComponent] != v1alpha1.ComponentMachine
})

// deleted lets deletions through only.
var deleted = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// goes lets objects through whose deletion has begun or ended.
var goes = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// clusterOf returns the HostedCluster that an object belongs to.
func clusterOf(_ context.Context, obj client.Object) []reconcile.Request {
	name := obj.GetLabels()[v1alpha1.LabelCluster]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: obj.GetNamespace(), Name: name}}}
}
