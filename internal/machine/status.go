// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Live are the objects of a cluster's machines as they are.
type Live struct {
	Machines         []clusterv1.Machine
	ProviderMachines []v1alpha1.ProviderMachine
	BootstrapConfigs []v1alpha1.BootstrapConfig
	Deployments      Deployments
}

// PoolStatuses returns the status of the cluster's pools: those of the spec in its order, then by name those that still
// have machines.
func PoolStatuses(cluster *v1alpha1.HostedCluster, live Live) []v1alpha1.NodePoolStatus {
	machines := map[string][]clusterv1.Machine{}
	for _, m := range live.Machines {
		machines[m.Labels[v1alpha1.LabelPool]] = append(machines[m.Labels[v1alpha1.LabelPool]], m)
	}
	statuses := []v1alpha1.NodePoolStatus{}
	for _, pool := range cluster.Spec.NodePools {
		statuses = append(statuses, poolStatus(cluster, pool, machines[pool.Name], live))
		delete(machines, pool.Name)
	}
	removed := []v1alpha1.NodePoolStatus{}
	for name, left := range machines {
		status := count(name, left)
		status.Message = strings.TrimSuffix("the pool was removed: "+goingAway(left), ": ")
		status.Removed = removedPool(left, live)
		removed = append(removed, status)
	}
	slices.SortFunc(removed, func(a, b v1alpha1.NodePoolStatus) int { return cmp.Compare(a.Name, b.Name) })
	return append(statuses, removed...)
}

// removedPool says what the machines of a pool are, by the first that says it.
func removedPool(machines []clusterv1.Machine, live Live) *v1alpha1.RemovedPool {
	for _, m := range machines {
		for i := range live.ProviderMachines {
			if live.ProviderMachines[i].Name == m.Name {
				return &v1alpha1.RemovedPool{Provider: live.ProviderMachines[i].Spec.Provider.DeepCopy()}
			}
		}
	}
	return &v1alpha1.RemovedPool{}
}

func poolStatus(cluster *v1alpha1.HostedCluster, pool v1alpha1.NodePool, machines []clusterv1.Machine, live Live) v1alpha1.NodePoolStatus {
	status := count(pool.Name, machines)
	status.Version = VersionOf(cluster, pool)
	status.WantedReplicas = wanted(pool, live.Deployments[pool.Name])
	for _, m := range machines {
		if upToDate(m) && m.Spec.Version == "v"+status.Version {
			status.UpToDateReplicas++
		}
	}
	status.Message = poolWaitsFor(cluster, pool, status, machines, live)
	return status
}

func count(pool string, machines []clusterv1.Machine) v1alpha1.NodePoolStatus {
	status := v1alpha1.NodePoolStatus{Name: pool, Replicas: int32(len(machines))}
	for _, m := range machines {
		if meta.IsStatusConditionTrue(m.Status.Conditions, clusterv1.MachineNodeReadyCondition) {
			status.ReadyReplicas++
		}
	}
	return status
}

// poolWaitsFor says why the pool is not as it should be: the trouble of the first machine that has some, or how far the
// pool has come.
func poolWaitsFor(cluster *v1alpha1.HostedCluster, pool v1alpha1.NodePool, status v1alpha1.NodePoolStatus, machines []clusterv1.Machine, live Live) string {
	for _, m := range machines {
		if trouble := trouble(m, live); trouble != "" {
			return fmt.Sprintf("machine %s: %s", m.Name, trouble)
		}
	}
	wanted := status.WantedReplicas
	switch {
	case status.Replicas < wanted:
		return fmt.Sprintf("%d of %d machines exist", status.Replicas, wanted)
	case status.UpToDateReplicas < wanted:
		others := "are replaced one by one"
		if pool.Provider.BringYourOwn != nil {
			others = "are when they are deleted and join again"
		}
		progress := fmt.Sprintf("%d of %d machines are up to date, the others %s", status.UpToDateReplicas, wanted, others)
		return strings.TrimSuffix(progress+"; "+goingAway(machines), "; ")
	case status.Replicas > wanted:
		return cmp.Or(goingAway(machines), "machines are about to go away")
	}
	if target := cmp.Or(pool.Version, cluster.Spec.Version); newer(target, status.Version) {
		return fmt.Sprintf("Kubernetes %s follows when the control plane runs it", target)
	}
	return ""
}

// trouble says what keeps the machine from being a ready node, empty if it is one or is going away.
func trouble(m clusterv1.Machine, live Live) string {
	if !m.DeletionTimestamp.IsZero() || meta.IsStatusConditionTrue(m.Status.Conditions, clusterv1.MachineNodeReadyCondition) {
		return ""
	}
	for i := range live.BootstrapConfigs {
		if c := &live.BootstrapConfigs[i]; c.Name == m.Name && !c.Status.Initialization.DataSecretCreated {
			return cmp.Or(notReady(c.Status.Conditions), "waits for its user data")
		}
	}
	for i := range live.ProviderMachines {
		if p := &live.ProviderMachines[i]; p.Name == m.Name {
			if waits := notReady(p.Status.Conditions); waits != "" || !p.Status.Initialization.Provisioned {
				return cmp.Or(waits, "waits for its instance")
			}
		}
	}
	if !m.Status.NodeRef.IsDefined() {
		return "has booted and has not joined the cluster yet"
	}
	return cmp.Or(message(m.Status.Conditions, clusterv1.MachineNodeReadyCondition), "its node is not ready")
}

// goingAway says what the machines that are being deleted wait for, empty if none is.
func goingAway(machines []clusterv1.Machine) string {
	var parts []string
	for _, m := range machines {
		if m.DeletionTimestamp.IsZero() {
			continue
		}
		reason := message(m.Status.Conditions, clusterv1.MachineDeletingCondition)
		parts = append(parts, strings.TrimSuffix("machine "+m.Name+" is going away: "+reason, ": "))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func upToDate(m clusterv1.Machine) bool {
	c := meta.FindStatusCondition(m.Status.Conditions, clusterv1.MachineUpToDateCondition)
	return m.DeletionTimestamp.IsZero() && (c == nil || c.Status == metav1.ConditionTrue)
}

// notReady returns the message of a Ready condition that is not true.
func notReady(conditions []metav1.Condition) string {
	if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady) {
		return ""
	}
	return message(conditions, v1alpha1.ConditionReady)
}

// message returns a condition's message in one line.
func message(conditions []metav1.Condition, conditionType string) string {
	c := meta.FindStatusCondition(conditions, conditionType)
	if c == nil {
		return ""
	}
	return oneLine.Replace(strings.TrimPrefix(c.Message, "* "))
}

// oneLine undoes the lists that Cluster API writes.
var oneLine = strings.NewReplacer(":\n* ", ": ", "\n* ", "; ", "\n", " ")
