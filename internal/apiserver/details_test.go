// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

func TestWhatAProjectMayChooseFrom(t *testing.T) {
	shared.project(t, "choosing", ed)
	shared.project(t, "choosing-too", ed, vera)
	local := hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}
	for name, spec := range map[string]v1alpha1.DatacenterSpec{
		"choice-all":    {Seed: "none", Provider: local},
		"choice-one":    {Seed: "none", Provider: local, Projects: []string{"choosing"}},
		"choice-other":  {Seed: "none", Provider: local, Projects: []string{"choosing-too"}},
		"choice-people": {Seed: "none", Provider: local, RequiredEmails: []string{"ed@example.com"}},
	} {
		if err := shared.kube.Create(t.Context(), &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	for name, projects := range map[string][]string{"choice-all": nil, "choice-one": {"choosing"}, "choice-other": {"choosing-too"}} {
		preset := &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: "none", Projects: projects}}
		if err := shared.kube.Create(t.Context(), preset); err != nil {
			t.Fatal(err)
		}
	}
	names := func(list answer) string {
		var names []string
		for _, item := range into[List[metav1.PartialObjectMetadata]](t, list.is(t, http.StatusOK)).Items {
			names = append(names, item.Name)
		}
		return strings.Join(names, " ")
	}
	editor := shared.as(t, ed.Name)
	for path, want := range map[string]string{
		"choosing/datacenters":     "choice-all choice-one choice-people",
		"choosing-too/datacenters": "choice-all choice-other",
		"choosing/presets":         "choice-all choice-one",
		"choosing-too/presets":     "choice-all choice-other",
	} {
		got := ""
		eventually(t, path+" are "+want, func(context.Context) bool { // the master gives members the right to see them
			got = names(editor.get("/api/v1/projects/" + path + "?search=choice-"))
			return got == want
		})
	}
	shared.as(t, vera.Name).get("/api/v1/projects/choosing/datacenters").isProblem(t, CodeForbidden)
	page := into[List[v1alpha1.Datacenter]](t, editor.get("/api/v1/projects/choosing/datacenters?search=choice-&pageSize=2").is(t, http.StatusOK))
	if len(page.Items) != 2 || page.TotalSize != 3 || page.NextPageToken == "" {
		t.Errorf("the first page is %+v", page)
	}
}

// TestASeedThatIsDown has a cluster on a seed that nobody answers for: what is known without it is answered, and what is not says why.
func TestASeedThatIsDown(t *testing.T) {
	shared.project(t, "down", vera)
	kubeconfig := "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n" +
		"contexts: [{name: a, context: {cluster: a}}]\ncurrent-context: a\n"
	cluster := &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "project-down"}, Spec: v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"},
	}
	for _, obj := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "seed-down", Namespace: v1alpha1.SystemNamespace}, StringData: map[string]string{"kubeconfig": kubeconfig}},
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "down"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "seed-down", Install: v1alpha1.InstallManual}},
		cluster,
	} {
		if err := shared.kube.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"id":"abcdefghij","seed":"down"}}`))
	if err := shared.kube.Status().Patch(t.Context(), cluster, patch); err != nil {
		t.Fatal(err)
	}
	viewer := shared.as(t, vera.Name)
	for _, what := range []string{"machines", "nodes"} {
		var list List[metav1.PartialObjectMetadata]
		eventually(t, "the list of "+what+" says what is missing", func(context.Context) bool {
			list = into[List[metav1.PartialObjectMetadata]](t, viewer.get("/api/v1/projects/down/clusters/shop/"+what).is(t, http.StatusOK))
			return len(list.Partial) > 0
		})
		if diff := cmp.Diff([]Partial{{Seed: "down", Reason: "it does not answer"}}, list.Partial); diff != "" || list.Items == nil {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	viewer.get("/api/v1/projects/down/clusters/shop").is(t, http.StatusOK)
	viewer.get("/api/v1/projects/down/clusters").is(t, http.StatusOK)
}
