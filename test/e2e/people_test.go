// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"canopy.dev/canopy/internal/local"
)

// whatPeopleSee looks at the demo cluster as one of its owners, by nothing but the API: charts, logs, and a terminal.
func whatPeopleSee(t *testing.T) {
	const email, cluster = "e2e-people@example.com", "/api/v1/projects/demo/clusters/demo"
	k := seed(t)
	_, _ = run(t.Context(), "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath) // of a run that was ended
	password := strings.TrimSpace(canopy(t, "issuer", "add-user", email, "--kubeconfig", local.KubeconfigPath))
	before := k.run("get", "project", "demo", "-o", "jsonpath={.spec.members}")
	if before == "" {
		before = "[]"
	}
	added := strings.TrimSuffix(before, "]")
	if added != "[" {
		added += ","
	}
	t.Cleanup(func() {
		ctx := context.Background()
		_, err := run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "patch", "project", "demo", "--type=merge", "-p", `{"spec":{"members":`+before+`}}`)
		_, err2 := run(ctx, "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath)
		_, err3 := run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "users.canopy.dev", "--field-selector", "spec.email="+email)
		if err != nil || err2 != nil || err3 != nil {
			t.Error(err, err2, err3)
		}
	})
	k.run("patch", "project", "demo", "--type=merge", "-p", `{"spec":{"members":`+added+fmt.Sprintf(`{"name":%q,"role":"Owner"}]}}`, email))
	me := theAPI(t).logIn(email, password)

	eventually(t, "the charts have nodes, the API and etcd", 8*time.Minute, func() (bool, string) {
		status, content := me.do(http.MethodGet, cluster+"/metrics?range=1h", nil)
		body := string(content)
		return status == http.StatusOK && strings.Contains(body, `"nodeCPU"`) && strings.Contains(body, `"apiserverRequests"`) && strings.Contains(body, `"etcdSize"`), body
	})
	if status, content := me.do(http.MethodGet, "/api/v1/clusters/usage?clusters=demo/demo", nil); status != http.StatusOK || strings.Contains(string(content), `"cpu":[]`) {
		t.Errorf("what the cluster uses: %d: %s", status, content)
	}
	for _, component := range []string{"kube-apiserver", "etcd", "openvpn"} {
		if status, content := me.do(http.MethodGet, cluster+"/components/"+component+"/logs?tailLines=5", nil); status != http.StatusOK || len(content) == 0 {
			t.Errorf("the log of %s: %d: %s", component, status, content)
		}
	}
	me.typesInTerminal(cluster+"/terminal", email)
	demo := kube{t, me.kubeconfig(cluster + "/kubeconfig")}
	eventually(t, "nothing is left of the terminal", time.Minute, func() (bool, string) {
		out, err := demo.try("", "--token", me.token, "get", "jobs", "-n", "canopy-terminals", "-o", "name")
		return err == nil && strings.TrimSpace(out) == "", fmt.Sprint(out, err)
	})
}

// typesInTerminal asks kubectl who it is, in a shell in the cluster.
func (a api) typesInTerminal(path, email string) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), 5*time.Minute)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, a.url+path, &websocket.DialOptions{HTTPClient: a.client, HTTPHeader: http.Header{"Authorization": {"Bearer " + a.token}}})
	if err != nil {
		why := ""
		if answer != nil && answer.Body != nil {
			content, _ := io.ReadAll(answer.Body)
			why = string(content)
		}
		a.Fatal(err, why)
	}
	defer func() { _ = conn.CloseNow() }()
	send := func(kind websocket.MessageType, content string) {
		if err := conn.Write(ctx, kind, []byte(content)); err != nil {
			a.Fatal(err)
		}
	}
	send(websocket.MessageText, `{"type":"resize","columns":120,"rows":40}`)
	var shown strings.Builder
	start := time.Now()
	for {
		kind, content, err := conn.Read(ctx)
		if err != nil {
			a.Fatalf("%v after %q", err, shown.String())
		}
		if kind == websocket.MessageBinary {
			shown.Write(content)
			if strings.Contains(shown.String(), "I am "+email) {
				send(websocket.MessageBinary, "exit\r")
			}
			continue
		}
		var m struct{ Type, Message string }
		if err := json.Unmarshal(content, &m); err != nil {
			a.Fatal(err)
		}
		switch m.Type {
		case "ready":
			a.Logf("the terminal is there after %s", time.Since(start))
			send(websocket.MessageBinary, `kubectl auth whoami -o jsonpath='I am {.status.userInfo.username}'`+"\r")
		case "end":
			if !strings.Contains(shown.String(), "I am "+email) {
				a.Errorf("the terminal has ended: %s, after %q", m.Message, shown.String())
			}
			return
		}
	}
}
