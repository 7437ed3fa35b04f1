// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	capicluster "sigs.k8s.io/cluster-api/core/reconcilers/cluster"
	capimachine "sigs.k8s.io/cluster-api/core/reconcilers/machine"
	"sigs.k8s.io/cluster-api/core/reconcilers/machinedeployment"
	"sigs.k8s.io/cluster-api/core/reconcilers/machinehealthcheck"
	"sigs.k8s.io/cluster-api/core/reconcilers/machineset"
	capisetup "sigs.k8s.io/cluster-api/core/setup"
	"sigs.k8s.io/cluster-api/feature"
	"sigs.k8s.io/cluster-api/util/index"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

const (
	// clusterAPIWorkers is how many objects of one kind Cluster API works on at the same time; what it does is waiting.
	clusterAPIWorkers = 20
	// connectionGrace is how long a cluster may not answer before its Cluster says so, conditionsGrace before its machines'
	// conditions turn Unknown. Cluster API asks for two minutes at least.
	connectionGrace = 50 * time.Second
	conditionsGrace = 5 * time.Minute
)

// SetupClusterAPI adds Cluster API's controllers to the manager: Cluster, MachineDeployment, MachineSet, Machine and
// MachineHealthCheck, without webhooks, topologies and pools of the providers' own. It returns their connections to the
// user clusters, which ours share; a cluster is connected when its control plane has been initialized, not before, because
// after a failure Cluster API waits for half a minute.
//
// The manager's client has to read unstructured objects from its cache, and the cache must keep managed fields of the
// kinds that ClusterAPICache names.
func SetupClusterAPI(ctx context.Context, mgr ctrl.Manager) (clustercache.ClusterCache, error) {
	gates := map[string]bool{
		string(feature.MachinePool): false,
		// With it, an object is looked at once a second at most, and a machine is made by five of them, one after another.
		string(feature.ReconcilerRateLimiting): false,
	}
	if err := feature.MutableGates.SetFromMap(gates); err != nil {
		return nil, err
	}
	if err := index.AddDefaultIndexes(ctx, mgr); err != nil {
		return nil, fmt.Errorf("setting up Cluster API's indexes: %w", err)
	}
	options := controller.Options{MaxConcurrentReconciles: clusterAPIWorkers}
	clusters, err := clustercache.SetupWithManager(ctx, mgr, clustercache.Options{
		SecretClient:  mgr.GetAPIReader(),
		Cache:         capisetup.ClusterCacheCacheOptions(),
		Client:        capisetup.ClusterCacheClientOptions("canopy-seed", -1, -1), // the user cluster has its own fairness
		ClusterFilter: isInitialized,
	}, options)
	if err != nil {
		return nil, fmt.Errorf("setting up the connections to user clusters: %w", err)
	}
	c, live := mgr.GetClient(), mgr.GetAPIReader()
	return clusters, errors.Join(
		(&capicluster.Reconciler{Client: c, APIReader: live, ClusterCache: clusters, RemoteConnectionGracePeriod: connectionGrace}).
			SetupWithManager(ctx, mgr, options),
		(&machinedeployment.Reconciler{Client: c, APIReader: live}).SetupWithManager(ctx, mgr, options),
		// Its other checks would hold machines back, and look again only every 15 seconds, while a control plane starts or is
		// upgraded: that machines wait for it is bootstrap's business, and that pools follow it is ours.
		(&machineset.Reconciler{
			Client: c, APIReader: live, ClusterCache: clusters,
			PreflightChecks: sets.New(clusterv1.MachineSetPreflightCheckKubernetesVersionSkew),
		}).SetupWithManager(ctx, mgr, options),
		(&capimachine.Reconciler{
			Client: c, APIReader: live, ClusterCache: clusters, RemoteConditionsGracePeriod: conditionsGrace,
			AdditionalSyncMachineLabels: machine.SyncedLabels(),
		}).SetupWithManager(ctx, mgr, options),
		(&machinehealthcheck.Reconciler{Client: c, ClusterCache: clusters}).SetupWithManager(ctx, mgr, options),
	)
}

func isInitialized(cluster *clusterv1.Cluster) bool {
	return ptr.Deref(cluster.Status.Initialization.ControlPlaneInitialized, false)
}

// ClusterAPICache is for the options of the manager's cache: the kinds whose managed fields Cluster API compares. Without
// these it takes them for lost and writes them anew, every second.
func ClusterAPICache() map[client.Object]cache.ByObject {
	whole := cache.ByObject{Transform: func(obj any) (any, error) { return obj, nil }}
	return map[client.Object]cache.ByObject{
		&clusterv1.MachineSet{}:     whole,
		&clusterv1.Machine{}:        whole,
		&v1alpha1.ProviderMachine{}: whole,
		&v1alpha1.BootstrapConfig{}: whole,
	}
}
