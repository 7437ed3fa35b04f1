// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func condition(conditionType string, ok bool, message string) metav1.Condition {
	c := metav1.Condition{Type: conditionType, Status: metav1.ConditionFalse, Reason: "Reason", Message: message}
	if ok {
		c.Status = metav1.ConditionTrue
	}
	return c
}

// node is a machine of the pool workers that is a ready node.
func node(name string, mods ...func(*clusterv1.Machine)) clusterv1.Machine {
	m := clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelPool: "workers"}},
		Spec:       clusterv1.MachineSpec{Version: "v1.37.2"},
		Status: clusterv1.MachineStatus{
			NodeRef:    clusterv1.MachineNodeReference{Name: name},
			Conditions: []metav1.Condition{condition(clusterv1.MachineNodeReadyCondition, true, ""), condition(clusterv1.MachineUpToDateCondition, true, "")},
		},
	}
	for _, mod := range mods {
		mod(&m)
	}
	return m
}

func starting(m *clusterv1.Machine) { m.Status = clusterv1.MachineStatus{} }

func outdated(m *clusterv1.Machine) { m.Spec.Version = "v1.36.3" }

func draining(m *clusterv1.Machine) {
	m.DeletionTimestamp = new(metav1.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	m.Status.Conditions = append(m.Status.Conditions, condition(clusterv1.MachineDeletingCondition, true, "Drain not completed yet:\n* Pod a: waits"))
}

func TestPoolStatuses(t *testing.T) {
	unprovisioned := v1alpha1.ProviderMachine{
		ObjectMeta: metav1.ObjectMeta{Name: "b"},
		Status:     v1alpha1.ProviderMachineStatus{Conditions: []metav1.Condition{condition("Ready", false, "pod b: image is missing")}},
	}
	booted := v1alpha1.ProviderMachine{
		ObjectMeta: metav1.ObjectMeta{Name: "b"},
		Status: v1alpha1.ProviderMachineStatus{
			Initialization: v1alpha1.MachineInitialization{Provisioned: true}, Conditions: []metav1.Condition{condition("Ready", true, "")},
		},
	}
	for name, c := range map[string]struct {
		cluster *v1alpha1.HostedCluster
		live    Live
		want    []v1alpha1.NodePoolStatus
	}{
		"a pool that is as it should be needs no words": {
			demo(),
			Live{Machines: []clusterv1.Machine{node("a"), node("b")}},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 2, UpToDateReplicas: 2, Version: "1.37.2"}},
		},
		"a pool without machines waits for them": {
			demo(),
			Live{},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Version: "1.37.2", Message: "0 of 2 machines exist"}},
		},
		"a pool with autoscaling waits for what it has been scaled to": {
			demo(autoscaled(1, 5)),
			Live{Machines: []clusterv1.Machine{node("a"), node("b")}, Deployments: scaled(3, true)},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 3, Replicas: 2, ReadyReplicas: 2, UpToDateReplicas: 2, Version: "1.37.2", Message: "2 of 3 machines exist"}},
		},
		"a machine waits for its user data": {
			demo(),
			Live{
				Machines: []clusterv1.Machine{node("a"), node("b", starting)},
				BootstrapConfigs: []v1alpha1.BootstrapConfig{{
					ObjectMeta: metav1.ObjectMeta{Name: "b"},
					Status:     v1alpha1.BootstrapConfigStatus{Conditions: []metav1.Condition{condition("Ready", false, "the API does not answer")}},
				}},
				ProviderMachines: []v1alpha1.ProviderMachine{unprovisioned},
			},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 1, UpToDateReplicas: 2, Version: "1.37.2", Message: "machine b: the API does not answer"}},
		},
		"a machine waits for its instance": {
			demo(),
			Live{Machines: []clusterv1.Machine{node("a"), node("b", starting)}, ProviderMachines: []v1alpha1.ProviderMachine{unprovisioned}},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 1, UpToDateReplicas: 2, Version: "1.37.2", Message: "machine b: pod b: image is missing"}},
		},
		"a machine has not joined": {
			demo(),
			Live{Machines: []clusterv1.Machine{node("a"), node("b", starting)}, ProviderMachines: []v1alpha1.ProviderMachine{booted}},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 1, UpToDateReplicas: 2, Version: "1.37.2", Message: "machine b: has booted and has not joined the cluster yet"}},
		},
		"a node is not ready": {
			demo(),
			Live{Machines: []clusterv1.Machine{node("a"), node("b", func(m *clusterv1.Machine) {
				m.Status.Conditions = []metav1.Condition{condition(clusterv1.MachineNodeReadyCondition, false, "* Node.Ready: no network")}
			})}, ProviderMachines: []v1alpha1.ProviderMachine{booted}},
			[]v1alpha1.NodePoolStatus{{Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 1, UpToDateReplicas: 2, Version: "1.37.2", Message: "machine b: Node.Ready: no network"}},
		},
		"machines are replaced one by one": {
			demo(),
			Live{Machines: []clusterv1.Machine{node("a", outdated, draining), node("b", outdated), node("c")}},
			[]v1alpha1.NodePoolStatus{{
				Name: "workers", WantedReplicas: 2, Replicas: 3, ReadyReplicas: 3, UpToDateReplicas: 1, Version: "1.37.2",
				Message: "1 of 2 machines are up to date, the others are replaced one by one; machine a is going away: Drain not completed yet: Pod a: waits",
			}},
		},
		"a pool that is upgraded later says so": {
			demo(func(c *v1alpha1.HostedCluster) { c.Status.Version = "1.36.3" }),
			Live{Machines: []clusterv1.Machine{node("a", outdated), node("b", outdated)}},
			[]v1alpha1.NodePoolStatus{{
				Name: "workers", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 2, UpToDateReplicas: 2, Version: "1.36.3",
				Message: "Kubernetes 1.37.2 follows when the control plane runs it",
			}},
		},
		"a pool that was removed is shown until its machines are gone": {
			demo(func(c *v1alpha1.HostedCluster) { c.Spec.NodePools = nil }),
			Live{Machines: []clusterv1.Machine{node("a", draining)}},
			[]v1alpha1.NodePoolStatus{{
				Name: "workers", Replicas: 1, ReadyReplicas: 1, Removed: &v1alpha1.RemovedPool{},
				Message: "the pool was removed: machine a is going away: Drain not completed yet: Pod a: waits",
			}},
		},
		"a pool that was removed says what its machines are": {
			demo(func(c *v1alpha1.HostedCluster) { c.Spec.NodePools = nil }),
			Live{
				Machines: []clusterv1.Machine{node("a"), node("b")},
				ProviderMachines: []v1alpha1.ProviderMachine{{
					ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: v1alpha1.ProviderMachineSpec{Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}},
				}},
			},
			[]v1alpha1.NodePoolStatus{{
				Name: "workers", Replicas: 2, ReadyReplicas: 2, Message: "the pool was removed",
				Removed: &v1alpha1.RemovedPool{Provider: &v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, PoolStatuses(c.cluster, c.live)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}
