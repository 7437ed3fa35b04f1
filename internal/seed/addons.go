// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/usercluster"
)

// reapplyAfter is how long a change that somebody made to an addon may last.
const reapplyAfter = 10 * time.Minute

// addons applies what runs inside the user clusters. It remembers what it applied where, only to save work.
type addons struct {
	clusters clustercache.ClusterCache
	// watcher is the controller that changes of the addons wake.
	watcher clustercache.SourceWatcher[reconcile.Request]
	options Options

	applied sync.Map // client.ObjectKey of the cluster → appliedSet
	led     sync.Map // client.ObjectKey of the cluster → led
}

type appliedSet struct {
	hash [sha256.Size]byte
	at   time.Time
}

// reconcile applies the objects inside the user cluster and writes their health into the status.
func (a *addons) reconcile(ctx context.Context, hc *v1alpha1.HostedCluster, w ways, keys insideKeys) error {
	key := client.ObjectKeyFromObject(hc)
	inside, err := a.clusters.GetUncachedClient(ctx, key)
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		setCondition(hc, v1alpha1.ConditionAddonsReady, false, "Connecting", "the seed manager is connecting to the cluster")
		return nil // it wakes us when it has
	}
	if err != nil {
		return err
	}
	input, err := a.input(hc, w, keys)
	if err != nil {
		return err
	}
	objs := usercluster.Objects(input)
	if err := a.apply(ctx, key, inside, objs); err != nil {
		setCondition(hc, v1alpha1.ConditionAddonsReady, false, v1alpha1.ReasonError, err.Error())
		return fmt.Errorf("applying what runs inside the cluster: %w", err)
	}
	if err := a.leadInside(ctx, inside, hc, w.endpoint); err != nil {
		return fmt.Errorf("leading the cluster's Service %s to its API: %w", usercluster.APIService, err)
	}
	return a.observe(ctx, key, hc)
}

func (a *addons) input(hc *v1alpha1.HostedCluster, w ways, keys insideKeys) (usercluster.Input, error) {
	host, address := w.endpoint.NodeHost()
	dns, err := controlplane.ServiceAddress(hc.Spec.Network, 10)
	if err != nil {
		return usercluster.Input{}, err
	}
	proxy, err := images.Kubernetes("kube-proxy", hc.Status.Version)
	if err != nil {
		return usercluster.Input{}, err
	}
	return usercluster.Input{
		Network: hc.Spec.Network,
		APIHost: host, APIPort: w.endpoint.Port, APIAddress: address,
		Agent:            agentOf(hc, w.agent),
		DNSAddress:       dns,
		CoreDNSReplicas:  *hc.Spec.CoreDNS.Replicas,
		KubeProxyImage:   proxy,
		ServerImage:      a.options.ServerImage,
		NodeNetworkImage: a.options.NodeNetworkImage,
		Tunnel: usercluster.Tunnel{
			Kind: hc.Spec.Network.Tunnel, Host: w.endpoint.TunnelHost, Port: w.endpoint.TunnelPort,
			OpenVPNImage: a.options.OpenVPNImage, OpenVPNKeys: keys.openVPNClients,
		},
		CA:                keys.ca,
		MetricsServerKeys: keys.metricsServer,
		Access:            hc.Spec.Access,
		SSHKeys:           hc.Spec.SSHKeys,
		Autoscaled:        hc.Autoscaled(),
		LocalVolumes:      hasLocalMachines(hc),
	}, nil
}

func (a *addons) apply(ctx context.Context, key client.ObjectKey, inside client.Client, objs []client.Object) error {
	content, err := json.Marshal(objs)
	if err != nil {
		return err
	}
	set := appliedSet{hash: sha256.Sum256(content), at: a.options.Clock.Now()}
	if last, ok := a.applied.Load(key); ok && last.(appliedSet).hash == set.hash && set.at.Sub(last.(appliedSet).at) < reapplyAfter {
		return nil
	}
	owner := kube.Owner{FieldManager: hostedClusterController, Label: usercluster.OwnerLabel, Value: usercluster.OwnerValue}
	applier := &kube.Applier{Client: inside}
	if err := applier.Apply(ctx, owner, objs); err != nil {
		return err
	}
	if err := kube.Prune(ctx, inside, inside, kube.PruneScope{Owner: owner, Kinds: usercluster.PrunedKinds}, objs); err != nil {
		return err
	}
	a.applied.Store(key, set)
	return nil
}

// observeOnly writes the health of what runs inside the cluster into the status, and applies nothing.
func (a *addons) observeOnly(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	err := a.observe(ctx, client.ObjectKeyFromObject(hc), hc)
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		setCondition(hc, v1alpha1.ConditionAddonsReady, false, "Connecting", "the seed manager is connecting to the cluster")
		return nil // it wakes us when it has
	}
	return err
}

// observe reads the addons from the cluster's cache, whose events wake the reconciler.
func (a *addons) observe(ctx context.Context, key client.ObjectKey, hc *v1alpha1.HostedCluster) error {
	wake := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: key}}
	})
	for name, kind := range map[string]client.Object{"daemonsets": &appsv1.DaemonSet{}, "deployments": &appsv1.Deployment{}, "statefulsets": &appsv1.StatefulSet{}} {
		if err := a.clusters.Watch(ctx, key, clustercache.NewWatcher(clustercache.WatcherOptions{
			Name: hostedClusterController + "-" + name, Watcher: a.watcher, Kind: kind, EventHandler: wake,
		})); err != nil {
			return fmt.Errorf("watching the cluster's addons: %w", err)
		}
	}
	cached, err := a.clusters.GetReader(ctx, key)
	if err != nil {
		return err
	}
	selector := client.MatchingLabels{usercluster.OwnerLabel: usercluster.OwnerValue}
	var daemonSets appsv1.DaemonSetList
	var deployments appsv1.DeploymentList
	var statefulSets appsv1.StatefulSetList
	if err := errors.Join(
		cached.List(ctx, &daemonSets, client.InNamespace(metav1.NamespaceSystem), selector),
		cached.List(ctx, &deployments, client.InNamespace(metav1.NamespaceSystem), selector),
		cached.List(ctx, &statefulSets, client.InNamespace(metav1.NamespaceSystem), selector),
	); err != nil {
		return fmt.Errorf("reading the cluster's addons: %w", err)
	}
	components := usercluster.Components(hc.Spec.Network.Tunnel, usercluster.Live{
		DaemonSets: daemonSets.Items, Deployments: deployments.Items, StatefulSets: statefulSets.Items,
	})
	hc.Status.Components = mergeComponents(hc.Status.Components, components)
	message := explain(usercluster.Needed(components))
	reason := v1alpha1.ReasonReady
	if message != "" {
		reason = "WaitingForAddons"
	}
	setCondition(hc, v1alpha1.ConditionAddonsReady, message == "", reason, message)
	return nil
}

func (a *addons) forget(hc *v1alpha1.HostedCluster) {
	key := client.ObjectKeyFromObject(hc)
	a.applied.Delete(key)
	a.led.Delete(key)
}
