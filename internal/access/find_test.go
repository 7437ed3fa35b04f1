// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

const farKubeconfig = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}],
  clusters: [{name: c, cluster: {server: "https://far.example.test:6443"}}], users: [{name: c, user: {%s}}]}`

// fixture makes clusters of several projects on three seeds, and one that is in no project.
func fixture(t *testing.T) {
	t.Helper()
	c, err := newClient(&config)
	if err != nil {
		t.Fatal(err)
	}
	create := func(obj client.Object) {
		t.Helper()
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	for _, ns := range []string{v1alpha1.SystemNamespace, "project-a", "project-b", "cluster-shop", "cluster-alone"} {
		create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	for name, user := range map[string]string{"far": "token: t", "sly": "exec: {apiVersion: client.authentication.k8s.io/v1, command: date, interactiveMode: Never}"} {
		create(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.SystemNamespace},
			StringData: map[string]string{v1alpha1.SeedKubeconfigKey: strings.Replace(farKubeconfig, "%s", user, 1)},
		})
	}
	for _, name := range []string{"near", "far", "sly"} {
		seed := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if name != "near" {
			seed.Spec.KubeconfigSecretName, seed.Spec.Install = name, v1alpha1.InstallManual
		}
		create(seed)
	}
	for _, cl := range []struct{ project, name, seed string }{
		{"a", "shop", "near"}, {"b", "shop", "near"}, {"a", "web", "near"}, {"b", "edge", "far"}, {"b", "trap", "sly"}, {"b", "new", ""},
	} {
		cluster := &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: cl.name, Namespace: "project-" + cl.project},
			Spec:       v1alpha1.ClusterSpec{Datacenter: "d", Version: "1.37.2"},
		}
		create(cluster)
		if cl.seed == "" {
			continue
		}
		cluster.Status.Seed, cluster.Status.ID = cl.seed, "id"+cl.name
		if err := c.Status().Update(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shop", "alone"} {
		create(&hostingv1alpha1.HostedCluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: hostingv1alpha1.NamespacePrefix + name},
			Spec:       hostingv1alpha1.HostedClusterSpec{Version: "1.37.2"},
		})
	}
}

func TestFind(t *testing.T) {
	fixture(t)
	none, a, b := "", "a", "b"
	tests := map[string]struct {
		query      Query
		want       Place
		host, fail string
	}{
		"the only one of its name":      {query: Query{Name: "web"}, want: Place{Name: "a/web", ID: "idweb"}, host: config.Host},
		"one in no project":             {query: Query{Name: "alone"}, want: Place{Name: "alone", ID: "alone"}, host: config.Host},
		"one of several, by project":    {query: Query{Name: "shop", Project: &b}, want: Place{Name: "b/shop", ID: "idshop"}, host: config.Host},
		"the one that is in no project": {query: Query{Name: "shop", Project: &none}, want: Place{Name: "shop", ID: "shop"}, host: config.Host},
		"on a dedicated seed":           {query: Query{Name: "edge"}, want: Place{Name: "b/edge", ID: "idedge"}, host: "https://far.example.test:6443"},
		"several":                       {query: Query{Name: "shop"}, fail: `3 clusters named shop: say which, with --project a, --project b, --project ""`},
		"none":                          {query: Query{Name: "nowhere"}, fail: "there is no cluster nowhere"},
		"none in the project":           {query: Query{Name: "edge", Project: &a}, fail: "there is no cluster a/edge"},
		"one without a place":           {query: Query{Name: "new"}, fail: "b/new has no place yet"},
		"a kubeconfig with a command":   {query: Query{Name: "trap"}, fail: "wants a command or plugin to be run"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Find(t.Context(), &config, tc.query)
			if tc.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fail) {
					t.Errorf("error = %v, want one with %q", err, tc.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != tc.want.Name || got.ID != tc.want.ID || got.SeedConfig.Host != tc.host {
				t.Errorf("got %s, id %s, at %s; want %+v at %s", got.Name, got.ID, got.SeedConfig.Host, tc.want, tc.host)
			}
		})
	}
}
