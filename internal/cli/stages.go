// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// stage is a part of a cluster's way to what it should be.
type stage struct {
	Name string `json:"step"`
	Done bool   `json:"done"`
	// Message says what it waits for, or, when it is done, what came of it.
	Message string `json:"message,omitempty"`
}

// controlPlane are the components of which the control plane consists; the others run inside the user cluster, or watch it.
var controlPlane = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

// clusterStages says how far a cluster is, from its status alone: whoever asks, at any time, gets the same answer.
func clusterStages(c *v1alpha1.Cluster) []stage {
	ready := readyOf(c.Status.Conditions)
	current := ready.ObservedGeneration >= c.Generation
	place := stage{Name: "Place", Done: c.Status.Seed != "" && c.Status.ID != "", Message: ready.Message}
	if place.Done {
		place.Message = "on the seed " + c.Status.Seed
	}
	plane, inside := stage{Name: "Control plane", Done: current}, stage{Name: "Add-ons", Done: current}
	for _, component := range controlPlane {
		if !slices.ContainsFunc(c.Status.Components, func(s hostingv1alpha1.ComponentStatus) bool { return s.Name == component }) {
			plane.Done, inside.Done = false, false
		}
	}
	for _, component := range c.Status.Components {
		into := &inside
		if slices.Contains(controlPlane, component.Name) {
			into = &plane
		}
		if !component.Ready {
			into.Done = false
			into.Message = cmp.Or(into.Message, component.Name+": "+cmp.Or(component.Message, component.Reason))
		}
	}
	if version := c.Spec.Version; plane.Done && c.Status.Version != "" && c.Status.Version != cmp.Or(c.Status.TargetVersion, version) {
		plane.Done, plane.Message = false, fmt.Sprintf("upgrading from %s to %s", c.Status.Version, cmp.Or(c.Status.TargetVersion, version))
	}
	if plane.Done {
		plane.Message = "Kubernetes " + c.Status.Version + " at " + c.Status.Endpoint
	}
	return []stage{place, plane, inside, nodeStage(c, current), readyStage(c, ready)}
}

func nodeStage(c *v1alpha1.Cluster, current bool) stage {
	nodes := stage{Name: "Nodes", Done: current}
	var waiting []string
	machines := int32(0)
	for _, pool := range c.Status.NodePools {
		machines += pool.Replicas
		if pool.Message != "" {
			waiting = append(waiting, pool.Name+": "+pool.Message)
		}
		if pool.Message != "" || pool.ReadyReplicas < pool.Replicas {
			nodes.Done = false
		}
	}
	nodes.Message = fmt.Sprintf("%d ready", c.Status.ReadyNodes)
	if !nodes.Done {
		nodes.Message = strings.Join(append([]string{fmt.Sprintf("%d/%d ready", c.Status.ReadyNodes, machines)}, waiting...), "; ")
	}
	return nodes
}

func readyStage(c *v1alpha1.Cluster, ready metav1.Condition) stage {
	done := ready.Status == metav1.ConditionTrue && ready.ObservedGeneration >= c.Generation && c.Status.LastContact == nil
	last := stage{Name: "Ready", Done: done, Message: ready.Message}
	if !done && last.Message == "" {
		last.Message = ready.Reason
	}
	return last
}

// poolStages says how far a node pool is.
func poolStages(p *v1alpha1.NodePool) []stage {
	ready := readyOf(p.Status.Conditions)
	wanted := int32(1)
	if p.Spec.Autoscaling != nil {
		wanted = p.Status.WantedReplicas
	} else if p.Spec.Replicas != nil {
		wanted = *p.Spec.Replicas
	}
	current := p.Status.ObservedGeneration >= p.Generation || ready.ObservedGeneration >= p.Generation
	return []stage{
		{Name: "Machines", Done: current && p.Status.Replicas == wanted, Message: fmt.Sprintf("%d of %d exist", p.Status.Replicas, wanted)},
		{Name: "Nodes", Done: current && p.Status.ReadyReplicas >= wanted && p.Status.UpToDateReplicas >= wanted, Message: fmt.Sprintf("%d of %d ready, %d up to date", p.Status.ReadyReplicas, wanted, p.Status.UpToDateReplicas)},
		{Name: "Ready", Done: current && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration >= p.Generation, Message: cmp.Or(ready.Message, ready.Reason)},
	}
}

// failed says whether the platform will not get any further before somebody changes something, and why.
func failed(generation int64, conditions []metav1.Condition) (string, bool) {
	ready := readyOf(conditions)
	if ready.Status == metav1.ConditionTrue || ready.ObservedGeneration < generation {
		return "", false
	}
	return ready.Message, slices.Contains(incurable, ready.Reason)
}

// incurable are the reasons that time does not cure.
var incurable = []string{
	v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonUnsupportedVersion, v1alpha1.ReasonForbidden, v1alpha1.ReasonDatacenterMissing,
	v1alpha1.ReasonPresetMissing, v1alpha1.ReasonSSHKeyMissing, v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonSeedMissing,
	v1alpha1.ReasonSeedDrained, v1alpha1.ReasonSecretMissing,
	hostingv1alpha1.ReasonUnauthenticated, hostingv1alpha1.ReasonUnauthorized, hostingv1alpha1.ReasonQuotaExceeded, hostingv1alpha1.ReasonConfiguration,
}
