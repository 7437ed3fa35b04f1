// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package monitoring checks what Canopy ships for Prometheus and Grafana: that configurations are valid, that alerts fire
// and lead to a page that helps, and that dashboards show series that exist.
package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/testenv"
)

const (
	root         = "../.."
	chart        = root + "/deploy/chart"
	clusterRules = root + "/internal/controlplane/prometheus"
	seedRules    = chart + "/files/monitoring"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// rendered returns the documents of the chart's monitoring, with the given values on top of the chart's own.
func rendered(t *testing.T, monitoring map[string]any) []string {
	t.Helper()
	loaded, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	values, err := util.ToRenderValues(loaded, map[string]any{
		"image": "server:1", "nodeNetworkImage": "network:1", "openvpnImage": "openvpn:1", "seed": map[string]any{"address": "192.0.2.1"}, "monitoring": monitoring,
	}, common.ReleaseOptions{Name: "canopy", Namespace: "canopy-system"}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(loaded, values)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(files["canopy/templates/monitoring.yaml"], "\n---\n")
}

var withImages = map[string]any{"prometheus": map[string]any{"image": "prometheus:1"}, "alertmanager": map[string]any{"image": "alertmanager:1"}}

// seedPrometheus returns the configuration of the seed's Prometheus.
func seedPrometheus(t *testing.T) string {
	t.Helper()
	for _, doc := range rendered(t, withImages) {
		var configMap corev1.ConfigMap
		if err := yaml.Unmarshal([]byte(doc), &configMap); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if configMap.Kind == "ConfigMap" && configMap.Name == "canopy-prometheus" {
			return configMap.Data["prometheus.yaml"]
		}
	}
	t.Fatal("the chart has no ConfigMap canopy-prometheus")
	return ""
}

func TestTheSeedsPrometheusTakesItsConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prometheus.yaml")
	if err := os.WriteFile(path, []byte(seedPrometheus(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	testenv.Promtool(t, ".", "check", "config", "--syntax-only", path)
}

func TestMonitoringCanBeLeftAway(t *testing.T) {
	if docs := rendered(t, map[string]any{"enabled": false}); strings.TrimSpace(strings.Join(docs, "")) != "" {
		t.Errorf("monitoring.enabled=false leaves %s", docs)
	}
}

func TestTheSeedsRules(t *testing.T) {
	testenv.Promtool(t, seedRules, "check", "rules", "--lint-fatal", "rules.yaml", "master.yaml")
	testenv.Promtool(t, seedRules, "test", "rules", "rules_test.yaml")
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// rules returns those of all files of rules in dir.
func rules(t *testing.T, dir string) []rule {
	t.Helper()
	var all []rule
	for _, name := range []string{"rules.yaml", "master.yaml"} {
		if name == "master.yaml" && dir != seedRules {
			continue
		}
		var file struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal([]byte(read(t, filepath.Join(dir, name))), &file); err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

func TestEveryAlertIsTestedAndLeadsToAPageThatHelps(t *testing.T) {
	for _, dir := range []string{clusterRules, seedRules} {
		tests := read(t, dir+"/rules_test.yaml")
		for _, r := range rules(t, dir) {
			if r.Alert == "" {
				continue
			}
			if !strings.Contains(tests, r.Alert) {
				t.Errorf("%s: no test makes it fire", r.Alert)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
			}
			if r.For == "" && !strings.Contains(r.Expr, "time() -") {
				t.Errorf("%s: fires at once", r.Alert)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: does not say what is wrong", r.Alert)
			}
			page, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://canopy.dev/docs/runbooks/")
			page, anchor, _ := strings.Cut(page, "#")
			if !ok || anchor != strings.ToLower(r.Alert) {
				t.Errorf("%s: runbook_url %q", r.Alert, r.Annotations["runbook_url"])
				continue
			}
			if !strings.Contains(read(t, root+"/docs/runbooks/"+page+".md"), "\n## "+r.Alert+"\n") {
				t.Errorf("%s: docs/runbooks/%s.md says nothing of it", r.Alert, page)
			}
		}
	}
}

// expressions returns the queries of the dashboards, by dashboard and panel.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(chart + "/files/dashboards/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d dashboards, want 6: %v", len(files), err)
	}
	found := map[string]string{}
	uids := map[string]string{}
	for _, file := range files {
		var dashboard struct {
			UID, Title string
			Panels     []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal([]byte(read(t, file)), &dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if other := uids[dashboard.UID]; other != "" || dashboard.UID == "" || dashboard.Title == "" {
			t.Errorf("%s: uid %q, title %q; %q has the same uid", file, dashboard.UID, dashboard.Title, other)
		}
		uids[dashboard.UID] = file
		for _, panel := range dashboard.Panels {
			for i, target := range panel.Targets {
				found[fmt.Sprintf("%s/%s/%d", dashboard.Title, panel.Title, i)] = strings.ReplaceAll(target.Expr, "$cluster", "demo")
			}
		}
	}
	return found
}

func TestDashboardsAskValidQueries(t *testing.T) {
	type recording struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var group struct {
		Groups [1]struct {
			Name  string      `json:"name"`
			Rules []recording `json:"rules"`
		} `json:"groups"`
	}
	group.Groups[0].Name = "dashboards"
	for _, expr := range expressions(t) {
		group.Groups[0].Rules = append(group.Groups[0].Rules, recording{fmt.Sprintf("query_%d", len(group.Groups[0].Rules)), expr})
	}
	content, err := yaml.Marshal(group)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	testenv.Promtool(t, ".", "check", "rules", path)
}

// series are the names in a query.
func series(expr string) []string {
	for _, not := range []string{
		`"[^"]*"`, `\{[^}]*\}`, `\[[^\]]*\]`, // values, matchers, ranges
		`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`, // labels
		`\b(and|or|unless|bool|offset)\b`, `\b\d[\w.]*`,
	} {
		expr = regexp.MustCompile(not).ReplaceAllString(expr, " ")
	}
	expr = regexp.MustCompile(`[a-zA-Z_]\w*\s*\(`).ReplaceAllString(expr, "(") // functions
	return regexp.MustCompile(`[a-zA-Z_:][\w:]*`).FindAllString(expr, -1)
}

// TestDashboardsAndAlertsNameSeriesThatExist: the seed's Prometheus keeps what its configuration allows, and of a cluster
// what the cluster's own records.
func TestDashboardsAndAlertsNameSeriesThatExist(t *testing.T) {
	known := map[string]bool{"up": true, "ALERTS": true}
	for _, r := range rules(t, clusterRules) {
		known[r.Record] = true
	}
	var allowed []*regexp.Regexp
	for _, keep := range regexp.MustCompile(`action: keep, source_labels: \[__name__[^\]]*\], regex: "?([^}]*?)"?\}`).FindAllStringSubmatch(seedPrometheus(t), -1) {
		// Where the rule also looks at another label, the name is what comes before the semicolon.
		pattern := regexp.MustCompile(`;(\([^)]*\))?`).ReplaceAllString(keep[1], "")
		allowed = append(allowed, regexp.MustCompile("^(?:"+pattern+")$"))
	}
	if len(allowed) < 4 {
		t.Fatalf("%d jobs with a list of what is kept", len(allowed))
	}
	queries := expressions(t)
	for _, r := range rules(t, seedRules) {
		queries["alert "+r.Alert] = r.Expr
	}
	for where, query := range queries {
		names := series(query)
		if len(names) == 0 {
			t.Errorf("%s: no series in %s", where, query)
		}
		for _, name := range names {
			if !known[name] && !slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(name) }) {
				t.Errorf("%s: %s is neither recorded nor kept", where, name)
			}
		}
	}
}

func TestSeriesOfAQuery(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (le, x) (rate(a_b{c="d", e=~"f(g)"}[5m])) / on (y) b:c:d > 0.5 and vector(0)`: "a_b b:c:d",
		`histogram_quantile(0.99, sum by (le) (rate(x_bucket[1d]))) unless up offset 5m`:      "x_bucket up",
	} {
		if got := strings.Join(series(query), " "); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}
