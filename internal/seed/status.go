// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// portRetry is how often a port that was taken is tried again: nothing tells us when it becomes free.
const portRetry = 30 * time.Second

var errNotRunning = errors.New("its process does not run")

// hasLocalMachines reports whether a pool's machines are pods of this seed.
func hasLocalMachines(hc *v1alpha1.HostedCluster) bool {
	return slices.ContainsFunc(hc.Spec.NodePools, func(p v1alpha1.NodePool) bool { return p.Provider.Local != nil })
}

func sansChecksum(sans []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(sans)), ",")))
	return hex.EncodeToString(sum[:4])
}

// controlPlaneStatus writes what was observed of the control plane into the status.
func controlPlaneStatus(hc *v1alpha1.HostedCluster, live controlplane.Live) {
	hc.Status.Components = mergeComponents(hc.Status.Components, controlplane.Components(hc, live))
	autoscalerStatus(hc)
	if live.Health[controlplane.APIServer] == nil {
		hc.Status.Version = controlplane.Version(live) // not before: the pools follow it
		setCondition(hc, v1alpha1.ConditionControlPlaneAvailable, true, "Available", "")
	} else {
		setCondition(hc, v1alpha1.ConditionControlPlaneAvailable, false, v1alpha1.ReasonWaitingForAPI, explain(hc.Status.Components))
	}
	done, waitsFor := controlplane.RolledOut(live)
	reason := "UpToDate"
	if !done {
		reason = v1alpha1.ReasonRollingOut
	}
	setCondition(hc, v1alpha1.ConditionControlPlaneUpToDate, done, reason, waitsFor)
}

// mergeComponents replaces in old what fresh knows better, and keeps the rest, sorted by name.
func mergeComponents(old, fresh []v1alpha1.ComponentStatus) []v1alpha1.ComponentStatus {
	merged := slices.Clone(fresh)
	for _, c := range old {
		if !slices.ContainsFunc(fresh, func(f v1alpha1.ComponentStatus) bool { return f.Name == c.Name }) {
			merged = append(merged, c)
		}
	}
	slices.SortFunc(merged, func(a, b v1alpha1.ComponentStatus) int { return strings.Compare(a.Name, b.Name) })
	return merged
}

// explain says what the first components that are not ready wait for.
func explain(components []v1alpha1.ComponentStatus) string {
	var parts []string
	for _, c := range components {
		if !c.Ready {
			parts = append(parts, fmt.Sprintf("%s: %s", c.Name, c.Message))
		}
	}
	return strings.Join(parts, "; ")
}

// summary is nil when every condition is true, otherwise a *kube.WaitingError with the first that is not, in the order in
// which they come true.
func summary(hc *v1alpha1.HostedCluster) error {
	for _, t := range []string{
		v1alpha1.ConditionControlPlaneAvailable, v1alpha1.ConditionControlPlaneUpToDate, v1alpha1.ConditionExposed,
		v1alpha1.ConditionAddonsReady, v1alpha1.ConditionCloudReady, v1alpha1.ConditionNodesReady,
		v1alpha1.ConditionAutoscalerReady,
	} {
		c := meta.FindStatusCondition(hc.Status.Conditions, t)
		switch {
		case c == nil && t == v1alpha1.ConditionCloudReady && !machine.AtCloud(hc):
		case c == nil && t == v1alpha1.ConditionAutoscalerReady && !hc.Autoscaled():
		case c == nil:
			return kube.Wait("Starting", t+" is not known yet", 0)
		case c.Status != metav1.ConditionTrue && t == v1alpha1.ConditionExposed:
			return kube.Wait(c.Reason, c.Message, reachRetry)
		case c.Status != metav1.ConditionTrue:
			return kube.Wait(c.Reason, c.Message, 0)
		}
	}
	if c := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionSecretsEncrypted); c != nil && c.Status != metav1.ConditionTrue {
		return kube.Wait(c.Reason, c.Message, encryptionRetry)
	}
	return nil
}

func setCondition(hc *v1alpha1.HostedCluster, conditionType string, ok bool, reason, message string) {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&hc.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: hc.Generation,
	})
}
