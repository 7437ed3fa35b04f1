// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlan(t *testing.T) {
	c := newCluster(t, "plan")
	secret := filepath.Join(c.dir, "templates", "secret.yaml")
	writeFile(t, secret, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: example\n  namespace: plan\nstringData:\n  password: {{ .Values.color }}\n")
	writeFile(t, filepath.Join(c.dir, "templates", "configmap.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: example\n  namespace: plan\ndata:\n  color: {{ .Values.color }}\n")
	objects := func() (lines []string, diffs string) {
		t.Helper()
		plan, err := Plan(t.Context(), &config, c.chart)
		if err != nil {
			t.Fatal(err)
		}
		for _, planned := range plan {
			lines = append(lines, string(planned.Action)+" "+planned.Object)
			diffs += planned.Diff
		}
		return lines, diffs
	}
	got, _ := objects()
	if diff := cmp.Diff([]string{"create Secret plan/example", "create ConfigMap plan/example"}, got); diff != "" {
		t.Error(diff)
	}
	c.run()
	if got, diffs := objects(); len(got) > 0 {
		t.Errorf("nothing changed, and it plans %v\n%s", got, diffs)
	}
	c.chart.Values = map[string]any{"color": "hunter2"}
	got, diffs := objects()
	if diff := cmp.Diff([]string{"change Secret plan/example", "change ConfigMap plan/example"}, got); diff != "" {
		t.Error(diff)
	}
	if strings.Count(diffs, "hunter2") != 1 || !strings.Contains(diffs, "(hidden, another)") {
		t.Errorf("the ConfigMap's change is to be shown, the Secret's hidden:\n%s", diffs)
	}
	writeFile(t, secret, "")
	if got, _ := objects(); len(got) == 0 || got[len(got)-1] != "delete Secret plan/example" {
		t.Errorf("what is no longer in the chart: %v", got)
	}
}
