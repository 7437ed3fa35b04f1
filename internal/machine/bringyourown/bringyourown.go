// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package bringyourown is the provider whose machines somebody else makes. It runs inside the seed's manager and reads nodes
// of user clusters; it makes and deletes nothing. A machine of it is a slot: it waits until a node of its name has come, whose
// owner has run what `canopy join-command` prints (package machine, JoinCommand).
package bringyourown

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// Provider sees machines as the nodes that they become. Whoever reconciles its machines watches these nodes.
type Provider struct {
	// Clusters are the connections to the user clusters.
	Clusters clustercache.ClusterCache
}

var _ machine.Provider = Provider{}

// Ensure returns the machine as Observe does: it waits for somebody.
func (p Provider) Ensure(ctx context.Context, m *v1alpha1.ProviderMachine, _ machine.Order) (machine.Instance, error) {
	return p.Observe(ctx, m, false)
}

// Observe returns the machine's node. It never returns ErrNotFound: a machine whose node has gone may come again, and nobody
// can replace it.
func (p Provider) Observe(ctx context.Context, m *v1alpha1.ProviderMachine, _ bool) (machine.Instance, error) {
	cluster := strings.TrimPrefix(m.Namespace, v1alpha1.NamespacePrefix)
	inside, err := p.Clusters.GetReader(ctx, client.ObjectKey{Namespace: m.Namespace, Name: cluster})
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return machine.Instance{}, kube.Wait(v1alpha1.ReasonWaitingForAPI, "the cluster's API does not answer, so that its nodes cannot be seen", 0)
	}
	if err != nil {
		return machine.Instance{}, err
	}
	nodes := &corev1.NodeList{}
	if err := inside.List(ctx, nodes); err != nil && !apierrors.IsNotFound(err) {
		return machine.Instance{}, fmt.Errorf("reading the nodes of cluster %s: %w", cluster, err)
	}
	return instanceOf(m, nodes.Items), nil
}

// Delete has nothing to let go of: Cluster API deletes the node, and the machine is its owner's.
func (Provider) Delete(context.Context, *v1alpha1.ProviderMachine) (bool, error) { return true, nil }

// instanceOf says how the machine is from the nodes of its cluster.
func instanceOf(m *v1alpha1.ProviderMachine, nodes []corev1.Node) machine.Instance {
	instance := machine.Instance{ID: m.Name, MachineUID: m.UID, ProviderID: "canopy-own://" + m.Namespace + "/" + m.Name}
	i := slices.IndexFunc(nodes, func(node corev1.Node) bool { return node.Name == m.Name })
	if i < 0 {
		instance.Reason = "WaitingForJoin"
		instance.Message = fmt.Sprintf("waits for a machine to join: get a command with `canopy join-command` for the pool %s and run it there", m.Labels[v1alpha1.LabelPool])
		if m.Status.Initialization.Provisioned {
			instance.Reason = "NodeGone"
			instance.Message = "its node was deleted: restart kubelet on the machine, or delete the machine here for another to join"
		}
		return instance
	}
	instance.Running, instance.Created = true, nodes[i].CreationTimestamp.Time
	for _, address := range nodes[i].Status.Addresses {
		if address.Address != "" && !claimed(address.Address, m.Name, nodes) {
			instance.Addresses = append(instance.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineAddressType(address.Type), Address: address.Address})
		}
	}
	return instance
}

// claimed reports whether another node has the address, too. Nobody but the node itself says what its addresses are, and it must
// not be served under another's.
func claimed(address, name string, nodes []corev1.Node) bool {
	return slices.ContainsFunc(nodes, func(other corev1.Node) bool {
		return other.Name != name && (other.Name == address || slices.ContainsFunc(other.Status.Addresses, func(a corev1.NodeAddress) bool { return a.Address == address }))
	})
}
