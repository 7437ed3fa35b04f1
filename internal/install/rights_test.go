// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/deploy"
)

// values are those that the chart cannot do without, and switch on all that it can install.
func values() map[string]any {
	return map[string]any{
		"image": "server:1", "nodeNetworkImage": "node-network:1", "openvpnImage": "openvpn:1",
		"master": map[string]any{"enabled": false}, "seed": map[string]any{"address": "192.0.2.1"}, "gateway": map[string]any{"domain": "example.com"},
		"monitoring": map[string]any{"prometheus": map[string]any{"image": "prometheus:1"}, "alertmanager": map[string]any{"image": "alertmanager:1"}},
	}
}

func TestVersionsAreThoseOfTheChart(t *testing.T) {
	content, err := fs.ReadFile(deploy.Chart(), "Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var chart struct{ Version, AppVersion, KubeVersion string }
	if err := yaml.Unmarshal(content, &chart); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(">=%s-0", minKubernetes); chart.Version != Version || chart.AppVersion != Version || chart.KubeVersion != want {
		t.Errorf("%+v, want %s for %s", chart, Version, want)
	}
}

func TestCheckKubernetes(t *testing.T) {
	for version, ok := range map[string]bool{"v1.33.0": true, "v1.37.2-gke.100+abc": true, "v1.32.9": false, "": false} {
		if err := CheckKubernetes(version); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestCheckUpgrade(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, want string }{
		"the same":                  {"0.1.0", "0.1.0", ""},
		"a patch":                   {"0.1.0", "0.1.7", ""},
		"the next minor":            {"0.1.3", "0.2.0", ""},
		"a later patch of it":       {"0.1.0", "0.2.5", ""},
		"ten follows nine":          {"0.9.0", "0.10.0", ""},
		"the next major":            {"0.9.0", "1.0.0", ""},
		"a release after its tries": {"0.2.0-rc.1", "0.2.0", ""},
		"an older patch":            {"0.1.7", "0.1.0", "0.1.7 is installed, and 0.1.0 is older"},
		"an older minor":            {"0.10.0", "0.9.0", "0.10.0 is installed, and 0.9.0 is older"},
		"an older major":            {"1.0.0", "0.9.0", "1.0.0 is installed, and 0.9.0 is older"},
		"two minors":                {"0.1.0", "0.3.0", "0.3.0 leaves versions out: upgrade to 0.2 with its own command first"},
		"a major and a minor":       {"0.1.0", "1.1.0", "1.1.0 leaves versions out: upgrade to 1.0 with its own command first"},
		"two majors":                {"0.1.0", "2.0.0", "2.0.0 leaves versions out: upgrade to 1.0 with its own command first"},
		"no version":                {"", "0.1.0", "a version that cannot be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := CheckUpgrade(tc.from, tc.to); err != nil {
				got = err.Error()
			}
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// What the names of kinds are guessed to be is what the API server calls them.
func TestRightsForNameResourcesThatThereAre(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(&config)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := client.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			known[resource.Name] = true
		}
	}
	objs, err := Canopy(values()).Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	written := &objectRights{cluster: map[schema.GroupResource][]string{}, namespaced: map[schema.GroupResource]bool{}}
	for _, obj := range objs {
		written.add(obj)
	}
	for _, right := range written.rights() {
		if !known[right.Rule.Resources[0]] {
			t.Errorf("there is no resource %s", right.Rule.Resources[0])
		}
	}
}

func TestASeedGetsNoKindOfTheMaster(t *testing.T) {
	objs, err := Canopy(values()).Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		if obj.GetKind() == "CustomResourceDefinition" && slices.Contains([]string{"seeds.canopy.dev", "clusters.canopy.dev"}, obj.GetName()) {
			t.Errorf("%s is installed on a seed", obj.GetName())
		}
	}
}

func TestMissing(t *testing.T) {
	rights := []Right{
		{Rule: rule([]string{"get", "create"}, "", "namespaces")},
		{Namespace: "canopy-system", Rule: rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"a", "b"}}},
	}
	for name, tc := range map[string]struct {
		clusterWide, inSystem []rbacv1.PolicyRule
		want                  []string
	}{
		"nothing is allowed": {nil, nil, []string{"get namespaces", "create namespaces", "patch deployments.apps a in canopy-system", "patch deployments.apps b in canopy-system"}},
		"all is allowed": {
			[]rbacv1.PolicyRule{rule([]string{"*"}, "*", "*")}, []rbacv1.PolicyRule{rule([]string{"*"}, "*", "*")}, nil,
		},
		"only one object": {
			[]rbacv1.PolicyRule{rule([]string{"get", "create"}, "", "namespaces")},
			[]rbacv1.PolicyRule{{Verbs: []string{"patch"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"a"}}},
			[]string{"patch deployments.apps b in canopy-system"},
		},
		"one namespace is not all": {
			[]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"canopy-system"}}},
			[]rbacv1.PolicyRule{rule([]string{"patch"}, "apps", "deployments")},
			[]string{"get namespaces", "create namespaces"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, access := range Missing(rights, tc.clusterWide, tc.inSystem) {
				got = append(got, access.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A master that is its own seed has in the chart what a master is given elsewhere.
func TestTheOwnSeedHasTheRightsOfASeed(t *testing.T) {
	own := values()
	own["master"] = map[string]any{"enabled": true, "ownSeed": true}
	objs, err := Canopy(own).Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if missing := Missing(OwnRights(), rulesOf(t, objs, "canopy-master", true), rulesOf(t, objs, "canopy-master", false)); len(missing) > 0 {
		t.Errorf("the chart does not give the master the right to %v", missing)
	}
	lent := slices.DeleteFunc(HandoverRights(), func(r Right) bool { return !r.Lent })
	if missing := Missing(lent, rulesOf(t, objs, "canopy-api", true), rulesOf(t, objs, "canopy-api", false)); len(missing) > 0 {
		t.Errorf("the chart does not give the API the right to %v", missing)
	}
}

// rulesOf returns what roles whose names begin so allow: everywhere, or in canopy-system.
func rulesOf(t *testing.T, objs []*unstructured.Unstructured, prefix string, everywhere bool) []rbacv1.PolicyRule {
	t.Helper()
	var wide, narrow []rbacv1.PolicyRule
	for _, obj := range objs {
		if !strings.HasPrefix(obj.GetName(), prefix) || obj.GetNamespace() == "canopy-login" {
			continue
		}
		rights, err := grantedBy(obj)
		if err != nil {
			t.Fatal(err)
		}
		for _, right := range rights {
			if right.Namespace == "" {
				wide = append(wide, right.Rule)
			}
			narrow = append(narrow, right.Rule)
		}
	}
	if everywhere {
		return wide
	}
	return narrow
}
