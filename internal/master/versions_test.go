// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

func release(name string, mods ...func(*v1alpha1.ReleaseSpec)) v1alpha1.Release {
	r := v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, mod := range mods {
		mod(&r.Spec)
	}
	return r
}

func ends(day string) func(*v1alpha1.ReleaseSpec) {
	return func(s *v1alpha1.ReleaseSpec) { s.EndOfLife = day }
}

func blocked(why string) func(*v1alpha1.ReleaseSpec) {
	return func(s *v1alpha1.ReleaseSpec) { s.Blocked = why }
}

func from(versions ...string) func(*v1alpha1.ReleaseSpec) {
	return func(s *v1alpha1.ReleaseSpec) { s.UpgradesFrom = versions }
}

func releases(rs ...v1alpha1.Release) func(*Input) { return func(in *Input) { in.Releases = rs } }

// at is a cluster that has and runs one version, and whose spec wants another.
func at(has, wants string) func(*Input) {
	return func(in *Input) {
		in.Now = time.Date(2027, 7, 1, 12, 0, 0, 0, time.UTC)
		in.Cluster.Spec.Version = wants
		in.Current = &hostingv1alpha1.HostedCluster{}
		in.Current.Spec.Version, in.Current.Status.Version = has, has
	}
}

// fleet are releases of several minors.
var fleet = releases(
	release("1.35.4", ends("2027-02-28")), release("1.36.3", ends("2027-06-28")), release("1.36.10", ends("2027-08-28")),
	release("1.37.1", blocked("loses volumes")), release("1.37.2", ends("2027-10-28"), from("1.36.10", "1.37")), release("1.38.0"),
)

func TestTargetVersion(t *testing.T) {
	automatic := func(v string) func(*Input) {
		return func(in *Input) {
			in.Cluster.Spec.Maintenance.AutoUpgrade = v1alpha1.AutoUpgradePatch
			in.Cluster.Status.Maintenance = &v1alpha1.MaintenanceStatus{Version: v}
		}
	}
	made := func(wants string) func(*Input) { return func(in *Input) { at("", wants)(in); in.Current = nil } }
	poolAt := func(v string) func(*Input) { return func(in *Input) { in.NodePools[0].Spec.Version = v } }
	tests := map[string]struct {
		mods []func(*Input)
		want string // the version
		held string // part of why it is not what is wanted
	}{
		"a new cluster":                            {[]func(*Input){made("1.37.2")}, "1.37.2", ""},
		"a new cluster of no release":              {[]func(*Input){made("1.36.4")}, "", "there is no Release 1.36.4: choose one of 1.36.10, 1.37.2, 1.38.0"},
		"a new cluster at the end of life":         {[]func(*Input){made("1.36.3")}, "", "1.36.3 gets no fixes since 2027-06-28: choose"},
		"a new cluster of a blocked one":           {[]func(*Input){made("1.37.1")}, "", "1.37.1 is blocked (loses volumes): choose"},
		"one whose HostedCluster was lost":         {[]func(*Input){made("1.35.4"), func(in *Input) { in.Cluster.Status.TargetVersion = "1.35.4" }}, "1.35.4", ""},
		"nothing changes":                          {[]func(*Input){at("1.35.4", "1.35.4")}, "1.35.4", ""},
		"nothing changes, and the release is gone": {[]func(*Input){at("1.35.3", "1.35.3")}, "1.35.3", ""},
		"a patch": {[]func(*Input){at("1.36.3", "1.36.10")}, "1.36.10", ""},
		"a minor at the end of life, to pass through": {[]func(*Input){at("1.35.4", "1.36.3")}, "1.36.3", ""},
		"a blocked one": {[]func(*Input){at("1.36.10", "1.37.1")}, "1.36.10", "1.37.1 is blocked (loses volumes)"},
		"from a version that it does not come from":     {[]func(*Input){at("1.36.3", "1.37.2")}, "1.36.3", "1.37.2 is reached from 1.36.10, 1.37 only"},
		"from one that it does":                         {[]func(*Input){at("1.36.10", "1.37.2")}, "1.37.2", ""},
		"from a minor that it does":                     {[]func(*Input){at("1.37.1", "1.37.2")}, "1.37.2", ""},
		"two minors":                                    {[]func(*Input){at("1.36.10", "1.38.0")}, "1.36.10", "upgrade to 1.37 first"},
		"a minor while the last one is not there":       {[]func(*Input){at("1.37.2", "1.38.0"), func(in *Input) { in.Current.Status.Version = "v1.36.10" }}, "1.37.2", "still runs 1.36.10, has come to 1.37.2"},
		"a pool that would be too old":                  {[]func(*Input){at("1.37.2", "1.38.0"), poolAt("1.34.9")}, "1.37.2", "NodePool workers, which has 1.34.9, would be more than 3 minors older"},
		"a pool that is just not too old":               {[]func(*Input){at("1.37.2", "1.38.0"), poolAt("1.35.4")}, "1.38.0", ""},
		"a patch that came by itself":                   {[]func(*Input){at("1.36.3", "1.36.3"), automatic("1.36.10")}, "1.36.10", ""},
		"a patch that came, and was blocked since":      {[]func(*Input){at("1.36.3", "1.36.3"), automatic("1.36.10"), releases(release("1.36.3"), release("1.36.10", blocked("x")))}, "1.36.3", ""},
		"one that came does not go again":               {[]func(*Input){at("1.36.10", "1.36.3")}, "1.36.10", ""},
		"a patch of the minor before":                   {[]func(*Input){at("1.36.10", "1.37.2"), automatic("1.36.11")}, "1.37.2", ""},
		"a patch that came for one who wants none more": {[]func(*Input){at("1.36.3", "1.36.3"), automatic("1.36.10"), func(in *Input) { in.Cluster.Spec.Maintenance.AutoUpgrade = v1alpha1.AutoUpgradeNone }}, "1.36.3", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := targetVersion(input(append([]func(*Input){fleet}, tc.mods...)...))
			if got != tc.want || (err == nil) != (tc.held == "") || err != nil && !strings.Contains(err.Error(), tc.held) {
				t.Errorf("got %q, %v\nwant %q, %s", got, err, tc.want, tc.held)
			}
		})
	}
}

func TestUpgrades(t *testing.T) {
	many := releases(release("1.36.1"), release("1.36.2"), release("1.36.9"), release("1.36.10"), release("1.36.8"), release("1.36.7"), release("1.36.6"))
	tests := map[string]struct {
		mods      []func(*Input)
		available []string
		reason    string
		message   string
	}{
		"a patch, and a minor after it": {
			[]func(*Input){fleet, at("1.36.3", "")},
			[]string{"1.36.10"},
			"EndOfLife",
			"patch 1.36.10; 1.36.3 gets no fixes since 2027-06-28; 1.37.2 is reached from 1.36.10, 1.37 only: upgrade to one of these first",
		},
		"a minor": {
			[]func(*Input){fleet, at("1.36.10", "")},
			[]string{"1.37.2"},
			"MinorAvailable", "minor 1.37.2; 1.36.10 gets fixes until 2027-08-28",
		},
		"a patch and a minor": {
			[]func(*Input){fleet, at("1.37.1", "")},
			[]string{"1.37.2", "1.38.0"},
			"PatchAvailable", "patch 1.37.2, minor 1.38.0",
		},
		"none": {
			[]func(*Input){fleet, at("1.38.0", "")},
			nil, "UpToDate", "there is none from 1.38.0",
		},
		"none, and the end of life": {
			[]func(*Input){releases(release("1.35.4", ends("2027-02-28"))), at("1.35.4", "")},
			nil, "EndOfLife", "there is none from 1.35.4; 1.35.4 gets no fixes since 2027-02-28",
		},
		"one that is blocked": {
			[]func(*Input){releases(release("1.37.1"), release("1.37.3", blocked("x"))), at("1.37.0", "")},
			[]string{"1.37.1"},
			"PatchAvailable", "patch 1.37.1; 1.37.3 is blocked (x): wait for a later one",
		},
		"a pool in the way": {
			[]func(*Input){fleet, at("1.37.2", ""), func(in *Input) { in.NodePools[0].Spec.Version = "1.34.9" }},
			nil, "UpToDate",
			"there is none from 1.37.2; 1.37.2 gets fixes until 2027-10-28; NodePool workers, which has 1.34.9, would be more than 3 minors older than 1.38.0: upgrade the pool first",
		},
		"many": {
			[]func(*Input){many, at("1.36.1", "")},
			[]string{"1.36.6", "1.36.7", "1.36.8", "1.36.9", "1.36.10"},
			"PatchAvailable", "patch 1.36.10",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := input(tc.mods...)
			available, condition := Upgrades(in, in.Current.Spec.Version)
			if !slices.Equal(available, tc.available) || condition.Reason != tc.reason || condition.Message != tc.message {
				t.Errorf("got  %v, %s: %s\nwant %v, %s: %s", available, condition.Reason, condition.Message, tc.available, tc.reason, tc.message)
			}
			if want := len(tc.available) > 0; (condition.Status == metav1.ConditionTrue) != want {
				t.Errorf("status %s", condition.Status)
			}
		})
	}
}

func TestResolveHoldsTheVersionAlone(t *testing.T) {
	in := input(fleet, at("1.36.10", "1.37.1"))
	hc, _, err := Resolve(in)
	if hc == nil || err == nil || hc.Spec.Version != "1.36.10" || len(hc.Spec.NodePools) != 1 {
		t.Errorf("got %+v, %v", hc, err)
	}
}
