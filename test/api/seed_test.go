// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestSeedInstallation(t *testing.T) {
	c := newClient(t)
	for name, tc := range map[string]struct{ spec, want string }{
		"the master cannot install":      {`{kubeconfigSecretName: a}`, "address is required where the master installs"},
		"the master installs":            {`{kubeconfigSecretName: a, address: 192.0.2.1}`, ""},
		"others install":                 {`{kubeconfigSecretName: a, install: Manual}`, ""},
		"an address that is a name":      {`{address: seed.example.com}`, "must be an IP address"},
		"a range that is none":           {`{reservedCIDRs: [10.0.0.0]}`, "must be ranges"},
		"a gateway on a port of nodes":   {`{gateway: {domain: a.example.com, serviceType: NodePort}}`, "nodePort is required"},
		"a gateway with its own address": {`{gateway: {domain: a.example.com}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, c.Create(t.Context(), object(t, "Seed", "a", tc.spec), client.DryRunAll), tc.want)
		})
	}
}
