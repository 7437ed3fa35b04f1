// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
)

// Reasons of a component's status.
const (
	reasonRunning    = "Running"
	reasonStarting   = "Starting"
	reasonRollingOut = "RollingOut"
	reasonMissing    = "Missing"
	reasonFailed     = "ReplicaFailure"
)

// Live is what was read of what runs inside the user cluster.
type Live struct {
	DaemonSets   []appsv1.DaemonSet
	Deployments  []appsv1.Deployment
	StatefulSets []appsv1.StatefulSet
}

// tunnelClient is the name of the component that is this end of the tunnel.
func tunnelClient(kind v1alpha1.Tunnel) string {
	if kind == v1alpha1.TunnelKonnectivity {
		return KonnectivityAgent
	}
	return openvpn.Client
}

// Needed returns those of components without which pods could not run or be reached. The others say how they are, and nobody
// waits for them: metrics-server is ready only when it has asked the nodes for a while.
func Needed(components []v1alpha1.ComponentStatus) []v1alpha1.ComponentStatus {
	return slices.DeleteFunc(slices.Clone(components), func(c v1alpha1.ComponentStatus) bool { return c.Name == MetricsServer })
}

// Components returns the health of what runs inside the user cluster, sorted by name. A cluster without nodes is not
// unhealthy: its components are ready, for the reason that they wait for the first node.
func Components(kind v1alpha1.Tunnel, live Live) []v1alpha1.ComponentStatus {
	var statuses []v1alpha1.ComponentStatus
	nodes := int32(0)
	for i := range live.DaemonSets {
		nodes = max(nodes, live.DaemonSets[i].Status.DesiredNumberScheduled)
		statuses = append(statuses, daemonSetStatus(&live.DaemonSets[i]))
	}
	for i := range live.Deployments {
		d := &live.Deployments[i]
		statuses = append(statuses, replicasStatus(replicas{
			name: d.Name, wanted: d.Spec.Replicas, seen: d.Status.ObservedGeneration >= d.Generation, failed: failure(d),
			available: d.Status.AvailableReplicas, updated: d.Status.UpdatedReplicas, all: d.Status.Replicas,
		}, nodes))
	}
	for i := range live.StatefulSets {
		s := &live.StatefulSets[i]
		statuses = append(statuses, replicasStatus(replicas{
			name: s.Name, wanted: s.Spec.Replicas, seen: s.Status.ObservedGeneration >= s.Generation,
			available: s.Status.AvailableReplicas, updated: s.Status.UpdatedReplicas, all: s.Status.Replicas,
		}, nodes))
	}
	for _, name := range []string{CoreDNS, Flannel, KubeProxy, MetricsServer, NodeNetwork, tunnelClient(kind)} {
		if !slices.ContainsFunc(statuses, func(s v1alpha1.ComponentStatus) bool { return s.Name == name }) {
			statuses = append(statuses, v1alpha1.ComponentStatus{Name: name, Reason: reasonMissing, Message: "it does not exist yet"})
		}
	}
	slices.SortFunc(statuses, func(a, b v1alpha1.ComponentStatus) int { return strings.Compare(a.Name, b.Name) })
	return statuses
}

func daemonSetStatus(d *appsv1.DaemonSet) v1alpha1.ComponentStatus {
	status := v1alpha1.ComponentStatus{Name: d.Name}
	switch s := d.Status; {
	case s.ObservedGeneration < d.Generation:
		status.Reason, status.Message = reasonRollingOut, "its controller has not seen the newest version yet"
	case s.DesiredNumberScheduled == 0:
		status.Ready, status.Reason, status.Message = true, v1alpha1.ReasonWaitingForNodes, "there is no node yet"
	case s.NumberReady < s.DesiredNumberScheduled:
		status.Reason, status.Message = reasonStarting, fmt.Sprintf("%d of %d nodes have it ready", s.NumberReady, s.DesiredNumberScheduled)
	case s.UpdatedNumberScheduled < s.DesiredNumberScheduled:
		status.Reason = reasonRollingOut
		status.Message = fmt.Sprintf("%d of %d nodes run the newest version", s.UpdatedNumberScheduled, s.DesiredNumberScheduled)
	default:
		status.Ready, status.Reason = true, reasonRunning
	}
	return status
}

// replicas is what a Deployment and a StatefulSet have in common.
type replicas struct {
	name                    string
	wanted                  *int32
	seen                    bool
	failed                  *appsv1.DeploymentCondition
	available, updated, all int32
}

func replicasStatus(r replicas, nodes int32) v1alpha1.ComponentStatus {
	status := v1alpha1.ComponentStatus{Name: r.name}
	want := ptr.Deref(r.wanted, 1)
	switch {
	case !r.seen:
		status.Reason, status.Message = reasonRollingOut, "its controller has not seen the newest version yet"
	case want == 0:
		status.Ready, status.Reason, status.Message = true, reasonRunning, "none is wanted"
	case r.failed != nil:
		status.Reason, status.Message = cmp.Or(r.failed.Reason, reasonFailed), r.failed.Message
	case nodes == 0:
		status.Ready, status.Reason, status.Message = true, v1alpha1.ReasonWaitingForNodes, "there is no node yet"
	case r.available < want:
		status.Reason, status.Message = reasonStarting, fmt.Sprintf("%d of %d replicas are ready", r.available, want)
	case r.updated < want || r.all > r.updated:
		status.Reason, status.Message = reasonRollingOut, fmt.Sprintf("%d of %d replicas run the newest version", r.updated, want)
	default:
		status.Ready, status.Reason = true, reasonRunning
	}
	return status
}

// failure returns the condition that says why pods cannot be made, nil if they can.
func failure(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}
