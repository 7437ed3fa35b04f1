// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// observation is how a cluster of a set is, beside what the template says.
type observation struct {
	name string
	// missing clusters are made at once.
	missing, deleting, ready bool
	// paused clusters take nothing up.
	paused bool
	// takenBy is the name of another set whose cluster it is.
	takenBy string
	// refused is why the API would not take what the template says.
	refused string
	// changes lead from what it is to what the template says.
	changes []v1alpha1.Change
	// unrecorded is what needs to be applied though nothing changes: that it is the set's, and as the template says.
	unrecorded bool
}

// decision is what to do now, and what to tell.
type decision struct {
	// apply are the clusters to be applied now. Of those in change it is a rollout's change.
	apply, change []string
	clusters      []v1alpha1.SetClusterStatus
	// err is what becomes of the condition Ready.
	err error
}

// PlanRollout decides which clusters of a set are made or changed now. Nothing is remembered but the time of the last change:
// which clusters are up to date is seen in them.
func PlanRollout(now time.Time, set *v1alpha1.ClusterSet, revision string, seen []observation) decision {
	d := decision{}
	var pending, unready, odd []string
	for _, o := range seen {
		status := stateOf(o)
		switch {
		case o.missing && o.refused == "", status.State == v1alpha1.SetClusterProgressing, status.State == v1alpha1.SetClusterDeleting:
			unready = append(unready, o.name)
		case status.State == v1alpha1.SetClusterBehind, status.State == v1alpha1.SetClusterChanged && set.Spec.Rollout.Overwrite:
			pending = append(pending, o.name)
		case status.State != v1alpha1.SetClusterUpToDate:
			odd = append(odd, o.name)
		}
		if o.missing && o.refused == "" || o.unrecorded && len(o.changes) == 0 && o.refused == "" && o.takenBy == "" {
			d.apply = append(d.apply, o.name)
		}
		d.clusters = append(d.clusters, status)
	}
	total := len(seen)
	switch wait := settled(now, set); {
	case len(pending) > 0 && set.Spec.Rollout.Revision != revision:
		d.err = kube.Wait(v1alpha1.ReasonChangesPlanned, fmt.Sprintf("%d of %d clusters differ from the template: look at status.clusters, and approve the changes with spec.rollout.revision: %s", len(pending), total, revision), 0)
	case len(pending) > 0 && len(unready) > 0:
		d.err = kube.Wait(v1alpha1.ReasonRollingOut, fmt.Sprintf("%d of %d clusters are still to be changed, when these are ready: %s", len(pending), total, kube.Few(unready)), 0)
	case len(pending) > 0 && wait > 0:
		d.err = kube.Wait(v1alpha1.ReasonRollingOut, fmt.Sprintf("%d of %d clusters are still to be changed, when minReadySeconds have passed", len(pending), total), wait)
	case len(pending) > 0:
		d.change = next(set, pending, seen)
		d.apply = append(d.apply, d.change...)
		d.err = kube.Wait(v1alpha1.ReasonRollingOut, fmt.Sprintf("%d of %d clusters are still to be changed; these are being changed: %s", len(pending), total, kube.Few(d.change)), 0)
	case len(odd) > 0:
		d.err = kube.Wait(v1alpha1.ReasonClustersDiffer, fmt.Sprintf("%d of %d clusters are left as they are, see status.clusters: %s", len(odd), total, kube.Few(odd)), 0)
	case len(unready) > 0:
		d.err = kube.Wait(v1alpha1.ReasonWaitingForClusters, "waiting for "+kube.Few(unready), 0)
	}
	return d
}

// next are the pending clusters that are changed next, those first that are ready.
func next(set *v1alpha1.ClusterSet, pending []string, seen []observation) []string {
	isReady := map[string]bool{}
	for _, o := range seen {
		isReady[o.name] = o.ready
	}
	pending = slices.Clone(pending)
	slices.SortStableFunc(pending, func(a, b string) int { return btoi(!isReady[a]) - btoi(!isReady[b]) })
	most := 1
	if n := set.Spec.Rollout.MaxUnavailable; n != nil {
		most = int(*n)
	}
	return pending[:min(most, len(pending))]
}

// settled says how long it is until clusters may be changed after those that were changed last.
func settled(now time.Time, set *v1alpha1.ClusterSet) time.Duration {
	if set.Status.LastChange == nil || set.Spec.Rollout.MinReadySeconds == nil {
		return 0
	}
	return set.Status.LastChange.Add(time.Duration(*set.Spec.Rollout.MinReadySeconds) * time.Second).Sub(now)
}

// stateOf says where one cluster is.
func stateOf(o observation) v1alpha1.SetClusterStatus {
	status := v1alpha1.SetClusterStatus{Name: o.name, State: v1alpha1.SetClusterUpToDate, Changes: o.changes[:min(mostChanges, len(o.changes))]}
	byHand := slices.ContainsFunc(o.changes, func(c v1alpha1.Change) bool { return c.ChangedBy != "" })
	switch {
	case o.takenBy != "":
		status.State, status.Message = v1alpha1.SetClusterTaken, fmt.Sprintf("it is a cluster of ClusterSet %s: take it out of one of the two", o.takenBy)
	case o.deleting:
		status.State, status.Message = v1alpha1.SetClusterDeleting, "it is made again when it is gone: take it out of spec.clusters if it is not to be"
	case o.refused != "":
		status.State, status.Message = v1alpha1.SetClusterRefused, o.refused
	case o.paused && !changesPause(o.changes):
		status.State, status.Message = v1alpha1.SetClusterPaused, "its spec.paused is true: it is left out until that is false"
	case byHand:
		status.State, status.Message = v1alpha1.SetClusterChanged, "say the same in spec.clusters or in the template, undo it, or let it be overwritten with spec.rollout.overwrite"
	case len(o.changes) > 0:
		status.State = v1alpha1.SetClusterBehind
	case !o.ready:
		status.State, status.Message = v1alpha1.SetClusterProgressing, "it is not ready: see the Cluster"
	}
	if n := len(o.changes) - mostChanges; n > 0 {
		status.Message = strings.TrimPrefix(fmt.Sprintf("%s; and %d changes more", status.Message, n), "; ")
	}
	return status
}

// changesPause reports whether the template itself lets a paused cluster go on.
func changesPause(changes []v1alpha1.Change) bool {
	return slices.ContainsFunc(changes, func(c v1alpha1.Change) bool { return c.Field == "spec.paused" })
}
