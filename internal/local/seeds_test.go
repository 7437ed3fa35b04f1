// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/golden"
)

// TestSeeds shows everything that a dedicated seed of the platform is made of.
func TestSeeds(t *testing.T) {
	service, policy := seedGateway("cluster-abc")
	seed := &v1alpha1.Seed{Spec: seedSpec(DefaultSettings(), SeedName(1), "192.0.2.9")}
	seed.Name = SeedName(1)
	var b strings.Builder
	for _, obj := range append(seedCluster(SeedName(1)), service, policy, seed) {
		content, err := yaml.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(content))
	}
	golden.Check(t, "seeds.yaml", b.String())
}

// TestSeedsLeaveTheDefaultNetworksToTheirClusters looks for the defaults in the kind.
func TestSeedsLeaveTheDefaultNetworksToTheirClusters(t *testing.T) {
	crd, err := os.ReadFile("../../deploy/chart/files/crds/canopy.dev_clusters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(crd)) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "default: ")
		prefix, err := netip.ParsePrefix(value)
		if !ok || err != nil {
			continue
		}
		found++
		for _, reserved := range seedSpec(DefaultSettings(), SeedName(1), "").ReservedCIDRs {
			if prefix.Overlaps(netip.MustParsePrefix(reserved)) {
				t.Errorf("clusters have %s by default, and seeds do not leave them %s", prefix, reserved)
			}
		}
	}
	if found < 2 {
		t.Errorf("the kind has %d default networks, want those of pods and of Services", found)
	}
}
