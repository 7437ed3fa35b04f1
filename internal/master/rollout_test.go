// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/kube"
)

func TestInstantiate(t *testing.T) {
	template := &v1alpha1.ClusterTemplateSpec{
		Cluster: v1alpha1.ClusterSpec{Datacenter: "local", Version: "1.36.3"},
		NodePools: []v1alpha1.TemplateNodePool{
			{Name: "workers", MachinePool: v1alpha1.MachinePool{Replicas: ptr.To[int32](2), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}}},
			{Name: "large", MachinePool: v1alpha1.MachinePool{Replicas: ptr.To[int32](1), Labels: map[string]string{"example.com/size": "large"}, Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}}},
		},
	}
	set := &v1alpha1.ClusterSet{ObjectMeta: metav1.ObjectMeta{Name: "shops", Namespace: "project-payments"}}
	rendered := func(entry v1alpha1.SetCluster) string {
		cluster, pools := Instantiate(set, template, entry)
		return golden.YAML(t, kube.Scheme(), instance{cluster, pools}.objects())
	}
	base := rendered(v1alpha1.SetCluster{Name: "shop"})
	golden.Check(t, "instance.yaml", base)
	golden.CheckVariant(t, "instance-own.diff", base, rendered(v1alpha1.SetCluster{
		Name: "shop", Datacenter: "aws", Preset: "aws", Version: "1.37.2",
		NodePools: []v1alpha1.SetNodePool{{Name: "workers", Replicas: ptr.To[int32](0)}},
	}))
	if rendered(v1alpha1.SetCluster{Name: "shop"}) != base {
		t.Error("an entry has changed the template")
	}
}

func TestChangesOf(t *testing.T) {
	before := map[string]any{"spec": map[string]any{
		"version": "1.36.3", "same": "a", "gone": true,
		"network": map[string]any{"tunnel": "OpenVPN"}, "taints": []any{map[string]any{"key": "a"}},
	}, "status": map[string]any{"version": "1"}}
	after := map[string]any{"spec": map[string]any{
		"version": "1.37.2", "same": "a", "new": map[string]any{"a": int64(1)},
		"network": map[string]any{"tunnel": "Konnectivity"}, "taints": []any{},
	}}
	conflicts := []kube.Conflict{{Field: "spec.network.tunnel", Manager: "kubectl-edit"}, {Field: `spec.taints[key="a"].key`, Manager: "k9s"}, {Field: "spec.versionless", Manager: "nobody"}}
	want := []v1alpha1.Change{
		{Field: "spec.gone", From: "true"},
		{Field: "spec.network.tunnel", From: `"OpenVPN"`, To: `"Konnectivity"`, ChangedBy: "kubectl-edit"},
		{Field: "spec.new", To: `{"a":1}`},
		{Field: "spec.taints", From: `[{"key":"a"}]`, To: "[]", ChangedBy: "k9s"},
		{Field: "spec.version", From: `"1.36.3"`, To: `"1.37.2"`},
	}
	if diff := cmp.Diff(want, changesOf(before, after, conflicts)); diff != "" {
		t.Error(diff)
	}
	if long := shown(strings.Repeat("ä", 200)); len([]rune(long)) != mostOfValue+1 {
		t.Errorf("a long value: %s", long)
	}
}

func TestPlanRollout(t *testing.T) {
	change := []v1alpha1.Change{{Field: "spec.version"}}
	hand := []v1alpha1.Change{{Field: "spec.version", ChangedBy: "kubectl-edit"}}
	many := make([]v1alpha1.Change, mostChanges+3)
	done := observation{name: "done", ready: true}
	behind := func(name string) observation {
		return observation{name: name, ready: true, changes: change, unrecorded: true}
	}
	approved := func(r *v1alpha1.Rollout) { r.Revision = "new" }
	tests := map[string]struct {
		rollout func(*v1alpha1.Rollout)
		changed *metav1.Time
		seen    []observation
		want    string // what is applied, the states, and what is told
	}{
		"nothing to do": {
			seen: []observation{done},
			want: "apply []; done UpToDate; ready",
		},
		"clusters are made at once, whatever is approved": {
			seen: []observation{{name: "a", missing: true}, {name: "b", missing: true}, done},
			want: "apply [a b]; a Progressing, b Progressing, done UpToDate; WaitingForClusters: waiting for a, b",
		},
		"a cluster that cannot be made": {
			seen: []observation{{name: "a", missing: true, refused: "too long"}, done},
			want: "apply []; a Refused, done UpToDate; ClustersDiffer: 1 of 2 clusters are left as they are, see status.clusters: a",
		},
		"a plan": {
			seen: []observation{behind("a"), done},
			want: "apply []; a Behind, done UpToDate; ChangesPlanned: 1 of 2 clusters differ from the template: look at status.clusters, and approve the changes with spec.rollout.revision: new",
		},
		"a plan after another was approved": {
			rollout: func(r *v1alpha1.Rollout) { r.Revision = "old" },
			seen:    []observation{behind("a")},
			want:    "apply []; a Behind; ChangesPlanned: 1 of 1 clusters differ from the template: look at status.clusters, and approve the changes with spec.rollout.revision: new",
		},
		"the first one": {
			rollout: approved,
			seen:    []observation{behind("a"), behind("b"), done},
			want:    "apply [a]; a Behind, b Behind, done UpToDate; RollingOut: 2 of 3 clusters are still to be changed; these are being changed: a",
		},
		"two at a time, the ready ones first": {
			rollout: func(r *v1alpha1.Rollout) { approved(r); r.MaxUnavailable = ptr.To[int32](2) },
			seen:    []observation{{name: "broken", changes: change, unrecorded: true}, behind("b"), behind("c")},
			want:    "apply [b c]; broken Behind, b Behind, c Behind; RollingOut: 3 of 3 clusters are still to be changed; these are being changed: b, c",
		},
		"no more while one is not ready": {
			rollout: func(r *v1alpha1.Rollout) { approved(r); r.MaxUnavailable = ptr.To[int32](2) },
			seen:    []observation{{name: "a"}, behind("b"), behind("c")},
			want:    "apply []; a Progressing, b Behind, c Behind; RollingOut: 2 of 3 clusters are still to be changed, when these are ready: a",
		},
		"no more until some time has passed": {
			rollout: func(r *v1alpha1.Rollout) { approved(r); r.MinReadySeconds = ptr.To[int32](30) },
			changed: &metav1.Time{Time: thursday.Add(-29 * time.Second)},
			seen:    []observation{behind("a")},
			want:    "apply []; a Behind; RollingOut: 1 of 1 clusters are still to be changed, when minReadySeconds have passed, in 1s",
		},
		"when it has passed": {
			rollout: func(r *v1alpha1.Rollout) { approved(r); r.MinReadySeconds = ptr.To[int32](30) },
			changed: &metav1.Time{Time: thursday.Add(-30 * time.Second)},
			seen:    []observation{behind("a")},
			want:    "apply [a]; a Behind; RollingOut: 1 of 1 clusters are still to be changed; these are being changed: a",
		},
		"one that was changed by hand is left alone": {
			rollout: approved,
			seen:    []observation{{name: "a", ready: true, changes: hand}, behind("b")},
			want:    "apply [b]; a ChangedByHand, b Behind; RollingOut: 1 of 2 clusters are still to be changed; these are being changed: b",
		},
		"only those that were changed by hand are left": {
			rollout: approved,
			seen:    []observation{{name: "a", ready: true, changes: hand}, done},
			want:    "apply []; a ChangedByHand, done UpToDate; ClustersDiffer: 1 of 2 clusters are left as they are, see status.clusters: a",
		},
		"what was changed by hand is overwritten": {
			rollout: func(r *v1alpha1.Rollout) { approved(r); r.Overwrite = true },
			seen:    []observation{{name: "a", ready: true, changes: hand}},
			want:    "apply [a]; a ChangedByHand; RollingOut: 1 of 1 clusters are still to be changed; these are being changed: a",
		},
		"not without approval": {
			rollout: func(r *v1alpha1.Rollout) { r.Overwrite = true },
			seen:    []observation{{name: "a", ready: true, changes: hand}},
			want:    "apply []; a ChangedByHand; ChangesPlanned: 1 of 1 clusters differ from the template: look at status.clusters, and approve the changes with spec.rollout.revision: new",
		},
		"a record alone needs no approval": {
			seen: []observation{{name: "a", ready: true, unrecorded: true}},
			want: "apply [a]; a UpToDate; ready",
		},
		"another set's, refused and going ones": {
			rollout: approved,
			seen:    []observation{{name: "a", takenBy: "x", unrecorded: true}, {name: "b", refused: "no", unrecorded: true}, {name: "c", deleting: true}},
			want:    "apply []; a Taken, b Refused, c Deleting; ClustersDiffer: 2 of 3 clusters are left as they are, see status.clusters: a, b",
		},
		"a paused one holds nobody back, and is left out": {
			rollout: approved,
			seen:    []observation{{name: "a", paused: true, changes: change, unrecorded: true}, behind("b")},
			want:    "apply [b]; a Paused, b Behind; RollingOut: 1 of 2 clusters are still to be changed; these are being changed: b",
		},
		"only a paused one is left": {
			rollout: approved,
			seen:    []observation{{name: "a", paused: true}, done},
			want:    "apply []; a Paused, done UpToDate; ClustersDiffer: 1 of 2 clusters are left as they are, see status.clusters: a",
		},
		"a template that was paused lets its clusters go on": {
			rollout: approved,
			seen:    []observation{{name: "a", paused: true, changes: []v1alpha1.Change{{Field: "spec.paused", From: "true"}}, unrecorded: true}},
			want:    "apply [a]; a Behind; RollingOut: 1 of 1 clusters are still to be changed; these are being changed: a",
		},
		"many changes": {
			seen: []observation{{name: "a", changes: many, unrecorded: true}},
			want: "apply []; a Behind (and 3 changes more); ChangesPlanned: 1 of 1 clusters differ from the template: look at status.clusters, and approve the changes with spec.rollout.revision: new",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := &v1alpha1.ClusterSet{Status: v1alpha1.ClusterSetStatus{LastChange: tc.changed}}
			if tc.rollout != nil {
				tc.rollout(&set.Spec.Rollout)
			}
			d := PlanRollout(thursday, set, "new", tc.seen)
			var states []string
			for _, c := range d.clusters {
				state := c.Name + " " + string(c.State)
				if len(c.Changes) == mostChanges {
					state += " (" + c.Message + ")"
				}
				states = append(states, state)
			}
			got := fmt.Sprintf("apply %v; %s; ", d.apply, strings.Join(states, ", "))
			if waiting, ok := d.err.(*kube.WaitingError); ok { //nolint:errorlint // it is not wrapped
				got += waiting.Reason + ": " + waiting.Message
				if waiting.After > 0 {
					got += ", in " + waiting.After.String()
				}
			} else if d.err == nil {
				got += "ready"
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
