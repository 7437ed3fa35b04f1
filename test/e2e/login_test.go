// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/local"
)

// api is the platform's API, as somebody with nothing but curl sees it.
type api struct {
	*testing.T

	url    string
	client *http.Client
	token  string
}

func theAPI(t *testing.T) api {
	t.Helper()
	ca := seed(t).run("-n", "canopy-system", "get", "configmap", "canopy-api-authority", "-o", `jsonpath={.data.ca\.crt}`)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Fatal("the ConfigMap canopy-api-authority has no certificate")
	}
	return api{t, local.DefaultSettings().APIURL(), &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}, ""}
}

// do sends a request; a form is sent as browsers do, anything else as JSON.
func (a api) do(method, path string, body any) (int, []byte) {
	a.Helper()
	var reader io.Reader
	contentType := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		reader, contentType = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		content, err := json.Marshal(body)
		if err != nil {
			a.Fatal(err)
		}
		reader = bytes.NewReader(content)
	}
	r, err := http.NewRequestWithContext(a.Context(), method, a.url+path, reader)
	if err != nil {
		a.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", contentType)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := a.client.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return response.StatusCode, content
}

// logIn logs somebody in by the device flow and returns the API as that person.
func (a api) logIn(email, password string) api {
	a.Helper()
	answer := func(path string, form url.Values) map[string]any {
		_, content := a.do(http.MethodPost, path, form)
		var v map[string]any
		if err := json.Unmarshal(content, &v); err != nil {
			a.Fatalf("%s: %s", path, content)
		}
		return v
	}
	device := answer("/issuer/device_authorization", url.Values{"client_id": {"canopy-cli"}, "scope": {"openid email groups offline_access"}})
	code, _ := device["user_code"].(string)
	secret, _ := device["device_code"].(string)
	status, _ := a.do(http.MethodPost, "/issuer/device", url.Values{"user_code": {code}, "email": {email}, "password": {password}, "answer": {"allow"}})
	if status != http.StatusOK {
		a.Fatalf("logging in as %s: status %d", email, status)
	}
	tokens := answer("/issuer/oauth/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {secret}, "client_id": {"canopy-cli"},
	})
	a.token, _ = tokens["id_token"].(string)
	if a.token == "" {
		a.Fatal("there is no ID token")
	}
	return a
}

// kubeconfig returns a file with the kubeconfig of a cluster, in which kubectl finds the token that it would ask canopy for.
func (a api) kubeconfig(path string) string {
	a.Helper()
	status, content := a.do(http.MethodGet, path, nil)
	if status != http.StatusOK {
		a.Fatalf("%s: %d: %s", path, status, content)
	}
	if strings.Contains(string(content), a.token) || !strings.Contains(string(content), "exec-credential") {
		a.Fatal("the kubeconfig is no one without secrets")
	}
	file := filepath.Join(a.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		a.Fatal(err)
	}
	return file
}

// TestTheSameIdentityEverywhere logs a new user in, to the API and to the demo cluster, and takes the user out again.
func TestTheSameIdentityEverywhere(t *testing.T) {
	const email = "e2e-login@example.com"
	k := seed(t)
	_, _ = run(t.Context(), "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath) // of a run that was ended
	password := strings.TrimSpace(canopy(t, "issuer", "add-user", email, "--kubeconfig", local.KubeconfigPath))
	before := k.run("get", "project", "demo", "-o", "jsonpath={.spec.members}")
	t.Cleanup(func() {
		ctx := context.Background()
		_, err := run(ctx, "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath)
		_, err2 := run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "users.canopy.dev", "--field-selector", "spec.email="+email)
		if err != nil || err2 != nil {
			t.Error(err, err2)
		}
	})
	me := theAPI(t).logIn(email, password)
	if status, content := me.do(http.MethodGet, "/api/v1/me", nil); status != http.StatusOK || !strings.Contains(string(content), email) {
		t.Fatalf("%d: %s", status, content)
	}
	const path = "/api/v1/projects/demo/clusters/demo/kubeconfig"
	if status, _ := me.do(http.MethodGet, path, nil); status != http.StatusForbidden {
		t.Errorf("somebody who is no member gets a kubeconfig: %d", status)
	}
	members := func(list string) {
		t.Helper()
		k.run("patch", "project", "demo", "--type=merge", "-p", `{"spec":{"members":`+list+`}}`)
		k.run("wait", "project/demo", "--for=jsonpath={.status.observedGeneration}="+k.run("get", "project", "demo", "-o", "jsonpath={.metadata.generation}"), "--timeout=1m")
	}
	if before == "" {
		before = "[]"
	}
	added := strings.TrimSuffix(before, "]")
	if added != "[" {
		added += ","
	}
	t.Cleanup(func() {
		if _, err := run(context.Background(), "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "patch", "project", "demo", "--type=merge", "-p", `{"spec":{"members":`+before+`}}`); err != nil {
			t.Error(err)
		}
	})
	members(added + fmt.Sprintf(`{"name":%q,"role":"Owner"}]`, email))
	var file string
	eventually(t, "a member gets a kubeconfig", 30*time.Second, func() (bool, string) {
		status, content := me.do(http.MethodGet, path, nil)
		return status == http.StatusOK, fmt.Sprint(status, string(content))
	})
	file = me.kubeconfig(path)
	inside := func(args ...string) (string, error) {
		return kube{t, file}.try("", append([]string{"--token", me.token}, args...)...)
	}
	eventually(t, "the demo cluster knows the member", 4*time.Minute, func() (bool, string) {
		out, err := inside("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
		return err == nil && out == email, fmt.Sprint(out, err)
	})
	eventually(t, "an owner may do everything there", 30*time.Second, func() (bool, string) {
		out, err := inside("get", "secrets", "-A", "-o", "name")
		return err == nil, fmt.Sprint(out, err)
	})

	status, content := me.do(http.MethodPost, path, map[string]string{"role": "viewer", "ttl": "10m"})
	if status != http.StatusOK {
		t.Fatalf("asking for a certificate: %d: %s", status, content)
	}
	certificate := filepath.Join(t.TempDir(), "certificate")
	if err := os.WriteFile(certificate, content, 0o600); err != nil {
		t.Fatal(err)
	}
	viewer := kube{t, certificate}
	viewer.wantThat("a viewer's certificate works", time.Minute, func(out string) bool { return strings.Contains(out, "node/") }, "get", "nodes", "-o", "name")
	if out, err := viewer.try("", "get", "secrets", "-A"); err == nil {
		t.Errorf("a viewer sees Secrets: %s", out)
	}

	members(before)
	start := time.Now()
	eventually(t, "who was removed is out", 30*time.Second, func() (bool, string) {
		out, err := inside("get", "secrets", "-A", "-o", "name")
		return err != nil && strings.Contains(err.Error(), "orbidden"), fmt.Sprint(out, err)
	})
	t.Logf("out after %s", time.Since(start))
}
