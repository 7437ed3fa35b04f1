// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/login"
)

func TestTokens(t *testing.T) {
	shared.project(t, "tokens",
		v1alpha1.Member{Name: "olga@tokens", Role: v1alpha1.RoleOwner},
		v1alpha1.Member{Name: "ed@tokens", Role: v1alpha1.RoleEditor})
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "ci", Namespace: "project-tokens"}}
	if err := shared.kube.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	olga, ed := shared.as(t, "olga@tokens"), shared.as(t, "ed@tokens")
	path := "/api/v1/projects/tokens/serviceaccounts/ci/tokens"
	ed.do(http.MethodPost, path, map[string]any{}).isProblem(t, CodeForbidden)
	ed.get(path).isProblem(t, CodeForbidden)
	olga.do(http.MethodPost, "/api/v1/projects/tokens/serviceaccounts/nobody/tokens", map[string]any{}).isProblem(t, CodeNotFound)
	olga.do(http.MethodPost, path, map[string]any{"ttl": "1s"}).isProblem(t, CodeInvalid)
	eventually(t, "the Kubernetes API knows what is forbidden", func(context.Context) bool {
		return olga.do(http.MethodPost, path, map[string]any{"ttl": "720h"}).StatusCode == http.StatusConflict
	})
	made := into[Token](t, olga.do(http.MethodPost, path, map[string]any{"description": "for the pipeline"}).is(t, http.StatusCreated))
	list := into[List[Token]](t, olga.get(path).is(t, http.StatusOK))
	if len(list.Items) != 1 || list.Items[0].ID != made.ID || list.Items[0].Token != "" || list.Items[0].CreatedBy != "olga@tokens" || list.Items[0].LastUsed != nil {
		t.Errorf("a token that was refused leaves nothing, and one that was made is not shown again: %+v", list.Items)
	}

	machines, err := TokenReview(&serverConfig)
	if err != nil {
		t.Fatal(err)
	}
	own, err := client.New(&serverConfig, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	real, err := startServer(ctx, Options{Config: &serverConfig, Authenticator: login.Uses(machines, own, testr.New(t))})
	if err != nil {
		t.Fatal(err)
	}
	pipeline := real.as(t, made.Token)
	if self := into[Self](t, pipeline.get("/api/v1/me").is(t, http.StatusOK)); self.Name != "system:serviceaccount:project-tokens:ci" {
		t.Errorf("the token is for %s", self.Name)
	}
	if list := into[List[Token]](t, olga.get(path).is(t, http.StatusOK)); list.Items[0].LastUsed == nil || time.Since(*list.Items[0].LastUsed) > time.Minute {
		t.Errorf("it is not known when the token was used: %+v", list.Items)
	}
	// A record says by which token something was done: by the ID that the list has, which is what one revokes.
	pipeline.do(http.MethodDelete, "/api/v1/projects/tokens/clusters/none", nil, "If-Match", "*").isProblem(t, CodeForbidden)
	ed.do(http.MethodDelete, path+"/"+made.ID, nil).isProblem(t, CodeForbidden)
	olga.do(http.MethodDelete, path+"/"+made.ID, nil).is(t, http.StatusNoContent)
	olga.do(http.MethodDelete, path+"/"+made.ID, nil).isProblem(t, CodeNotFound)
	eventually(t, "a token that is revoked lets nobody in", func(context.Context) bool {
		return pipeline.get("/api/v1/me").StatusCode == http.StatusUnauthorized
	})

	var lines []string
	page := olga.get("/api/v1/projects/tokens/audit").is(t, http.StatusOK)
	for _, r := range into[List[v1alpha1.AuditRecord]](t, page).Items {
		if r.Spec.Name == "ci" && r.Result.Code == "" || r.Spec.Resource == "clusters" {
			lines = append(lines, strings.Join([]string{r.Spec.User, r.Spec.Verb, r.Spec.Resource, r.Result.Name, r.Spec.Token}, " "))
		}
	}
	want := []string{
		"olga@tokens delete serviceaccounts/token " + made.ID + " ",
		"system:serviceaccount:project-tokens:ci delete clusters  " + made.ID,
		"olga@tokens create serviceaccounts/token " + made.ID + " ",
	}
	if diff := cmp.Diff(want, lines); diff != "" || strings.Contains(string(page.body), made.Token) {
		t.Errorf("the records of the token (-want +got):\n%s", diff)
	}

	project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "tokens"}}
	if err := shared.kube.Patch(t.Context(), project, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"tokenLifetime":"720h"}}`))); err != nil {
		t.Fatal(err)
	}
	var long Token
	eventually(t, "a token that the Project allows", func(context.Context) bool {
		a := olga.do(http.MethodPost, path, map[string]any{"ttl": "720h"})
		if a.StatusCode != http.StatusCreated {
			return false
		}
		long = into[Token](t, a)
		return true
	})
	if left := time.Until(long.Expires); left < 700*time.Hour {
		t.Errorf("it is valid for %s only", left)
	}
	olga.do(http.MethodPost, path, map[string]any{"ttl": "1000h"}).isProblem(t, CodeRefused)
}

// The API may write no other Secrets, and make nobody an administrator.
func TestWhatTheServerMayNotDo(t *testing.T) {
	shared.project(t, "limits", v1alpha1.Member{Name: "olga@limits", Role: v1alpha1.RoleOwner})
	own, err := client.New(rest.CopyConfig(&serverConfig), client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: "project-limits"}, StringData: map[string]string{"a": "b"}}
	if err := shared.kube.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	for what, obj := range map[string]client.Object{
		"a Secret of another type": &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-limits"}},
		"a Secret with data":       &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-limits"}, Type: login.TokenSecretType, StringData: map[string]string{"a": "b"}},
		"a Secret elsewhere":       &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "canopy-system"}, Type: login.TokenSecretType},
		"an administrator":         &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "eve"}, Spec: v1alpha1.UserSpec{Email: "eve@limits", Admin: true}},
	} {
		if err := own.Create(t.Context(), obj, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("making %s: %v", what, err)
		}
	}
	if err := own.Delete(t.Context(), secret, client.DryRunAll); err == nil {
		t.Error("deleting somebody's Secret")
	}
	if err := own.Create(t.Context(), &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "eve"}, Spec: v1alpha1.UserSpec{Email: "eve@limits"}}, client.DryRunAll); err != nil {
		t.Errorf("making a User: %v", err)
	}
	if err := own.List(t.Context(), &corev1.SecretList{}, client.InNamespace("canopy-system")); err == nil {
		t.Error("reading the Secrets of canopy-system")
	}
}

func TestKubeconfig(t *testing.T) {
	shared.project(t, "access", v1alpha1.Member{Name: "vera@access", Role: v1alpha1.RoleViewer})
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "project-access"}, Spec: v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"}}
	if err := shared.kube.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	vera := shared.as(t, "vera@access")
	path := "/api/v1/projects/access/clusters/demo/kubeconfig"
	eventually(t, "the cluster is known", func(context.Context) bool {
		return vera.get("/api/v1/projects/access/clusters/demo").StatusCode == http.StatusOK
	})
	vera.get(path).isProblem(t, CodeNotReady)
	shared.as(t, "eve@access").get(path).isProblem(t, CodeForbidden)
	patch := []byte(`{"status":{"id":"abcdefghij","endpoint":"https://192.0.2.1:30043","tlsServerName":"abcdefghij.canopy.internal","certificateAuthority":"an authority"}}`)
	if err := shared.kube.Status().Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	var got answer
	eventually(t, "the cluster has an endpoint", func(context.Context) bool {
		got = vera.get(path)
		return got.StatusCode == http.StatusOK
	})
	config, err := clientcmd.Load(got.body)
	if err != nil {
		t.Fatal(err)
	}
	c, u := config.Clusters["canopy-access/demo"], config.AuthInfos["canopy-access/demo"]
	if c == nil || u == nil || c.Server != "https://192.0.2.1:30043" || c.TLSServerName == "" || string(c.CertificateAuthorityData) != "an authority" || config.CurrentContext != "canopy-access/demo" {
		t.Fatalf("got %s", got.body)
	}
	if u.Exec == nil || u.Exec.Command != "canopy" || !u.Exec.ProvideClusterInfo || u.Token != "" || len(u.ClientKeyData) > 0 {
		t.Errorf("the user of the kubeconfig: %+v", u)
	}
}

func TestCertificates(t *testing.T) {
	shared.project(t, "certificates",
		v1alpha1.Member{Name: "olga@certificates", Role: v1alpha1.RoleOwner},
		v1alpha1.Member{Name: "vera@certificates", Role: v1alpha1.RoleViewer})
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "project-certificates"}, Spec: v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"}}
	if err := shared.kube.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"status":{"id":"abcdefghij","endpoint":"https://192.0.2.1:30043","certificateAuthority":"an authority"}}`)
	if err := shared.kube.Status().Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	olga, vera := shared.as(t, "olga@certificates"), shared.as(t, "vera@certificates")
	path := "/api/v1/projects/certificates/clusters/demo/kubeconfig"
	eventually(t, "the cluster is known", func(context.Context) bool { return vera.get(path).StatusCode == http.StatusOK })
	vera.do(http.MethodPost, path, map[string]any{"role": "admin"}).isProblem(t, CodeForbidden)
	olga.do(http.MethodPost, path, map[string]any{"role": "admin", "ttl": "25h"}).isProblem(t, CodeInvalid)
	olga.do(http.MethodPost, path, map[string]any{"role": "root"}).isProblem(t, CodeInvalid)

	config := rest.CopyConfig(&kubeConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: "vera@certificates"}
	direct, err := client.New(config, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	request := func(user string, role v1alpha1.CertificateRole) error {
		return direct.Create(t.Context(), &v1alpha1.AccessRequest{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "a-", Namespace: "project-certificates"},
			Spec:       v1alpha1.AccessRequestSpec{Cluster: "demo", User: user, Role: role, Request: "x"},
		}, client.DryRunAll)
	}
	eventually(t, "a viewer may ask for what viewers get", func(context.Context) bool { return request("vera@certificates", v1alpha1.CertificateViewer) == nil })
	if err := request("vera@certificates", v1alpha1.CertificateAdmin); err == nil {
		t.Error("a viewer may ask for a certificate of an administrator")
	}
	if err := request("olga@certificates", v1alpha1.CertificateViewer); err == nil {
		t.Error("somebody may ask in another's name")
	}

	watcher, err := shared.kube.Watch(t.Context(), &v1alpha1.AccessRequestList{}, client.InNamespace("project-certificates"))
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	go func() { // the part of the cluster
		for event := range watcher.ResultChan() {
			if request, ok := event.Object.(*v1alpha1.AccessRequest); ok && request.Status.Certificate == "" {
				_ = shared.kube.Status().Patch(t.Context(), request, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"certificate":"a certificate"}}`)))
			}
		}
	}()
	got := olga.do(http.MethodPost, path, map[string]any{"role": "admin", "ttl": "10m"}).is(t, http.StatusOK)
	loaded, err := clientcmd.Load(got.body)
	if err != nil {
		t.Fatal(err)
	}
	if u := loaded.AuthInfos["canopy-certificates/demo"]; u == nil || string(u.ClientCertificateData) != "a certificate" || len(u.ClientKeyData) == 0 || u.Exec != nil {
		t.Errorf("got %s", got.body)
	}
	page := olga.get("/api/v1/projects/certificates/audit?pageSize=1").is(t, http.StatusOK)
	records := into[List[v1alpha1.AuditRecord]](t, page).Items
	if len(records) != 1 || records[0].Spec.User != "olga@certificates" || records[0].Spec.Resource != "clusters/adminkubeconfig" ||
		records[0].Spec.Name != "demo" || records[0].Result.Status != http.StatusOK || !strings.HasPrefix(records[0].Result.Name, "demo-") {
		t.Errorf("the record of the certificate: %s", page.body)
	}
}
