// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"testing"

	"sigs.k8s.io/knftables"

	"canopy.dev/canopy/internal/golden"
)

// dump returns the table that a ruleset makes, twice written, because a table is usually there already.
func dump(t *testing.T, r Ruleset) string {
	t.Helper()
	fake := knftables.NewFake(knftables.IPv4Family, table)
	for range 2 {
		tx := fake.NewTransaction()
		r.write(tx)
		if err := fake.Run(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	return fake.Dump()
}

func TestTableWithoutPolicies(t *testing.T) {
	golden.Check(t, "empty.nft", dump(t, Rules(world(t))))
}

func TestTableWithEveryKindOfRule(t *testing.T) {
	golden.Check(t, "every-kind.nft", dump(t, Rules(world(t,
		`{metadata: {name: default-deny}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`,
		`{metadata: {name: every-kind}, spec: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress], ingress: [
			{from: [{namespaceSelector: {matchLabels: {ns: "y"}}}, {ipBlock: {cidr: 198.51.100.9/24, except: [198.51.100.64/26]}}],
			 ports: [{port: 80}, {port: 8000, endPort: 8080, protocol: UDP}, {protocol: SCTP}, {port: web}]},
			{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}],
		  egress: [{}]}}`,
	))))
}
