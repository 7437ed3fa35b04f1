// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// behind is a cache that has not seen the pools yet.
type behind struct{ client.Client }

func (b behind) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*clusterv1.MachineDeployment); ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "machinedeployments"}, key.Name)
	}
	return b.Client.Get(ctx, key, obj, opts...)
}

func (b behind) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, ok := list.(*clusterv1.MachineDeploymentList); ok {
		return nil
	}
	return b.Client.List(ctx, list, opts...)
}

// A pool that was made in the moment before would stay for ever if Cluster API's Cluster went first.
func TestDeletionWaitsForTheCacheToKnowThePools(t *testing.T) {
	c := newClusterTest(t, "brief")
	c.step()
	c.answered()
	pool := &clusterv1.MachineDeployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: c.hc.Namespace, Name: "workers", Labels: clusterLabels(c.hc), Finalizers: []string{clusterv1.MachineDeploymentFinalizer},
	}}
	pool.Spec.ClusterName = c.hc.Name
	pool.Spec.Selector.MatchLabels = map[string]string{clusterv1.ClusterNameLabel: c.hc.Name}
	pool.Spec.Template.Labels = pool.Spec.Selector.MatchLabels
	pool.Spec.Template.Spec.ClusterName = c.hc.Name
	pool.Spec.Template.Spec.InfrastructureRef = clusterv1.ContractVersionedObjectReference{APIGroup: "hosting.canopy.dev", Kind: "ProviderMachineTemplate", Name: "a"}
	pool.Spec.Template.Spec.Bootstrap.ConfigRef = clusterv1.ContractVersionedObjectReference{APIGroup: "hosting.canopy.dev", Kind: "BootstrapConfigTemplate", Name: "a"}
	create(t, c.Client, pool)
	if err := c.Delete(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	known := c.Client
	c.Client = behind{known}
	if ready := c.step(); !strings.Contains(ready.Message, "learn of pool workers") {
		t.Errorf("Ready: %+v", ready)
	}
	cluster := &clusterv1.Cluster{}
	if c.get(cluster, c.hc.Name); !cluster.DeletionTimestamp.IsZero() {
		t.Error("Cluster API's Cluster goes before the pool is known")
	}
	c.Client = known
	if ready := c.step(); !strings.Contains(ready.Message, "the machines are to go") {
		t.Errorf("Ready: %+v", ready)
	}
}
