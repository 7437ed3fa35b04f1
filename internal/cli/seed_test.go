// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
)

func TestPrintSeeds(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	use := func(requested, allocatable string) v1alpha1.ResourceUse {
		return v1alpha1.ResourceUse{Requested: resource.MustParse(requested), Allocatable: resource.MustParse(allocatable)}
	}
	var out bytes.Buffer
	err := printSeeds(&out, []v1alpha1.Seed{
		{
			ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.SeedSpec{Location: "AWS eu-west-1", Drained: true},
			Status: v1alpha1.SeedStatus{
				KubernetesVersion: "v1.37.2", InstalledVersion: "0.1.0", Clusters: 12, LastContact: &metav1.Time{Time: now.Add(-5 * time.Second)},
				Capacity:   &v1alpha1.SeedCapacity{Nodes: 3, CPU: use("3200m", "8"), Memory: use("6Gi", "24Gi"), Pods: use("40", "330")},
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady}},
			},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "us"}},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := `NAME   READY     REASON          LOCATION        KUBERNETES   CANOPY   CLUSTERS   NODES   CPU         MEMORY             PODS         CONTACT
eu     True      Ready,Drained   AWS eu-west-1   v1.37.2      0.1.0    12         3       3.2/8 40%   6.0Gi/24.0Gi 25%   40/330 12%   5s ago
us     Unknown   -               -               -            -        0          -       -           -                  -            -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
