// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"canopy.dev/canopy/api/v1alpha1"
)

// thursday is the time at which the tests plan.
var thursday = time.Date(2027, 7, 1, 2, 30, 0, 0, time.UTC)

// patched is a ready cluster with automatic patches.
func patched(name, version string, mods ...func(*v1alpha1.Cluster)) v1alpha1.Cluster {
	c := v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-a"}}
	c.Spec.Version, c.Status.Version, c.Status.TargetVersion = version, version, version
	c.Spec.Maintenance.AutoUpgrade = v1alpha1.AutoUpgradePatch
	readyIs(metav1.ConditionTrue)(&c)
	for _, mod := range mods {
		mod(&c)
	}
	return c
}

func readyIs(status metav1.ConditionStatus) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: "Said", ObservedGeneration: c.Generation})
	}
}

func in(w *v1alpha1.MaintenanceWindow) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) { c.Spec.Maintenance.Window = w }
}

func came(version string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Status.Maintenance = &v1alpha1.MaintenanceStatus{Version: version, Upgrading: true}
	}
}

func runs(version string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) { c.Status.Version = version }
}

func goesTo(version string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) { c.Status.TargetVersion = version }
}

func byHand(c *v1alpha1.Cluster) { c.Spec.Maintenance = v1alpha1.Maintenance{} }

// told renders what comes of a plan, one line for each cluster.
func told(clusters []v1alpha1.Cluster) string {
	var b strings.Builder
	for _, c := range clusters {
		fmt.Fprintf(&b, "%s:", c.Name)
		if s := c.Status.Maintenance; s != nil {
			for _, word := range []string{s.Version, map[bool]string{true: "under way"}[s.Upgrading], s.Next, s.Message} {
				if word != "" {
					b.WriteString(" " + word + ";")
				}
			}
			if s.NextWindow != nil {
				b.WriteString(" " + s.NextWindow.UTC().Format("Mon 15:04"))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestPlanUpgrades(t *testing.T) {
	const turn = "waits for its turn: seed local upgrades 2 clusters at the same time;"
	night, saturday := window("UTC", "02:00", time.Hour), window("Europe/Berlin", "03:00", time.Hour, "Saturday")
	tests := map[string]struct {
		most     *int32
		clusters []v1alpha1.Cluster
		want     string
		next     string
	}{
		"nobody asked": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", byHand)},
			want:     "a:\n",
		},
		"at any time": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1")},
			want:     "a: 1.36.3; under way;\n",
		},
		"the newest patch is there": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.3", in(night))},
			want:     "a:\n",
		},
		"the window is closed": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", in(saturday))},
			want:     "a: 1.36.3; Sat 01:00\n", next: "Sat 01:00",
		},
		"the window is open": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", in(night))},
			want:     "a: 1.36.3; under way;\n", next: "Thu 03:00",
		},
		"the cluster is not ready": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", in(night), readyIs(metav1.ConditionFalse))},
			want:     "a: 1.36.3; waits until the cluster is ready;\n", next: "Thu 03:00",
		},
		"the cluster is paused": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", in(night), readyIs(metav1.ConditionFalse), func(c *v1alpha1.Cluster) { c.Spec.Paused = true })},
			want:     "a: 1.36.3; waits until the cluster goes on: its spec.paused is true;\n", next: "Thu 03:00",
		},
		"the cluster was not made yet": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", goesTo(""), runs(""))},
			want:     "a:\n",
		},
		"two at the same time, those whose window closes first, and then the oldest": {
			most:     ptr.To[int32](2),
			clusters: []v1alpha1.Cluster{patched("a", "1.36.2"), patched("b", "1.36.1"), patched("c", "1.36.2", in(night)), patched("d", "1.36.1")},
			want:     "a: 1.36.3; " + turn + "\nb: 1.36.3; under way;\nc: 1.36.3; under way;\nd: 1.36.3; " + turn + "\n", next: "Thu 03:00",
		},
		"who has a turn keeps it until it is ready with the version": {
			most: ptr.To[int32](2),
			clusters: []v1alpha1.Cluster{
				patched("a", "1.36.2"),
				patched("begun", "1.36.1", came("1.36.3")),
				patched("broken", "1.36.1", came("1.36.3"), goesTo("1.36.3"), runs("1.36.3"), readyIs(metav1.ConditionFalse)),
			},
			want: "a: 1.36.3; " + turn + "\nbegun: 1.36.3; under way;\nbroken: 1.36.3; under way;\n",
		},
		"who is done makes room": {
			most:     ptr.To[int32](1),
			clusters: []v1alpha1.Cluster{patched("a", "1.36.2"), patched("done", "1.36.1", came("1.36.3"), goesTo("1.36.3"), runs("1.36.3"))},
			want:     "a: 1.36.3; under way;\ndone: 1.36.3;\n",
		},
		"upgrades that people began count, and do not wait": {
			most:     ptr.To[int32](2),
			clusters: []v1alpha1.Cluster{patched("a", "1.36.2"), patched("x", "1.36.1", byHand, goesTo("1.37.2")), patched("y", "1.36.1", byHand, goesTo("1.37.2"))},
			want:     "a: 1.36.3; " + turn + "\nx:\ny:\n",
		},
		"the admin lets none begin": {
			most:     ptr.To[int32](0),
			clusters: []v1alpha1.Cluster{patched("a", "1.36.2")},
			want:     "a: 1.36.3; waits until an admin lets upgrades begin on seed local again: its spec.maxAutomaticUpgrades is 0;\n",
		},
		"a version that was blocked after it came": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.3", came("1.36.4"))},
			want:     "a:\n",
		},
		"who wants none any more": {
			clusters: []v1alpha1.Cluster{patched("a", "1.36.1", came("1.36.3"), byHand)},
			want:     "a:\n",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seed := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Spec: v1alpha1.SeedSpec{MaxAutomaticUpgrades: tc.most}}
			known := []v1alpha1.Release{release("1.36.3"), release("1.36.4", blocked("x")), release("1.36.2"), release("1.37.2")}
			next := PlanUpgrades(thursday, seed, tc.clusters, known)
			if diff := cmp.Diff(tc.want, told(tc.clusters)); diff != "" {
				t.Error(diff)
			}
			got := ""
			if !next.IsZero() {
				got = next.UTC().Format("Mon 15:04")
			}
			if got != tc.next {
				t.Errorf("looks again at %q, want %q", got, tc.next)
			}
			again := told(tc.clusters)
			PlanUpgrades(thursday, seed, tc.clusters, known)
			if diff := cmp.Diff(again, told(tc.clusters)); diff != "" {
				t.Errorf("the same asked again:\n%s", diff)
			}
		})
	}
}

// TestAPatchComesByItself takes one cluster through a window, with both controllers that have a part in it.
func TestAPatchComesByItself(t *testing.T) {
	c := newClusterTest(t, "patched", func(s *v1alpha1.ClusterSpec) {
		s.Version = "1.34.1"
		s.Maintenance = v1alpha1.Maintenance{AutoUpgrade: v1alpha1.AutoUpgradePatch, Window: &v1alpha1.MaintenanceWindow{Start: "03:00"}}
	})
	for _, name := range []string{"1.34.1", "1.34.4"} {
		r := release(name)
		purge(t, c.master, create(t, c.master, &r))
	}
	clock := clocktesting.NewFakePassiveClock(thursday)
	upgrades := &UpgradeReconciler{Client: c.master, Clock: clock}
	seed := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "patched"}}
	plan := func() time.Duration {
		t.Helper()
		get(t, c.master, seed)
		result, err := upgrades.Reconcile(t.Context(), seed)
		if err != nil {
			t.Fatal(err)
		}
		get(t, c.master, c.cluster)
		return result.RequeueAfter
	}
	versions := func() string {
		return fmt.Sprintf("spec %s, target %s, on the seed %s", c.cluster.Spec.Version, c.cluster.Status.TargetVersion, c.hosted()[0].Spec.Version)
	}
	c.step()
	c.seedRuns("1.34.1")
	c.step()
	if after := plan(); after != 30*time.Minute || c.cluster.Status.Maintenance.Next != "1.34.4" || c.cluster.Status.Maintenance.NextWindow == nil {
		t.Errorf("looks again after %s: %+v", after, c.cluster.Status.Maintenance)
	}
	c.step()
	if got, want := versions(), "spec 1.34.1, target 1.34.1, on the seed 1.34.1"; got != want {
		t.Errorf("before the window: %s", got)
	}
	clock.SetTime(thursday.Add(time.Hour))
	plan()
	if !c.cluster.Status.Maintenance.Upgrading {
		t.Errorf("in the window: %+v", c.cluster.Status.Maintenance)
	}
	c.step()
	if got, want := versions(), "spec 1.34.1, target 1.34.4, on the seed 1.34.4"; got != want {
		t.Errorf("in the window: %s", got)
	}
	if plan(); !c.cluster.Status.Maintenance.Upgrading {
		t.Error("it has lost its turn before it is done")
	}
	c.seedRuns("1.34.4")
	c.step()
	clock.SetTime(thursday.Add(12 * time.Hour))
	if plan(); c.cluster.Status.Maintenance.Upgrading || c.cluster.Status.Maintenance.Next != "" {
		t.Errorf("when it is done: %+v", c.cluster.Status.Maintenance)
	}
	c.step()
	if got, want := versions(), "spec 1.34.1, target 1.34.4, on the seed 1.34.4"; got != want {
		t.Errorf("after the window: %s", got)
	}
}
