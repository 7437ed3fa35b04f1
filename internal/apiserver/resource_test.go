// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/api/v1alpha1"
)

var (
	olga = v1alpha1.Member{Name: "olga@example.com", Role: v1alpha1.RoleOwner}
	ed   = v1alpha1.Member{Name: "ed@example.com", Role: v1alpha1.RoleEditor}
	vera = v1alpha1.Member{Name: "vera@example.com", Role: v1alpha1.RoleViewer}
)

func newCluster(name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name}, "spec": map[string]any{"datacenter": "local", "version": "1.37.2"}}
}

// TestALife takes a cluster through everything that can be done with it.
func TestALife(t *testing.T) {
	shared.project(t, "life", ed, vera)
	editor, viewer := shared.as(t, ed.Name), shared.as(t, vera.Name)
	const clusters = "/api/v1/projects/life/clusters"

	created := editor.do(http.MethodPost, clusters, newCluster("shop")).is(t, http.StatusCreated)
	if location := created.Header.Get("Location"); location != clusters+"/shop" {
		t.Errorf("Location: %q", location)
	}
	read := viewer.get(clusters+"/shop").is(t, http.StatusOK) // at once: who has written something reads it
	shop := into[v1alpha1.Cluster](t, read)
	if shop.Kind != "Cluster" || shop.Namespace != "project-life" || shop.Spec.Network.PodCIDR == "" || shop.ManagedFields != nil {
		t.Errorf("read %+v", shop)
	}
	eventually(t, "what has not changed is not sent again", func(context.Context) bool { // the master changes it, too
		tag := viewer.get(clusters+"/shop").is(t, http.StatusOK).Header.Get("ETag")
		return viewer.get(clusters+"/shop", "If-None-Match", tag).StatusCode == http.StatusNotModified
	})
	editor.do(http.MethodPost, clusters, newCluster("shop")).isProblem(t, CodeAlreadyExists)
	viewer.do(http.MethodPost, clusters, newCluster("other")).isProblem(t, CodeForbidden)

	dry := editor.do(http.MethodPost, clusters+"?dryRun=true", newCluster("dry")).is(t, http.StatusCreated)
	if into[v1alpha1.Cluster](t, dry).Spec.Profile == "" {
		t.Error("a dry run shows no defaults")
	}
	if dry.Header.Get("Location") != "" || dry.Header.Get("ETag") != "" {
		t.Errorf("a dry run names what it has not made: %v", dry.Header)
	}
	viewer.get(clusters+"/dry").isProblem(t, CodeNotFound)

	patch := map[string]any{"spec": map[string]any{"paused": true}}
	editor.do(http.MethodPatch, clusters+"/shop", patch).isProblem(t, CodePreconditionRequired)
	editor.do(http.MethodPatch, clusters+"/shop", patch, "If-Match", `"1"`).isProblem(t, CodePreconditionFailed)
	patched := editor.do(http.MethodPatch, clusters+"/shop", patch, "If-Match", "*").is(t, http.StatusOK)
	shop = into[v1alpha1.Cluster](t, patched)
	if !shop.Spec.Paused {
		t.Error("the patch has changed nothing")
	}
	shop.Spec.Paused = false
	editor.do(http.MethodPut, clusters+"/shop", shop).isProblem(t, CodePreconditionRequired)
	editor.do(http.MethodPut, clusters+"/shop", shop, "If-Match", read.Header.Get("ETag")).isProblem(t, CodePreconditionFailed)
	if replaced := into[v1alpha1.Cluster](t, editor.do(http.MethodPut, clusters+"/shop", shop, "If-Match", "*").is(t, http.StatusOK)); replaced.Spec.Paused {
		t.Error("the replacement has changed nothing")
	}

	const pools = clusters + "/shop/nodepools"
	pool := map[string]any{"metadata": map[string]any{"name": "workers"}, "spec": map[string]any{"cluster": "shop", "provider": map[string]any{"local": map[string]any{}}}}
	editor.do(http.MethodPost, pools, pool).is(t, http.StatusCreated)
	editor.do(http.MethodPost, clusters+"/none/nodepools", pool).isProblem(t, CodeInvalid)
	viewer.get(pools+"/workers").is(t, http.StatusOK)
	if list := into[List[v1alpha1.NodePool]](t, viewer.get(pools).is(t, http.StatusOK)); list.TotalSize != 1 || list.Items[0].Name != "workers" {
		t.Errorf("the pools are %+v", list)
	}
	editor.do(http.MethodDelete, pools+"/workers", nil, "If-Match", "*").is(t, http.StatusAccepted)

	editor.do(http.MethodDelete, clusters+"/shop", nil).isProblem(t, CodePreconditionRequired)
	viewer.do(http.MethodDelete, clusters+"/shop", nil, "If-Match", "*").isProblem(t, CodeForbidden)
	editor.do(http.MethodDelete, clusters+"/shop", nil, "If-Match", "*").is(t, http.StatusAccepted)
}

func TestADryRunSaysWhatItCosts(t *testing.T) {
	shared.project(t, "costs", ed)
	editor := shared.as(t, ed.Name)
	const clusters = "/api/v1/projects/costs/clusters"
	used := func(a answer) string {
		t.Helper()
		if a.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s: %s", a.Status, a.body)
		}
		var quota v1alpha1.QuotaStatus
		if err := json.Unmarshal([]byte(a.Header.Get("Quota-Effect")), &quota); err != nil {
			t.Fatalf("the effect is %q: %v", a.Header.Get("Quota-Effect"), err)
		}
		return fmt.Sprintf("%d clusters, %d nodes, %s cores, %s storage", *quota.Used.Clusters, *quota.Used.Nodes, quota.Used.CPU, quota.Used.Storage)
	}
	pool := func(replicas int) map[string]any {
		local := map[string]any{"local": map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "1500m"}}}}
		return map[string]any{"metadata": map[string]any{"name": "workers"}, "spec": map[string]any{"cluster": "shop", "replicas": replicas, "provider": local}}
	}
	if got, want := used(editor.do(http.MethodPost, clusters+"?dryRun=true", newCluster("shop"))), "1 clusters, 0 nodes, 0 cores, 2Gi storage"; got != want {
		t.Errorf("a first cluster leads to %s, want %s", got, want)
	}
	made := editor.do(http.MethodPost, clusters, newCluster("shop")).is(t, http.StatusCreated)
	if effect := made.Header.Get("Quota-Effect"); effect != "" {
		t.Errorf("what was done says %s", effect)
	}
	const pools = clusters + "/shop/nodepools"
	if got, want := used(editor.do(http.MethodPost, pools+"?dryRun=true", pool(3))), "1 clusters, 3 nodes, 4500m cores, 2Gi storage"; got != want {
		t.Errorf("three machines lead to %s, want %s", got, want)
	}
	editor.do(http.MethodPost, pools, pool(3)).is(t, http.StatusCreated)
	for what, tc := range map[string]struct {
		method, path string
		body         any
		want         string
	}{
		"a smaller pool":      {http.MethodPatch, pools + "/workers", `{"spec":{"replicas":1}}`, "1 clusters, 1 nodes, 1500m cores, 2Gi storage"},
		"no pool":             {http.MethodDelete, pools + "/workers", nil, "1 clusters, 0 nodes, 0 cores, 2Gi storage"},
		"no cluster":          {http.MethodDelete, clusters + "/shop", nil, "0 clusters, 0 nodes, 0 cores, 0 storage"},
		"more room for etcd":  {http.MethodPatch, clusters + "/shop", `{"spec":{"etcd":{"storage":"10Gi"}}}`, "1 clusters, 3 nodes, 4500m cores, 10Gi storage"},
		"a label that is new": {http.MethodPatch, clusters + "/shop", `{"metadata":{"labels":{"a":"b"}}}`, "1 clusters, 3 nodes, 4500m cores, 2Gi storage"},
	} {
		if got := used(editor.do(tc.method, tc.path+"?dryRun=true", tc.body, "If-Match", "*")); got != tc.want {
			t.Errorf("%s leads to %s, want %s", what, got, tc.want)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	shared.project(t, "wrong", ed)
	editor := shared.as(t, ed.Name)
	const clusters = "/api/v1/projects/wrong/clusters"
	unknown := newCluster("a")
	unknown["spec"].(map[string]any)["colour"] = "red"
	version := newCluster("a")
	version["spec"].(map[string]any)["version"] = "latest"
	late := newCluster("a")
	late["spec"].(map[string]any)["etcd"] = map[string]any{"storage": "1Mi"}
	tests := map[string]struct {
		method, path string
		body         any
		code         Code
		location     string
	}{
		"an unknown field":               {http.MethodPost, clusters, unknown, CodeInvalid, "body.spec.colour"},
		"a value against its pattern":    {http.MethodPost, clusters, version, CodeInvalid, "body.spec.version"},
		"a rule of Kubernetes":           {http.MethodPost, clusters, late, CodeInvalid, "body.spec.etcd.storage"},
		"an unknown parameter":           {http.MethodGet, clusters + "?colour=red", nil, CodeInvalid, "query.colour"},
		"a page too large":               {http.MethodGet, clusters + "?pageSize=501", nil, CodeInvalid, "query.pageSize"},
		"a token of nowhere":             {http.MethodGet, clusters + "?pageToken=bm9uZQ", nil, CodeInvalid, "query.pageToken"},
		"a selector that is none":        {http.MethodGet, clusters + "?labelSelector=a%20b", nil, CodeInvalid, "query.labelSelector"},
		"another name than in the path":  {http.MethodPut, clusters + "/b", newCluster("a"), CodeInvalid, "body.metadata.name"},
		"no JSON":                        {http.MethodPost, clusters, "{", CodeMalformed, "body"},
		"the same field twice":           {http.MethodPost, clusters, `{"spec":{},"spec":{}}`, CodeMalformed, "body"},
		"a body too deep":                {http.MethodPost, clusters, strings.Repeat("[", 100) + strings.Repeat("]", 100), CodeMalformed, "body"},
		"a body too large":               {http.MethodPost, clusters, `{"a":"` + strings.Repeat("a", 2<<20) + `"}`, CodeTooLarge, ""},
		"no body":                        {http.MethodPost, clusters, nil, CodeMalformed, ""},
		"a patch of an unknown field":    {http.MethodPatch, "/api/v1/projects/wrong", `{"spec":{"colour":"red"}}`, CodeForbidden, ""},
		"a name that climbs":             {http.MethodGet, clusters + "/..%2f..%2fsecrets", nil, CodeInvalid, "path.name"},
		"a method that there is not":     {http.MethodPut, clusters, newCluster("a"), CodeMethodNotAllowed, ""},
		"a path that there is not":       {http.MethodGet, "/api/v1/nothing", nil, CodeNotFound, ""},
		"a project that is not theirs":   {http.MethodGet, "/api/v1/projects/theirs/clusters", nil, CodeForbidden, ""},
		"a media type that is not known": {http.MethodPost, clusters, "a: b", CodeUnsupportedMedia, "body"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			headers := []string{"If-Match", "*"}
			if tc.code == CodeUnsupportedMedia {
				headers = append(headers, "Content-Type", "text/yaml")
			}
			p := editor.do(tc.method, tc.path, tc.body, headers...).isProblem(t, tc.code)
			if tc.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != tc.location) {
				t.Errorf("the errors are %+v, want one at %s", p.Errors, tc.location)
			}
		})
	}
}

func TestPages(t *testing.T) {
	shared.project(t, "pages", ed)
	editor := shared.as(t, ed.Name)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("c%d", i)
		cluster := newCluster(name)
		cluster["metadata"].(map[string]any)["labels"] = map[string]any{"odd": fmt.Sprint(i%2 == 1)}
		editor.do(http.MethodPost, "/api/v1/projects/pages/clusters", cluster).is(t, http.StatusCreated)
		want = append(want, name)
	}
	walk := func(query string) (got []string) {
		t.Helper()
		next := "/api/v1/projects/pages/clusters?" + query
		for next != "" {
			page := editor.get(next).is(t, http.StatusOK)
			for _, cluster := range into[List[v1alpha1.Cluster]](t, page).Items {
				got = append(got, cluster.Name)
			}
			link, _, _ := strings.Cut(strings.TrimPrefix(page.Header.Get("Link"), "<"), ">")
			next = link
		}
		return got
	}
	for query, want := range map[string][]string{
		"pageSize=3":                          want,
		"pageSize=7":                          want,
		"pageSize=2&orderBy=-name":            {"c6", "c5", "c4", "c3", "c2", "c1", "c0"},
		"pageSize=2&labelSelector=odd%3Dtrue": {"c1", "c3", "c5"},
		"pageSize=2&search=c3":                {"c3"},
		"pageSize=3&orderBy=created":          want,
		"pageSize=1&ready=True":               nil,
		"pageSize=4&orderBy=name&search=C":    want,
	} {
		if diff := cmp.Diff(want, walk(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestClustersOfAllProjects(t *testing.T) {
	shared.project(t, "all-a", ed, v1alpha1.Member{Kind: v1alpha1.MemberGroup, Name: "watchers", Role: v1alpha1.RoleViewer})
	shared.project(t, "all-b", ed)
	for _, project := range []string{"all-a", "all-b"} {
		shared.as(t, ed.Name).do(http.MethodPost, "/api/v1/projects/"+project+"/clusters", newCluster("all-"+project)).is(t, http.StatusCreated)
	}
	for token, want := range map[string][]string{
		ed.Name:                     {"all-all-a", "all-all-b"},
		"wim@example.com,watchers":  {"all-all-a"},
		"nobody@example.com,nobody": nil,
	} {
		var got []string
		for _, cluster := range into[List[v1alpha1.Cluster]](t, shared.as(t, token).get("/api/v1/clusters?search=all-all").is(t, http.StatusOK)).Items {
			got = append(got, cluster.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s sees (-want +got):\n%s", token, diff)
		}
	}
	self := into[Self](t, shared.as(t, "wim@example.com,watchers").get("/api/v1/me").is(t, http.StatusOK))
	want := Self{Name: "wim@example.com", Groups: []string{"watchers"}, Projects: []SelfMembership{{Name: "all-a", Roles: []v1alpha1.Role{v1alpha1.RoleViewer}}}}
	if diff := cmp.Diff(want, self); diff != "" {
		t.Errorf("who they are (-want +got):\n%s", diff)
	}
}

func TestWhoIsLetIn(t *testing.T) {
	for name, token := range map[string]string{
		"an administrator of Kubernetes":     "system:admin",
		"a group of Kubernetes":              "eve@example.com,system:masters",
		"a node":                             "system:node:a,system:nodes",
		"a service account that is none":     "system:serviceaccount:a",
		"Kubernetes' own group of everybody": "system:anonymous,system:unauthenticated",
	} {
		t.Run(name, func(t *testing.T) {
			shared.as(t, token).get("/api/v1/me").isProblem(t, CodeForbidden)
		})
	}
	shared.as(t, "").get("/api/v1/me").isProblem(t, CodeUnauthenticated)
	shared.as(t, "").get("/api/v1/version").is(t, http.StatusOK)
	shared.as(t, "").get("/openapi.json").is(t, http.StatusOK)
	// The groups of a service account are those that its name says, whatever else a token says.
	self := into[Self](t, shared.as(t, "system:serviceaccount:a:b,system:masters").get("/api/v1/me").is(t, http.StatusOK))
	if diff := cmp.Diff([]string{"system:serviceaccounts", "system:serviceaccounts:a"}, self.Groups); diff != "" || self.Admin {
		t.Error(diff)
	}
}
