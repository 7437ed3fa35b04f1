// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// poolKinds are pruned at once; templateKinds only when no machine is being replaced, because Cluster API may still make
// one from an old template until then.
var (
	poolKinds = []schema.GroupVersionKind{
		clusterv1.GroupVersion.WithKind("MachineDeployment"),
		clusterv1.GroupVersion.WithKind("MachineHealthCheck"),
		clusterv1.GroupVersion.WithKind("MachineDrainRule"),
	}
	templateKinds = []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind("ProviderMachineTemplate"),
		v1alpha1.GroupVersion.WithKind("BootstrapConfigTemplate"),
	}
)

// reconcilePools applies Cluster API's objects for the pools and writes what became of them into the status.
func (r *HostedClusterReconciler) reconcilePools(ctx context.Context, hc *v1alpha1.HostedCluster, owner kube.Owner, answers bool) error {
	live, err := r.deployments(ctx, hc)
	if err != nil {
		return err
	}
	if err := r.resize(ctx, hc, live); err != nil {
		return err
	}
	objs, err := machine.Objects(hc, live)
	if err != nil {
		return err
	}
	if err := r.Applier.Apply(ctx, owner, objs); err != nil {
		return err
	}
	if err := r.mirrorControlPlane(ctx, hc, answers); err != nil {
		return err
	}
	if err := r.observeCloud(ctx, hc); err != nil {
		return err
	}
	settled, err := r.observePools(ctx, hc)
	if err != nil {
		return err
	}
	kinds := poolKinds
	if settled {
		kinds = append(kinds[:len(kinds):len(kinds)], templateKinds...)
	}
	return kube.Prune(ctx, r.Client, r.Client, kube.PruneScope{Owner: owner, Namespace: hc.Namespace, Kinds: kinds}, objs)
}

// mirrorControlPlane tells Cluster API whether machines may join, and what the control plane runs. What has answered once
// is there for good.
func (r *HostedClusterReconciler) mirrorControlPlane(ctx context.Context, hc *v1alpha1.HostedCluster, answers bool) error {
	hcp := &v1alpha1.HostedControlPlane{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(hc), hcp); err != nil {
		return client.IgnoreNotFound(err) // the cache is behind: its event wakes us
	}
	before := hcp.DeepCopy()
	hcp.Status.Initialization.Provisioned = true
	hcp.Status.ExternalManagedControlPlane = true
	if answers {
		hcp.Status.Initialization.ControlPlaneInitialized = true
		hcp.Status.Version = "v" + hc.Status.Version
	}
	return kube.PatchStatus(ctx, r.Client, before, hcp)
}

// observeCloud writes into the status what became of what the machines have in common at their cloud.
func (r *HostedClusterReconciler) observeCloud(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	if !machine.AtCloud(hc) {
		meta.RemoveStatusCondition(&hc.Status.Conditions, v1alpha1.ConditionCloudReady)
		return nil
	}
	pc := &v1alpha1.ProviderCluster{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(hc), pc); err != nil {
		return client.IgnoreNotFound(err) // the cache is behind: its event wakes us
	}
	ready := meta.FindStatusCondition(pc.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		setCondition(hc, v1alpha1.ConditionCloudReady, false, v1alpha1.ReasonWaitingForCloud, "what the machines have in common at their cloud has not been looked at yet")
		return nil
	}
	setCondition(hc, v1alpha1.ConditionCloudReady, ready.Status == metav1.ConditionTrue, ready.Reason, ready.Message)
	return nil
}

// observePools writes the pools' status and reports whether no machine is coming or going.
func (r *HostedClusterReconciler) observePools(ctx context.Context, hc *v1alpha1.HostedCluster) (settled bool, err error) {
	var machines clusterv1.MachineList
	var providerMachines v1alpha1.ProviderMachineList
	var bootstrapConfigs v1alpha1.BootstrapConfigList
	in := client.InNamespace(hc.Namespace)
	if err := errors.Join(r.List(ctx, &machines, in), r.List(ctx, &providerMachines, in), r.List(ctx, &bootstrapConfigs, in)); err != nil {
		return false, fmt.Errorf("reading the machines: %w", err)
	}
	deployments, err := r.deployments(ctx, hc)
	if err != nil {
		return false, err
	}
	hc.Status.NodePools = machine.PoolStatuses(hc, machine.Live{
		Machines: machines.Items, ProviderMachines: providerMachines.Items, BootstrapConfigs: bootstrapConfigs.Items, Deployments: deployments,
	})
	hc.Status.ReadyNodes = 0
	var waits []string
	for _, pool := range hc.Status.NodePools {
		hc.Status.ReadyNodes += pool.ReadyReplicas
		if pool.Message != "" {
			waits = append(waits, "pool "+pool.Name+": "+pool.Message)
		}
	}
	reason := v1alpha1.ReasonReady
	if len(waits) > 0 {
		reason = v1alpha1.ReasonWaitingForNodes
	}
	setCondition(hc, v1alpha1.ConditionNodesReady, len(waits) == 0, reason, strings.Join(waits, "; "))
	return len(waits) == 0, nil
}
