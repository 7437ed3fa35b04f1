// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// watchNodes wakes a machine when there is news of the node that has its name. A cluster that is not connected wakes all of its
// machines when it is.
func (r *ProviderMachineReconciler) watchNodes(ctx context.Context, cluster client.ObjectKey) error {
	err := r.Clusters.Watch(ctx, cluster, clustercache.NewWatcher(clustercache.WatcherOptions{
		Name: providerMachineController, Watcher: r.controller, Kind: &corev1.Node{},
		EventHandler: handler.EnqueueRequestsFromMapFunc(func(_ context.Context, node client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: cluster.Namespace, Name: node.GetName()}}}
		}),
		Predicates: []predicate.Predicate{nodeNews},
	}))
	return ignoreNotConnected(err)
}

// identify writes the machine's provider ID into its node, once, by which Cluster API finds it. kubelet could do that, if it
// asked its cloud, each in another way. The name is proof enough: whoever registers as a node has a certificate for just this
// name, and that was approved for this machine (csr_decision.go).
func (r *ProviderMachineReconciler) identify(ctx context.Context, m *v1alpha1.ProviderMachine) error {
	inside, err := r.Clusters.GetClient(ctx, clusterKey(m.Namespace))
	if err != nil {
		return ignoreNotConnected(err)
	}
	node := &corev1.Node{}
	if err := inside.Get(ctx, client.ObjectKey{Name: m.Name}, node); err != nil || node.Spec.ProviderID != "" {
		return client.IgnoreNotFound(err)
	}
	if err := kube.Patch(ctx, inside, node, func() { node.Spec.ProviderID = m.Spec.ProviderID }); err != nil {
		return fmt.Errorf("naming the machine's node: %w", err)
	}
	return nil
}

// expel deletes a node that has come after its machine was deleted: the machine's certificate is valid for longer, and kubelet
// registers when it starts. Without a node, all that it may do in the cluster is to register again. Nodes that are none of our
// pools, and those that were a machine's before, are left alone.
func (r *ProviderMachineReconciler) expel(ctx context.Context, name client.ObjectKey) error {
	// Not from the cache: it may lag behind, and a provider of somebody else's has no ProviderMachine.
	if err := r.Live.Get(ctx, name, &clusterv1.Machine{}); !apierrors.IsNotFound(err) {
		return err
	}
	inside, err := r.Clusters.GetClient(ctx, clusterKey(name.Namespace))
	if err != nil {
		return ignoreNotConnected(err)
	}
	node := &corev1.Node{}
	if err := inside.Get(ctx, client.ObjectKey{Name: name.Name}, node); err != nil {
		return client.IgnoreNotFound(err)
	}
	if node.Labels[v1alpha1.LabelPool] == "" || !unidentified(node) {
		return nil
	}
	log.FromContext(ctx).Info("A node has come whose machine was deleted", "node", node.Name)
	return kube.Delete(ctx, inside, node)
}

func ignoreNotConnected(err error) error {
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return nil
	}
	return err
}

// nodeNews lets nodes through that have no provider ID yet, have other addresses, or are gone.
var nodeNews = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return unidentified(e.Object) },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*corev1.Node)
		after, ok2 := e.ObjectNew.(*corev1.Node)
		return unidentified(e.ObjectNew) || ok1 && ok2 && !reflect.DeepEqual(before.Status.Addresses, after.Status.Addresses)
	},
}

func unidentified(obj client.Object) bool {
	node, ok := obj.(*corev1.Node)
	return ok && node.Spec.ProviderID == ""
}
