// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// prometheus asks a Prometheus on the seed through the seed's API, and decodes what is in the answer's data.
func prometheus(t *testing.T, namespace, pod, path string, data any) error {
	t.Helper()
	out, err := seed(t).try("", "get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:9090/proxy/api/v1/%s", namespace, pod, path))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), &struct{ Data any }{data})
}

// query returns the labels of what a Prometheus on the seed answers to a query.
func query(t *testing.T, namespace, pod, promQL string) ([]map[string]string, error) {
	t.Helper()
	var answer struct {
		Result []struct{ Metric map[string]string }
	}
	err := prometheus(t, namespace, pod, "query?query="+url.QueryEscape(promQL), &answer)
	var labels []map[string]string
	for _, r := range answer.Result {
		labels = append(labels, r.Metric)
	}
	return labels, err
}

func wantQuery(t *testing.T, namespace, pod, promQL string, within time.Duration) {
	t.Helper()
	eventually(t, "Prometheus "+namespace+"/"+pod+" has "+promQL, within, func() (bool, string) {
		labels, err := query(t, namespace, pod, promQL)
		return err == nil && len(labels) > 0, fmt.Sprint(labels, err)
	})
}

func monitoring(t *testing.T) {
	c := create(t, "e2e-watched", `version: 1.37.2, `+fmt.Sprintf(pool, 1))
	c.ready(3 * time.Minute)
	c.inside().apply(`
apiVersion: v1
kind: Pod
metadata: {name: annotated, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}}
spec:
  containers: [{name: agnhost, image: registry.k8s.io/e2e-test-images/agnhost:2.66.1, args: [netexec]}]
`)

	t.Run("every target answers", func(t *testing.T) {
		jobs := []string{"cadvisor", "coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-state-metrics", "kubelet", "prometheus", "tunnel"}
		eventually(t, "all targets are up", 3*time.Minute, func() (bool, string) {
			var answer struct {
				ActiveTargets []struct {
					Labels                       map[string]string
					Health, LastError, ScrapeURL string
				}
			}
			if err := prometheus(t, c.namespace, "prometheus-0", "targets?state=active", &answer); err != nil {
				return false, err.Error()
			}
			var up, down []string
			for _, target := range answer.ActiveTargets {
				switch {
				case target.Labels["job"] == "pods": // the annotated pod has no metrics; that it is asked is what is tested below
				case target.Health == "up":
					up = append(up, target.Labels["job"])
				default:
					down = append(down, fmt.Sprintf("%s %s: %s", target.ScrapeURL, target.Health, target.LastError))
				}
			}
			missing := slices.DeleteFunc(slices.Clone(jobs), func(job string) bool { return slices.Contains(up, job) })
			return len(down)+len(missing) == 0, fmt.Sprintf("down: %s; no target: %v", strings.Join(down, "; "), missing)
		})
	})
	t.Run("a pod with the annotations is asked", func(t *testing.T) {
		wantQuery(t, c.namespace, "prometheus-0", `up{job="pods", namespace="default", pod="annotated"}`, 3*time.Minute)
	})
	t.Run("what a cluster's Prometheus records, the seed's has", func(t *testing.T) {
		for _, series := range []string{"cluster:nodes_ready:count == 1", "cluster:etcd_db_size_bytes:max > 0", "cluster:node_memory_working_set_bytes:sum > 0", `cluster:up:min{job="kubelet"} == 1`} {
			name, condition, _ := strings.Cut(series, " ")
			name, rest, _ := strings.Cut(name, "{")
			wantQuery(t, "canopy-system", "canopy-prometheus-0", name+`{cluster="`+c.name+`", `+rest+strings.Repeat("}", 1-strings.Count(rest, "}"))+" "+condition, 4*time.Minute)
		}
		wantQuery(t, "canopy-system", "canopy-prometheus-0", `canopy_cluster_status_condition{cluster="`+c.name+`", type="Ready", status="true"} == 1`, 2*time.Minute)
		wantQuery(t, "canopy-system", "canopy-prometheus-0", `pod_memory_working_set_bytes{namespace="`+c.namespace+`", pod="control-plane-0"} > 0`, 2*time.Minute)
	})
	t.Run("nobody else asks a cluster's Prometheus", func(t *testing.T) {
		address := seed(t).run("-n", c.namespace, "get", "pod", "prometheus-0", "-o", "jsonpath={.status.podIP}")
		node := c.inside().run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
		if out, err := seed(t).try("", "-n", c.namespace, "exec", node, "--", "curl", "-sS", "-m", "3", "http://"+address+":9090/-/ready"); err == nil || !strings.Contains(err.Error(), "timed out") {
			t.Errorf("a machine of the cluster got %q, %v; want no answer", out, err)
		}
	})
	t.Run("without etcd, Alertmanager has an alert", func(t *testing.T) {
		uid := seed(t).run("-n", c.namespace, "get", "pod", "control-plane-0", "-o", "jsonpath={.metadata.uid}")
		// A process that ended would be started again at once; one that stands still is so after a minute.
		signal := func(name string) {
			script := fmt.Sprintf(`for p in $(pgrep -x etcd); do if grep -q %s /proc/$p/cgroup; then kill -%s $p; fi; done`, uid, name)
			if _, err := run(t.Context(), "", "bash", "-c", script); err != nil {
				t.Fatal(err)
			}
		}
		defer signal("CONT")
		eventually(t, "the alert is on the way", 2*time.Minute, func() (bool, string) {
			signal("STOP")
			labels, err := query(t, c.namespace, "prometheus-0", `ALERTS{alertname="EtcdMembersDown"}`)
			return err == nil && len(labels) > 0, fmt.Sprint(labels, err)
		})
		eventually(t, "Alertmanager has the alert", 5*time.Minute, func() (bool, string) {
			signal("STOP")
			out, err := seed(t).try("", "get", "--raw", "/api/v1/namespaces/canopy-system/pods/canopy-alertmanager-0:9093/proxy/api/v2/alerts")
			var alerts []struct{ Labels map[string]string }
			if err == nil {
				err = json.Unmarshal([]byte(out), &alerts)
			}
			return slices.ContainsFunc(alerts, func(a struct{ Labels map[string]string }) bool {
				return a.Labels["alertname"] == "EtcdMembersDown" && a.Labels["cluster"] == c.name
			}), fmt.Sprint(alerts, err)
		})
	})
	t.Run("it can be turned off", func(t *testing.T) {
		c.ready(2 * time.Minute)
		c.apply(`version: 1.37.2, monitoring: {enabled: false}, ` + fmt.Sprintf(pool, 1))
		eventually(t, "nothing of it is left", time.Minute, func() (bool, string) {
			out, err := seed(t).try("", "-n", c.namespace, "get", "statefulset,service,configmap,secret,pod", "-l", "hosting.canopy.dev/component=prometheus", "-o", "name")
			return err == nil && strings.TrimSpace(out) == "", fmt.Sprint(out, err)
		})
		c.ready(time.Minute)
		if got := c.status(`{.status.components[?(@.name=="prometheus")].name}`); got != "" {
			t.Error("its component is still in the status")
		}
	})
}
