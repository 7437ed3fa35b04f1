// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"os"
	"path/filepath"
	"testing"

	"canopy.dev/canopy/internal/testenv"
)

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	for name, alertmanager := range map[string]string{"with an Alertmanager": "alertmanager.canopy-system.svc:9093", "without": ""} {
		t.Run(name, func(t *testing.T) {
			in := input(t)
			in.Alertmanager = alertmanager
			path := filepath.Join(t.TempDir(), "prometheus.yaml")
			if err := os.WriteFile(path, []byte(PrometheusConfig(in)), 0o600); err != nil {
				t.Fatal(err)
			}
			// Not the files that it names, which are elsewhere in a container.
			testenv.Promtool(t, "prometheus", "check", "config", "--syntax-only", path)
		})
	}
}

func TestRules(t *testing.T) {
	testenv.Promtool(t, "prometheus", "check", "rules", "--lint-fatal", "rules.yaml")
	testenv.Promtool(t, "prometheus", "test", "rules", "rules_test.yaml")
}
