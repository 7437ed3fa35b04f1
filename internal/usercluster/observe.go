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

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Reasons of a component's status.
const (
	reasonRunning    = "Running"
	reasonStarting   = "Starting"
	reasonRollingOut = "RollingOut"
	reasonMissing    = "Missing"
	reasonFailed     = "ReplicaFailure"
)

// always are the components that every user cluster has.
var always = []string{CoreDNS, Flannel, KubeProxy, NodeNetwork}

// Components returns the health of what runs inside the user cluster, sorted by name. A cluster without nodes is not
// unhealthy: its components are ready, for the reason that they wait for the first node.
func Components(daemonSets []appsv1.DaemonSet, deployments []appsv1.Deployment) []v1alpha1.ComponentStatus {
	var statuses []v1alpha1.ComponentStatus
	nodes := int32(0)
	for i := range daemonSets {
		nodes = max(nodes, daemonSets[i].Status.DesiredNumberScheduled)
		statuses = append(statuses, daemonSetStatus(&daemonSets[i]))
	}
	for i := range deployments {
		statuses = append(statuses, deploymentStatus(&deployments[i], nodes))
	}
	for _, name := range always {
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

func deploymentStatus(d *appsv1.Deployment, nodes int32) v1alpha1.ComponentStatus {
	status := v1alpha1.ComponentStatus{Name: d.Name}
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	failed := failure(d)
	switch s := d.Status; {
	case s.ObservedGeneration < d.Generation:
		status.Reason, status.Message = reasonRollingOut, "its controller has not seen the newest version yet"
	case want == 0:
		status.Ready, status.Reason, status.Message = true, reasonRunning, "none is wanted"
	case failed != nil:
		status.Reason, status.Message = cmp.Or(failed.Reason, reasonFailed), failed.Message
	case nodes == 0:
		status.Ready, status.Reason, status.Message = true, v1alpha1.ReasonWaitingForNodes, "there is no node yet"
	case s.AvailableReplicas < want:
		status.Reason, status.Message = reasonStarting, fmt.Sprintf("%d of %d replicas are ready", s.AvailableReplicas, want)
	case s.UpdatedReplicas < want || s.Replicas > s.UpdatedReplicas:
		status.Reason, status.Message = reasonRollingOut, fmt.Sprintf("%d of %d replicas run the newest version", s.UpdatedReplicas, want)
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
