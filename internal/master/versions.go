// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

const (
	// kubeletSkew is how many minors a kubelet may be older than its API server.
	kubeletSkew = 3
	// upgradesShown is how many versions of a minor a cluster's status offers.
	upgradesShown = 5
)

// compareVersions orders versions such as "1.37.2", with or without a leading v. What is no version is older than all.
func compareVersions(a, b string) int {
	va, errA := version.ParseGeneric(a)
	vb, errB := version.ParseGeneric(b)
	switch {
	case errA != nil || errB != nil:
		return cmp.Compare(okay(errA), okay(errB))
	case va.LessThan(vb):
		return -1
	case vb.LessThan(va):
		return 1
	}
	return 0
}

func okay(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// minorOf returns 37 of "1.37.2", and -1 of what is no version.
func minorOf(v string) int {
	parsed, err := version.ParseGeneric(v)
	if err != nil {
		return -1
	}
	return int(parsed.Minor())
}

func releaseOf(releases []v1alpha1.Release, v string) *v1alpha1.Release {
	i := slices.IndexFunc(releases, func(r v1alpha1.Release) bool { return r.Name == v })
	if i < 0 {
		return nil
	}
	return &releases[i]
}

// ended reports whether a release gets no fixes any more.
func ended(release *v1alpha1.Release, now time.Time) bool {
	end, err := time.Parse(time.DateOnly, release.Spec.EndOfLife)
	return err == nil && !now.Before(end)
}

// targetVersion decides which version the control plane is to have: spec.version or a later patch that came by itself, and
// never an older one than it has. The error says why it is not what the cluster's spec wants; with it comes the version
// that the cluster stays at, or none if it must not be made.
func targetVersion(in Input) (string, error) {
	wanted, have := in.Cluster.Spec.Version, in.Cluster.Status.TargetVersion
	if in.Current != nil {
		have = in.Current.Spec.Version
	}
	if have == "" {
		if err := newClusterProblem(in); err != nil {
			return "", err
		}
		return wanted, nil
	}
	if auto := automaticVersion(in.Cluster); compareVersions(auto, wanted) > 0 && upgradeProblem(in, have, auto) == "" {
		wanted = auto
	}
	if compareVersions(wanted, have) <= 0 {
		return have, nil
	}
	if problem := upgradeProblem(in, have, wanted); problem != "" {
		return have, kube.Wait(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("spec.version: %s; until then the cluster stays at %s", problem, have), 0)
	}
	return wanted, nil
}

// automaticVersion is the patch that a maintenance window has brought, if it is of the minor of spec.version.
func automaticVersion(cluster *v1alpha1.Cluster) string {
	came := cluster.Status.Maintenance
	if cluster.Spec.Maintenance.AutoUpgrade != v1alpha1.AutoUpgradePatch || came == nil || minorOf(came.Version) != minorOf(cluster.Spec.Version) {
		return ""
	}
	return came.Version
}

// newClusterProblem says why no cluster can be made with spec.version.
func newClusterProblem(in Input) error {
	wanted := in.Cluster.Spec.Version
	var available []string
	for i := range in.Releases {
		if r := &in.Releases[i]; r.Spec.Blocked == "" && !ended(r, in.Now) {
			available = append(available, r.Name)
		}
	}
	slices.SortFunc(available, compareVersions)
	if slices.Contains(available, wanted) {
		return nil
	}
	problem := "there is no Release " + wanted
	if release := releaseOf(in.Releases, wanted); release != nil && release.Spec.Blocked != "" {
		problem = fmt.Sprintf("%s is blocked (%s)", wanted, release.Spec.Blocked)
	} else if release != nil {
		problem = fmt.Sprintf("%s gets no fixes since %s", wanted, release.Spec.EndOfLife)
	}
	return kube.Wait(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("spec.version: %s: choose one of %s, or have an admin make it", problem, orNone(available)), 0)
}

// upgradeProblem says why the cluster cannot be upgraded now, and what to do; empty: it can.
func upgradeProblem(in Input, from, to string) string {
	release := releaseOf(in.Releases, to)
	running := from
	if in.Current != nil && in.Current.Status.Version != "" {
		running = strings.TrimPrefix(in.Current.Status.Version, "v")
	}
	switch {
	case release == nil:
		return fmt.Sprintf("there is no Release %s: have an admin make it", to)
	case release.Spec.Blocked != "":
		return fmt.Sprintf("%s is blocked (%s): wait for a later one", to, release.Spec.Blocked)
	case minorOf(to) > minorOf(from)+1:
		return fmt.Sprintf("%s is more than one minor ahead: upgrade to 1.%d first", to, minorOf(from)+1)
	case minorOf(to) > minorOf(running)+1:
		return fmt.Sprintf("%s comes when the control plane, which still runs %s, has come to %s", to, running, from)
	case !comesFrom(release, from):
		return fmt.Sprintf("%s is reached from %s only: upgrade to one of these first", to, strings.Join(release.Spec.UpgradesFrom, ", "))
	}
	for _, pool := range in.NodePools {
		if v := pool.Spec.Version; v != "" && minorOf(v) < minorOf(to)-kubeletSkew {
			return fmt.Sprintf("NodePool %s, which has %s, would be more than %d minors older than %s: upgrade the pool first", pool.Name, v, kubeletSkew, to)
		}
	}
	return ""
}

func comesFrom(release *v1alpha1.Release, from string) bool {
	return len(release.Spec.UpgradesFrom) == 0 || slices.ContainsFunc(release.Spec.UpgradesFrom, func(v string) bool {
		return v == from || v == fmt.Sprintf("1.%d", minorOf(from))
	})
}

// checkPoolVersions says whether there are releases of the pools' versions, and whether they fit to the control plane's.
// What the cluster has already it may keep.
func checkPoolVersions(in Input, target string) error {
	var known []string
	for _, release := range in.Releases {
		known = append(known, release.Name)
	}
	slices.SortFunc(known, compareVersions)
	available := orNone(known)
	if in.Current != nil {
		known = append(known, in.Current.Spec.Version)
		for _, pool := range in.Current.Spec.NodePools {
			known = append(known, pool.Version)
		}
	}
	for _, pool := range in.NodePools {
		v := pool.Spec.Version
		switch {
		case v == "":
		case !slices.Contains(known, v):
			return kube.Wait(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("NodePool %s: spec.version: there is no Release %s: choose one of %s, or have an admin make it", pool.Name, v, available), 0)
		case compareVersions(v, target) > 0:
			return kube.Wait(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("NodePool %s: spec.version: %s is newer than the control plane's %s: upgrade the cluster first, or choose another", pool.Name, v, target), 0)
		case minorOf(v) < minorOf(target)-kubeletSkew:
			return kube.Wait(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("NodePool %s: spec.version: %s is more than %d minors older than the control plane's %s: choose a later one", pool.Name, v, kubeletSkew, target), 0)
		}
	}
	return nil
}

// Upgrades returns the versions to which spec.version could be set now, and the condition UpgradeAvailable of a cluster
// that has or goes to the version from.
func Upgrades(in Input, from string) ([]string, metav1.Condition) {
	var available, notes []string
	newest := map[int]string{}
	for _, minor := range []int{minorOf(from), minorOf(from) + 1} {
		patches, why := patchesOf(in, from, minor)
		if n := len(patches); n > 0 {
			newest[minor] = patches[n-1]
			available = append(available, patches[max(0, n-upgradesShown):]...)
		}
		if why != "" {
			notes = append(notes, why)
		}
	}
	condition := metav1.Condition{
		Type: v1alpha1.ConditionUpgradeAvailable, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUpToDate,
		ObservedGeneration: in.Cluster.Generation,
	}
	message := []string{"there is none from " + from}
	if len(available) > 0 {
		condition.Status, message = metav1.ConditionTrue, nil
	}
	if v := newest[minorOf(from)+1]; v != "" {
		condition.Reason, message = v1alpha1.ReasonMinorAvailable, []string{"minor " + v}
	}
	if v := newest[minorOf(from)]; v != "" {
		condition.Reason, message = v1alpha1.ReasonPatchAvailable, append([]string{"patch " + v}, message...)
	}
	if release := releaseOf(in.Releases, from); release != nil && release.Spec.EndOfLife != "" {
		life := fmt.Sprintf("%s gets fixes until %s", from, release.Spec.EndOfLife)
		if ended(release, in.Now) {
			condition.Reason = v1alpha1.ReasonEndOfLife
			life = fmt.Sprintf("%s gets no fixes since %s", from, release.Spec.EndOfLife)
		}
		notes = append([]string{life}, notes...)
	}
	condition.Message = strings.Join(append([]string{strings.Join(message, ", ")}, notes...), "; ")
	return available, condition
}

// UpgradeOption is a newer release of a cluster's minor or of the next.
type UpgradeOption struct {
	Version string
	// Problem says why the cluster cannot be upgraded to it now, and what to do; empty: it can.
	Problem string
	// EndOfLife is the day from which on the release gets no fixes, if that is known.
	EndOfLife string
}

// UpgradeOptions returns all newer releases of the minor of the version from and of the next, the newest last.
func UpgradeOptions(in Input, from string) []UpgradeOption {
	var options []UpgradeOption
	for _, release := range in.Releases {
		if ahead := minorOf(release.Name) - minorOf(from); compareVersions(release.Name, from) > 0 && ahead <= 1 {
			options = append(options, UpgradeOption{release.Name, upgradeProblem(in, from, release.Name), release.Spec.EndOfLife})
		}
	}
	slices.SortFunc(options, func(a, b UpgradeOption) int { return compareVersions(a.Version, b.Version) })
	return options
}

// patchesOf returns the releases of a minor to which the cluster can be upgraded now, the newest last, and if there is a
// newer one to which it cannot, why.
func patchesOf(in Input, from string, minor int) (patches []string, why string) {
	var newer []string
	for _, release := range in.Releases {
		if minorOf(release.Name) == minor && compareVersions(release.Name, from) > 0 {
			newer = append(newer, release.Name)
		}
	}
	slices.SortFunc(newer, compareVersions)
	for _, v := range newer {
		if why = upgradeProblem(in, from, v); why == "" {
			patches = append(patches, v)
		}
	}
	return patches, why
}
