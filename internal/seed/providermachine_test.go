// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

func TestMachineSaysThatItsNodeIsMissing(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	condition := func(status metav1.ConditionStatus, reason string, ago time.Duration) *metav1.Condition {
		return &metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(now.Add(-ago))}
	}
	for name, tc := range map[string]struct {
		ready  *metav1.Condition
		joined bool
		// patience is for how long it still waits; missing is that it says so.
		patience time.Duration
		missing  bool
	}{
		"its instance runs since now": {patience: joinPatience},
		"its instance has just come":  {ready: condition(metav1.ConditionFalse, "Starting", time.Hour), patience: joinPatience},
		"it runs for a minute":        {ready: condition(metav1.ConditionTrue, "Ready", time.Minute), patience: joinPatience - time.Minute},
		"it runs for too long":        {ready: condition(metav1.ConditionTrue, "Ready", joinPatience), missing: true},
		"it has said so":              {ready: condition(metav1.ConditionFalse, v1alpha1.ReasonNodeNotJoined, 0), missing: true},
		"its node is there":           {ready: condition(metav1.ConditionTrue, "Ready", time.Hour), joined: true},
		"its node came late":          {ready: condition(metav1.ConditionFalse, v1alpha1.ReasonNodeNotJoined, 0), joined: true},
	} {
		t.Run(name, func(t *testing.T) {
			m, capi := &v1alpha1.ProviderMachine{}, &clusterv1.Machine{}
			if tc.ready != nil {
				m.Status.Conditions = []metav1.Condition{*tc.ready}
			}
			if tc.joined {
				capi.Status.NodeRef.Name = "node"
			}
			r := &ProviderMachineReconciler{Clock: clocktesting.NewFakePassiveClock(now)}
			patience, err := r.joins(m, capi)
			var waiting *kube.WaitingError
			if missing := errors.As(err, &waiting) && waiting.Reason == v1alpha1.ReasonNodeNotJoined; missing != tc.missing {
				t.Errorf("it says %v", err)
			}
			if patience != tc.patience {
				t.Errorf("it waits for %s, want %s", patience, tc.patience)
			}
		})
	}
}
