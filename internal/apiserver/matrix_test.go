// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// Who may use an operation: nobody in particular, viewer, editor and owner of the project, global viewer, administrator, and a
// service account that is an editor.
const (
	everybody = "nveogas"
	inProject = "veogas"
	editors   = "eoas"
	owners    = "oa"
	watchers  = "ga"
	admins    = "a"
)

// people are the callers of each letter.
var people = map[byte]string{
	'n': "nobody@example.com", 'v': "vera@matrix.example.com", 'e': "ed@matrix.example.com", 'o': "olga@matrix.example.com",
	'g': "greta@matrix.example.com", 'a': "grace@matrix.example.com", 's': "system:serviceaccount:project-matrix:robot",
}

// kindExpectations are who may list, get, create, replace, patch and delete.
var kindExpectations = map[string][6]string{
	"User":            {everybody, watchers, admins, admins, admins, admins},
	"Project":         {everybody, inProject, admins, owners, owners, admins},
	"Preset":          {everybody, inProject, admins, admins, admins, admins},
	"Seed":            {everybody, watchers, admins, admins, admins, admins},
	"Datacenter":      {everybody, inProject, admins, admins, admins, admins},
	"Release":         {everybody, inProject, admins, admins, admins, admins},
	"Announcement":    {everybody, everybody, admins, admins, admins, admins},
	"Template":        {everybody, everybody, admins, admins, admins, admins},
	"Cluster":         {inProject, inProject, editors, editors, editors, editors},
	"NodePool":        {inProject, inProject, editors, editors, editors, editors},
	"SSHKey":          {inProject, inProject, editors, editors, editors, editors},
	"ProjectTemplate": {inProject, inProject, editors, editors, editors, editors},
	"ClusterSet":      {inProject, inProject, editors, editors, editors, editors},
	"ServiceAccount":  {"o", "o", "o", "o", "o", "o"},
}

// otherExpectations are who may use the operations that are no kind's.
var otherExpectations = map[string]string{
	"listAllClusters": everybody, "getSelf": everybody, "getVersion": everybody, "watch": inProject,
	"listProjectAuditRecords": inProject, "exportProjectAuditRecords": inProject, "listProjectOperations": inProject, "getProjectOperation": inProject,
	"listPlatformAuditRecords": watchers, "exportPlatformAuditRecords": watchers, "listPlatformOperations": watchers, "getPlatformOperation": watchers,
	"listProjectDatacenters": inProject, "listProjectPresets": inProject, "getOffers": editors,
	"listMembers": inProject, "addMember": owners, "setMember": owners, "removeMember": owners,
	"getQuota": inProject, "listProjectEvents": inProject, "listClusterEvents": inProject, "getUpgrades": inProject,
	"listMachines": inProject, "listNodes": inProject, "createJoinCommand": editors, "deleteMachine": editors,
	"getClusterMetrics": inProject, "listClusterUsage": everybody, "getComponentLogs": inProject, "openTerminal": editors,
	"getClusterKubeconfig": inProject, "createClusterKubeconfig": owners,
	"listTokens": "o", "createToken": "o", "revokeToken": "o",
}

func expectations() map[string]string {
	all := map[string]string{}
	for id, who := range otherExpectations {
		all[id] = who
	}
	for noun, who := range kindExpectations {
		for i, verb := range []string{"list", "get", "create", "replace", "patch", "delete"} {
			id := verb + noun
			if verb == "list" {
				id += "s"
			}
			all[id] = who[i]
		}
	}
	return all
}

// documented is an operation of the document.
type documented struct {
	method, path string
	*huma.Operation
}

func operationsOf(s *testServer) []documented {
	var all []documented
	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if op != nil {
				all = append(all, documented{method, path, op})
			}
		}
	}
	slices.SortFunc(all, func(a, b documented) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

const publicKey1 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1"

// matrixObjects are what there is in the project, and outside of it: one of each kind.
func matrixObjects() map[string]client.Object {
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "project-matrix"} }
	cluster := v1alpha1.ClusterSpec{Datacenter: "matrix", Version: "1.37.2"}
	return map[string]client.Object{
		"users":           &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}, Spec: v1alpha1.UserSpec{Email: "matrix@example.com"}},
		"projects":        &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}},
		"presets":         &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}, Spec: v1alpha1.PresetSpec{SecretName: "matrix"}},
		"seeds":           &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "none"}},
		"datacenters":     &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}},
		"releases":        &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.36.9"}},
		"announcements":   &v1alpha1.Announcement{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}},
		"clusters":        &v1alpha1.Cluster{ObjectMeta: in("shop"), Spec: cluster},
		"nodepools":       &v1alpha1.NodePool{ObjectMeta: in("workers"), Spec: v1alpha1.NodePoolSpec{Cluster: "shop"}},
		"sshkeys":         &v1alpha1.SSHKey{ObjectMeta: in("ada"), Spec: v1alpha1.SSHKeySpec{PublicKey: publicKey1}},
		"templates":       &v1alpha1.ClusterTemplate{ObjectMeta: in("small"), Spec: v1alpha1.ClusterTemplateSpec{Cluster: cluster}},
		"clustersets":     &v1alpha1.ClusterSet{ObjectMeta: in("shops")},
		"serviceaccounts": &corev1.ServiceAccount{ObjectMeta: in("robot")},
	}
}

// bodies are valid ones.
func bodies(kind string) string {
	local := `"provider":{"local":{}}`
	cluster := `{"datacenter":"matrix","version":"1.37.2"}`
	return map[string]string{
		"users":           `{"metadata":{"name":"NAME"},"spec":{"email":"matrix@example.com"}}`,
		"projects":        `{"metadata":{"name":"NAME"},"spec":{"displayName":"Matrix"}}`,
		"presets":         `{"metadata":{"name":"NAME"},"spec":{"provider":"local","secretName":"matrix"}}`,
		"seeds":           `{"metadata":{"name":"NAME"},"spec":{"kubeconfigSecretName":"none","install":"Manual"}}`,
		"datacenters":     `{"metadata":{"name":"NAME"},"spec":{"seed":"matrix",` + local + `}}`,
		"releases":        `{"metadata":{"name":"NAME"},"spec":{}}`,
		"announcements":   `{"metadata":{"name":"NAME"},"spec":{"message":"Maintenance on Sunday"}}`,
		"clusters":        `{"metadata":{"name":"NAME"},"spec":` + cluster + `}`,
		"nodepools":       `{"metadata":{"name":"NAME"},"spec":{"cluster":"shop",` + local + `}}`,
		"sshkeys":         `{"metadata":{"name":"NAME"},"spec":{"publicKey":"` + publicKey1 + `"}}`,
		"templates":       `{"metadata":{"name":"NAME"},"spec":{"cluster":` + cluster + `}}`,
		"clustersets":     `{"metadata":{"name":"NAME"},"spec":{"template":{"name":"small"},"clusters":[{"name":"one"}]}}`,
		"serviceaccounts": `{"metadata":{"name":"NAME"}}`,
		"kubeconfig":      `{"role":"admin"}`,
		"tokens":          `{}`,
		"join-command":    `{}`,
	}[kind]
}

// matrixProject makes the project and everything in it, once; raw objects are made through the API, which fills them in.
func matrixProject(t *testing.T) {
	t.Helper()
	shared.callers, shared.strangers = newLimits(1e6, 1e6), newLimits(1e6, 1e6)
	for name, spec := range map[string]v1alpha1.UserSpec{"grace": {Email: people['a'], Admin: true}, "greta": {Email: people['g'], GlobalViewer: true}} {
		if err := shared.kube.Create(t.Context(), &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	shared.project(t, "matrix",
		v1alpha1.Member{Name: people['v'], Role: v1alpha1.RoleViewer}, v1alpha1.Member{Name: people['e'], Role: v1alpha1.RoleEditor}, v1alpha1.Member{Name: people['o'], Role: v1alpha1.RoleOwner})
	shared.patch(t, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}}, fmt.Sprintf(`{"spec":{"members":[
		{"kind":"User","namespace":"","name":"%s","role":"Viewer"},{"kind":"User","namespace":"","name":"%s","role":"Editor"},{"kind":"User","namespace":"","name":"%s","role":"Owner"},
		{"kind":"ServiceAccount","namespace":"project-matrix","name":"robot","role":"Editor"}]}}`, people['v'], people['e'], people['o']))
	for _, letter := range []byte("gas") {
		eventually(t, people[letter]+" has rights", func(context.Context) bool {
			return shared.as(t, people[letter]).get("/api/v1/projects/matrix/clusters").StatusCode == http.StatusOK
		})
	}
	admin, owner := shared.as(t, people['a']), shared.as(t, people['o'])
	for _, kind := range []string{"users", "presets", "seeds", "datacenters", "releases", "announcements", "templates"} {
		if a := admin.do(http.MethodPost, "/api/v1/"+kind, strings.ReplaceAll(bodies(kind), "NAME", matrixObjects()[kind].GetName())); a.StatusCode != http.StatusCreated {
			t.Errorf("making one of %s: %s", kind, a.body)
		}
	}
	for _, kind := range []string{"clusters", "clusters/shop/nodepools", "sshkeys", "templates", "clustersets", "serviceaccounts"} {
		last := kind[strings.LastIndex(kind, "/")+1:]
		if a := owner.do(http.MethodPost, "/api/v1/projects/matrix/"+kind, strings.ReplaceAll(bodies(last), "NAME", matrixObjects()[last].GetName())); a.StatusCode != http.StatusCreated {
			t.Errorf("making one of %s: %s", kind, a.body)
		}
	}
}

// kindOf returns the name that an operation's path has for its kind.
func (d documented) kind() string {
	path := strings.TrimSuffix(strings.TrimSuffix(d.path, "/{name}"), "/{member}")
	return path[strings.LastIndex(path, "/")+1:]
}

// broken reports whether the server is at fault. That there is no seed to be asked is not.
func (d documented) broken(status int) bool {
	return status >= 500 && (d.OperationID != "deleteMachine" || status != http.StatusServiceUnavailable)
}

// TestWhoMayDoWhat asks each operation as each of the people. An operation of which nobody has said who may use it fails.
func TestWhoMayDoWhat(t *testing.T) {
	matrixProject(t)
	want := expectations()
	for _, op := range operationsOf(shared) {
		who, ok := want[op.OperationID]
		delete(want, op.OperationID)
		if !ok {
			t.Errorf("nothing says who may use %s %s (%s)", op.method, op.path, op.OperationID)
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			for letter, token := range people {
				status := op.ask(t, shared.as(t, token))
				allowed := status != http.StatusForbidden
				if allowed != strings.ContainsRune(who, rune(letter)) || status == http.StatusUnauthorized || op.broken(status) || status == http.StatusUnprocessableEntity {
					t.Errorf("%s gets %d", token, status)
				}
			}
			if status := op.ask(t, shared.as(t, "")); status != http.StatusUnauthorized && !isPublic(op.Operation) {
				t.Errorf("without a token there is %d", status)
			}
		})
	}
	for id := range want {
		t.Errorf("there is no operation %s", id)
	}
}

// ask sends a request that changes nothing, and returns the status.
func (d documented) ask(t *testing.T, c caller) int {
	t.Helper()
	name := "absent"
	if obj := matrixObjects()[d.kind()]; obj != nil {
		name = obj.GetName()
	}
	if d.kind() == "offers" {
		name = "matrix"
	}
	path := strings.NewReplacer("{project}", "matrix", "{cluster}", "shop", "{name}", name, "{token}", "token-a", "{member}", url.PathEscape("User:"+people['v'])).Replace(d.path)
	if d.kind() == "offers" {
		path += "?datacenter=matrix"
	}
	if d.OperationID == "watch" {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.url+path+"?kinds=clusters&project=matrix", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if d.method == http.MethodGet {
		return c.get(path).StatusCode
	}
	body := map[string]string{http.MethodPatch: `{"metadata":{"labels":{"a":"b"}}}`}[d.method]
	switch {
	case d.kind() == "members" && d.method == http.MethodPost:
		body = `{"name":"new@example.com","role":"Viewer"}`
	case d.kind() == "members" && d.method == http.MethodPut:
		body = `{"role":"Viewer"}`
	case d.method == http.MethodPost:
		body = strings.ReplaceAll(bodies(d.kind()), "NAME", map[bool]string{true: "1.36.8", false: "another"}[d.kind() == "releases"])
	case d.method == http.MethodPut:
		body = strings.ReplaceAll(bodies(d.kind()), "NAME", name)
	}
	var send any
	if body != "" {
		send = body
	}
	if slices.ContainsFunc(d.Parameters, func(p *huma.Param) bool { return p.Name == "dryRun" }) {
		path += "?dryRun=true"
	}
	return c.do(d.method, path, send, "If-Match", `"1"`).StatusCode
}

// TestNoRequestBreaksTheServer sends what each operation's own schema allows, and what it does not.
func TestNoRequestBreaksTheServer(t *testing.T) {
	shared.callers, shared.strangers = newLimits(1e6, 1e6), newLimits(1e6, 1e6)
	random := rand.New(rand.NewPCG(1, 2))
	admin := shared.as(t, "system:serviceaccount:fuzz:fuzz") // may do nothing: what is asked is how it is refused
	owner := shared.as(t, people['o'])
	for _, op := range operationsOf(shared) {
		if op.OperationID == "watch" {
			for range 12 { // what is refused: a stream has no end
				query := url.Values{"kinds": {"clusters," + fuzzText(random)}, "project": {fuzzText(random)}, "lastEventId": {fuzzText(random)}}
				if a := admin.get(op.path + "?" + query.Encode()); a.StatusCode < 400 || a.StatusCode >= 500 {
					t.Errorf("%s: %d %s", query.Encode(), a.StatusCode, a.body)
				}
			}
			continue
		}
		for i := range 12 {
			path := op.path
			for _, p := range op.Parameters {
				if p.In == "path" {
					path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(fuzzText(random)), 1)
				}
			}
			query := url.Values{"dryRun": {"true"}}
			headers := []string{"If-Match", []string{`"1"`, "*", "x", `W/"1"`}[random.IntN(4)]}
			for _, p := range op.Parameters {
				if p.In == "query" && random.IntN(3) == 0 && p.Name != "dryRun" {
					query.Set(p.Name, fuzzText(random))
				}
			}
			if op.method == http.MethodGet && random.IntN(4) > 0 {
				query.Del("dryRun")
			}
			var body any
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Content {
					body = fuzzValue(random, media.Schema, 0)
				}
			}
			as := owner
			if i%4 == 0 {
				as = admin
			}
			answer := as.do(op.method, strings.ReplaceAll(path, "%00", "0")+"?"+query.Encode(), body, headers...)
			if op.broken(answer.StatusCode) {
				t.Errorf("%s %s as %s with %v: %d %s", op.method, path, as.token, body, answer.StatusCode, answer.body)
			}
		}
	}
}

func fuzzText(random *rand.Rand) string {
	texts := []string{"matrix", "shop", "a", "1.37.2", "..", "../../etc", "A", "ä", "a b", "%", "name", "True", "0", "-1", "99999999999999999999", strings.Repeat("x", 300), "User:a@b", "'; --", "<a>", "{}", "null"}
	return texts[random.IntN(len(texts))]
}

// fuzzValue makes a value that a schema allows, most of the time.
func fuzzValue(random *rand.Rand, schema *huma.Schema, level int) any {
	if schema == nil || level > 6 || random.IntN(12) == 0 {
		return []any{nil, 1, -1.5, "", fuzzText(random), true, []any{}, map[string]any{}, []any{map[string]any{"a": nil}}}[random.IntN(9)]
	}
	for schema.Ref != "" {
		schema = shared.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	if len(schema.Enum) > 0 {
		return schema.Enum[random.IntN(len(schema.Enum))]
	}
	switch schema.Type {
	case huma.TypeObject:
		value := map[string]any{}
		for name, property := range schema.Properties {
			if slices.Contains(schema.Required, name) || random.IntN(3) == 0 {
				value[name] = fuzzValue(random, property, level+1)
			}
		}
		if more, ok := schema.AdditionalProperties.(*huma.Schema); ok {
			value[fuzzText(random)] = fuzzValue(random, more, level+1)
		}
		return value
	case huma.TypeArray:
		return []any{fuzzValue(random, schema.Items, level+1)}
	case huma.TypeInteger, huma.TypeNumber:
		return []any{0, 1, 1000, -1, 1 << 40}[random.IntN(5)]
	case huma.TypeBoolean:
		return random.IntN(2) == 0
	}
	return fuzzText(random)
}
