// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestWhoStartsAhead(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cluster := func(name string, created time.Duration, conditions ...metav1.Condition) v1alpha1.HostedCluster {
		return v1alpha1.HostedCluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(created))},
			Status:     v1alpha1.HostedClusterStatus{Conditions: conditions},
		}
	}
	condition := func(conditionType, reason string, since time.Duration) metav1.Condition {
		return metav1.Condition{Type: conditionType, Status: metav1.ConditionFalse, Reason: reason, LastTransitionTime: metav1.NewTime(now.Add(since))}
	}
	started := condition(v1alpha1.ConditionControlPlaneAvailable, v1alpha1.ReasonWaitingForAPI, -2*time.Second)
	stuck := condition(v1alpha1.ConditionControlPlaneAvailable, v1alpha1.ReasonWaitingForAPI, -time.Minute)
	queued := condition(v1alpha1.ConditionReady, v1alpha1.ReasonQueued, -time.Second)
	refused := condition(v1alpha1.ConditionReady, v1alpha1.ReasonInvalidSpec, -time.Second)
	answered := cluster("answered", -time.Hour, started)
	answered.Status.Version = "1.37.2"
	deleted := cluster("deleted", -time.Hour, started)
	deleted.DeletionTimestamp = new(metav1.NewTime(now))

	mine := cluster("m", -time.Second)
	for _, tc := range []struct {
		name  string
		other v1alpha1.HostedCluster
		want  int
	}{
		{"one that was created before and was not looked at", cluster("a", -2*time.Second), 1},
		{"one that was created before and waits", cluster("a", -2*time.Second, queued), 1},
		{"one that was created later and waits", cluster("a", 0, queued), 0},
		{"one of the same second with an earlier name", cluster("a", -time.Second, queued), 1},
		{"one of the same second with a later name", cluster("z", -time.Second, queued), 0},
		{"one that was created later and starts already", cluster("a", 0, started), 1},
		{"one that starts", cluster("a", -time.Minute, started), 1},
		{"one that does not come up", cluster("a", -time.Minute, stuck), 0},
		{"one whose spec is refused", cluster("a", -time.Minute, refused), 0},
		{"one that has answered", answered, 0},
		{"one that is deleted", deleted, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ahead(&mine, []v1alpha1.HostedCluster{mine, tc.other}, now); got != tc.want {
				t.Errorf("ahead = %d, want %d", got, tc.want)
			}
		})
	}
}
