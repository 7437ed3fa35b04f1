// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// poolSizeManager owns the number of machines of a pool with autoscaling until cluster-autoscaler changes it.
const poolSizeManager = "seed/pool-size"

// deployments returns the cluster's MachineDeployments.
func (r *HostedClusterReconciler) deployments(ctx context.Context, hc *v1alpha1.HostedCluster) (machine.Deployments, error) {
	var list clusterv1.MachineDeploymentList
	if err := r.List(ctx, &list, client.InNamespace(hc.Namespace)); err != nil {
		return nil, fmt.Errorf("reading the MachineDeployments of %s: %w", hc.Namespace, err)
	}
	live := machine.Deployments{}
	for i := range list.Items {
		live[list.Items[i].Name] = &list.Items[i]
	}
	return live, nil
}

// resize writes the numbers of machines that are cluster-autoscaler's to write, where they have to be others. What it has asked
// for in the meantime is not overwritten: that is a conflict.
func (r *HostedClusterReconciler) resize(ctx context.Context, hc *v1alpha1.HostedCluster, live machine.Deployments) error {
	for pool, size := range machine.Resizes(hc, live) {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(size)}}}
		u.SetGroupVersionKind(clusterv1.GroupVersion.WithKind("MachineDeployment"))
		u.SetNamespace(hc.Namespace)
		u.SetName(pool)
		u.SetResourceVersion(live[pool].ResourceVersion)
		if err := kube.ApplyFresh(ctx, r.Client, poolSizeManager, u); err != nil {
			return err
		}
	}
	return nil
}

// autoscalerSecret returns the Secret with which cluster-autoscaler reaches the cluster, and removes it when it is not needed any
// more.
func (r *HostedClusterReconciler) autoscalerSecret(ctx context.Context, in controlplane.Input, a authorities) ([]client.Object, error) {
	hc := in.Cluster
	var secrets []client.Object
	if hc.Autoscaled() {
		secret, err := r.leafSecret(ctx, hc, controlplane.ClusterAutoscaler, a, controlplane.ClusterAutoscalerCertificates(), controlplane.ClusterAutoscalerKubeconfigs(in))
		if err != nil {
			return nil, err
		}
		secret.Labels[v1alpha1.LabelComponent] = controlplane.ClusterAutoscaler
		secret.Data["ca.crt"] = a.ca.Cert
		secrets = append(secrets, secret)
	}
	return secrets, kube.Prune(ctx, r.Client, r.Client, kube.PruneScope{
		Owner:     kube.Owner{Label: v1alpha1.LabelComponent, Value: controlplane.ClusterAutoscaler},
		Namespace: hc.Namespace,
		Kinds:     []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}},
	}, secrets)
}

// autoscalerStatus writes into the status whether cluster-autoscaler runs, where a pool needs it.
func autoscalerStatus(hc *v1alpha1.HostedCluster) {
	is := func(c v1alpha1.ComponentStatus) bool { return c.Name == controlplane.ClusterAutoscaler }
	if !hc.Autoscaled() {
		hc.Status.Components = slices.DeleteFunc(hc.Status.Components, is)
		meta.RemoveStatusCondition(&hc.Status.Conditions, v1alpha1.ConditionAutoscalerReady)
		return
	}
	if i := slices.IndexFunc(hc.Status.Components, is); i >= 0 {
		c := hc.Status.Components[i]
		message := ""
		if !c.Ready {
			message = explain([]v1alpha1.ComponentStatus{c})
		}
		setCondition(hc, v1alpha1.ConditionAutoscalerReady, c.Ready, c.Reason, message)
	}
}

// resized lets MachineDeployments through that come, go, or are to have another number of machines.
var resized = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*clusterv1.MachineDeployment)
		after, ok2 := e.ObjectNew.(*clusterv1.MachineDeployment)
		return goes.Update(e) || ok && ok2 && !ptr.Equal(before.Spec.Replicas, after.Spec.Replicas)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}
