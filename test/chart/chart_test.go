// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package chart_test renders the Helm chart, and looks at what every pod of it may do.
package chart_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// render returns the documents of each template, with the given values on top of those that are required.
func render(t *testing.T, namespace string, values map[string]any) (map[string][]string, error) {
	t.Helper()
	loaded, err := loader.Load("../../deploy/chart")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{
		"image": "server:1", "nodeNetworkImage": "network:1", "openvpnImage": "openvpn:1",
		"seed":       map[string]any{"address": "192.0.2.1"},
		"gateway":    map[string]any{"domain": "seed.example.com"},
		"monitoring": map[string]any{"prometheus": map[string]any{"image": "prometheus:1"}, "alertmanager": map[string]any{"image": "alertmanager:1"}},
	}
	maps.Copy(all, values)
	renderValues, err := util.ToRenderValues(loaded, all, common.ReleaseOptions{Name: "canopy", Namespace: namespace}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(loaded, renderValues)
	docs := map[string][]string{}
	for path, content := range files {
		name := strings.TrimPrefix(path, "canopy/templates/")
		for _, doc := range strings.Split(content, "\n---\n") {
			if strings.TrimSpace(doc) != "" {
				docs[name] = append(docs[name], doc)
			}
		}
	}
	return docs, err
}

// workload is what Deployments and StatefulSets have in common.
type workload struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Template corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

func TestPodsMayDoNothingButTheirWork(t *testing.T) {
	docs, err := render(t, "canopy-system", nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, doc := range slices.Concat(slices.Collect(maps.Values(docs))...) {
		var w workload
		if err := yaml.Unmarshal([]byte(doc), &w); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if w.Kind != "Deployment" && w.Kind != "StatefulSet" {
			continue
		}
		seen = append(seen, w.Name)
		pod := w.Spec.Template.Spec
		if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || pod.SecurityContext.SeccompProfile == nil {
			t.Errorf("%s: its pods may run as root, or with any system call: %+v", w.Name, pod.SecurityContext)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.Capabilities == nil || len(s.Capabilities.Drop) == 0 {
				t.Errorf("%s: container %s may write to its root file system, or has capabilities: %+v", w.Name, c.Name, s)
			}
			if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.Resources.Requests.Memory().IsZero() {
				t.Errorf("%s: container %s has no probes, or requests no memory", w.Name, c.Name)
			}
		}
	}
	slices.Sort(seen)
	want := []string{"canopy-alertmanager", "canopy-api", "canopy-gateway", "canopy-master", "canopy-prometheus", "canopy-seed"}
	if !slices.Equal(seen, want) {
		t.Errorf("the chart has the workloads %v, want %v", seen, want)
	}
}

func TestTheMasterCanBeLeftAway(t *testing.T) {
	docs, err := render(t, "elsewhere", map[string]any{"master": map[string]any{"enabled": false}})
	if err != nil {
		t.Fatal(err)
	}
	for name, all := range docs {
		if rest := strings.Join(all, "\n"); strings.Contains(rest, "canopy-master") || strings.Contains(rest, "canopy-api") {
			t.Errorf("master.enabled=false leaves in %s:\n%s", name, rest)
		}
	}
}

func TestTheMasterIsInItsOwnNamespace(t *testing.T) {
	if _, err := render(t, "elsewhere", nil); err == nil || !strings.Contains(err.Error(), "install the chart there") {
		t.Errorf("error = %v, want one that says which namespace", err)
	}
}

// TestTheMastersRights says which Secrets the master may read, and that it can give nobody rights but those of the chart.
func TestTheMastersRights(t *testing.T) {
	for name, tc := range map[string]struct {
		ownSeed bool
		want    []string
	}{
		"a seed, too":   {true, []string{"ClusterRole canopy-master-own-seed", "Role canopy-master"}},
		"a master only": {false, []string{"Role canopy-master"}},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := render(t, "canopy-system", map[string]any{"master": map[string]any{"ownSeed": tc.ownSeed}})
			if err != nil {
				t.Fatal(err)
			}
			var secrets []string
			for _, doc := range docs["master.yaml"] {
				var role rbacv1.ClusterRole
				if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
					t.Fatal(err)
				}
				for _, rule := range role.Rules {
					if slices.Contains(rule.Resources, "secrets") {
						secrets = append(secrets, role.Kind+" "+role.Name)
					}
					if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Verbs, "escalate") || slices.Contains(rule.Verbs, "impersonate") ||
						slices.Contains(rule.Verbs, "bind") && len(rule.ResourceNames) == 0 {
						t.Errorf("%s %s is more than the master needs: %+v", role.Kind, role.Name, rule)
					}
				}
			}
			slices.Sort(secrets)
			if !slices.Equal(secrets, tc.want) {
				t.Errorf("Secrets are in %v, want %v", secrets, tc.want)
			}
		})
	}
}

func TestTheSeedHasTheTokensThatItIsGiven(t *testing.T) {
	docs, err := render(t, "canopy-system", map[string]any{"seed": map[string]any{
		"address": "192.0.2.1", "tokens": []any{map[string]any{"name": "gcp", "audience": "//iam.example.com/pool"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var w workload
	for _, doc := range docs["seed.yaml"] {
		if strings.Contains(doc, "kind: Deployment") {
			if err := yaml.Unmarshal([]byte(doc), &w); err != nil {
				t.Fatal(err)
			}
		}
	}
	pod := w.Spec.Template.Spec
	if len(pod.Volumes) != 1 || pod.Containers[0].VolumeMounts[0].MountPath != "/var/run/secrets/canopy.dev/tokens" {
		t.Fatalf("the pod has the volumes %v", pod.Volumes)
	}
	token := pod.Volumes[0].Projected.Sources[0].ServiceAccountToken
	if token.Path != "gcp" || token.Audience != "//iam.example.com/pool" {
		t.Errorf("the token is %v", token)
	}
}
