// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
)

// defaultAutomaticUpgrades is how many clusters of a seed are upgraded at the same time where the seed does not say.
const defaultAutomaticUpgrades = 3

// candidate is a cluster whose window is open.
type candidate struct {
	cluster *v1alpha1.Cluster
	closes  time.Time // zero: never
}

// PlanUpgrades writes into the status of a seed's clusters which of them get the newest patch of their minor now, and what
// the others wait for. It returns when to look again; zero: when something changes. At most as many are upgraded at the same
// time as the seed says. Those whose window closes first come first, then those with the oldest version.
//
// It remembers nothing: what is under way is seen in the clusters, and whoever has a turn keeps it until the cluster is
// ready with its new version. So when upgrades fail, no others begin.
func PlanUpgrades(now time.Time, seed *v1alpha1.Seed, clusters []v1alpha1.Cluster, releases []v1alpha1.Release) time.Time {
	most := defaultAutomaticUpgrades
	if seed.Spec.MaxAutomaticUpgrades != nil {
		most = int(*seed.Spec.MaxAutomaticUpgrades)
	}
	var next time.Time
	var candidates []candidate
	underWay := 0
	for i := range clusters {
		cluster := &clusters[i]
		finishUpgrade(cluster)
		if upgrading(cluster) {
			underWay++
		}
		open, change := planUpgrade(now, cluster, releases)
		if !change.IsZero() && (next.IsZero() || change.Before(next)) {
			next = change
		}
		if open {
			candidates = append(candidates, candidate{cluster, change})
		}
	}
	slices.SortFunc(candidates, compareCandidates)
	for _, c := range candidates {
		status := c.cluster.Status.Maintenance
		if underWay >= most {
			status.Message = fmt.Sprintf("waits for its turn: seed %s upgrades %d clusters at the same time", seed.Name, most)
			if most == 0 {
				status.Message = fmt.Sprintf("waits until an admin lets upgrades begin on seed %s again: its spec.maxAutomaticUpgrades is 0", seed.Name)
			}
			continue
		}
		underWay++
		*status = v1alpha1.MaintenanceStatus{Version: status.Next, Upgrading: true}
	}
	return next
}

// finishUpgrade gives back the turn of a cluster that is ready with its new version, or whose spec wants none any more.
func finishUpgrade(cluster *v1alpha1.Cluster) {
	status := cluster.Status.Maintenance
	if cluster.Spec.Maintenance.AutoUpgrade != v1alpha1.AutoUpgradePatch || !cluster.DeletionTimestamp.IsZero() {
		cluster.Status.Maintenance = nil
	} else if status != nil && compareVersions(cluster.Status.Version, status.Version) >= 0 && ready(cluster) {
		status.Upgrading = false
	}
}

// upgrading reports whether an upgrade is under way, whoever began it.
func upgrading(cluster *v1alpha1.Cluster) bool {
	if status := cluster.Status.Maintenance; status != nil && status.Upgrading {
		return true
	}
	return cluster.Status.Version != "" && compareVersions(cluster.Status.TargetVersion, cluster.Status.Version) > 0
}

// ready reports whether the cluster is as its newest spec wants it.
func ready(cluster *v1alpha1.Cluster) bool {
	condition := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == cluster.Generation
}

// planUpgrade says in the cluster's status which patch comes next. It returns whether it may come now, if it is the
// cluster's turn, and when the window opens or closes if that matters.
func planUpgrade(now time.Time, cluster *v1alpha1.Cluster, releases []v1alpha1.Release) (open bool, change time.Time) {
	from := cluster.Status.TargetVersion
	if cluster.Spec.Maintenance.AutoUpgrade != v1alpha1.AutoUpgradePatch || !cluster.DeletionTimestamp.IsZero() || from == "" {
		return false, time.Time{}
	}
	status := &v1alpha1.MaintenanceStatus{}
	if old := cluster.Status.Maintenance; old != nil {
		status.Version, status.Upgrading = old.Version, old.Upgrading
	}
	cluster.Status.Maintenance = status
	patches, _ := patchesOf(Input{Cluster: cluster, Releases: releases, Now: now}, from, minorOf(from))
	if !slices.Contains(patches, status.Version) && compareVersions(status.Version, from) > 0 {
		*status = v1alpha1.MaintenanceStatus{} // it was blocked before the cluster had it
	}
	if len(patches) == 0 || patches[len(patches)-1] == status.Version {
		return false, time.Time{}
	}
	status.Next = patches[len(patches)-1]
	open, change, err := windowAt(now, cluster.Spec.Maintenance.Window)
	switch {
	case err != nil:
		status.Message = err.Error()
		return false, time.Time{}
	case !open:
		status.NextWindow = &metav1.Time{Time: change}
		return false, change
	case cluster.Spec.Paused:
		status.Message = "waits until the cluster goes on: its spec.paused is true"
		return false, change
	case !ready(cluster):
		status.Message = "waits until the cluster is ready"
		return false, change
	}
	return true, change
}

func compareCandidates(a, b candidate) int {
	if a.closes.IsZero() != b.closes.IsZero() {
		return cmp.Compare(btoi(a.closes.IsZero()), btoi(b.closes.IsZero()))
	}
	return cmp.Or(
		a.closes.Compare(b.closes),
		compareVersions(a.cluster.Status.TargetVersion, b.cluster.Status.TargetVersion),
		cmp.Compare(a.cluster.Namespace, b.cluster.Namespace),
		cmp.Compare(a.cluster.Name, b.cluster.Name),
	)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
