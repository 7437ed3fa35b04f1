// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/cli/config"
)

// serve returns a client of a server with the handler, and what the client traced.
func serve(t *testing.T, handler http.HandlerFunc) (*Client, *bytes.Buffer) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	trace := &bytes.Buffer{}
	httpClient, err := NewHTTP(Options{
		Context:   config.Context{Server: server.URL, CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
		Token:     func(context.Context) (string, error) { return "s3cret", nil },
		UserAgent: "canopy/test", Trace: trace,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Server: server.URL, HTTP: httpClient}, trace
}

func TestListReadsAllPages(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("pageToken") == "" {
			fmt.Fprint(w, `{"items": [{"metadata": {"name": "a"}, "spec": {"n": 9007199254740993}}], "nextPageToken": "2"}`)
			return
		}
		fmt.Fprint(w, `{"items": [{"metadata": {"name": "b"}}], "partial": [{"seed": "eu", "reason": "it does not answer"}]}`)
	})
	list, err := c.List(t.Context(), "/api/v1/clusters", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2 || list.Items[1].GetName() != "b" || cmp.Diff([]Missing{{"eu", "it does not answer"}}, list.Missing) != "" {
		t.Errorf("got %+v", list)
	}
	if n := list.Items[0].Object["spec"].(map[string]any)["n"]; n != int64(9007199254740993) {
		t.Errorf("a large number became %v", n)
	}
}

func TestProblems(t *testing.T) {
	c, trace := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			t.Errorf("Authorization: %s", r.Header.Get("Authorization"))
		}
		if r.URL.Path == "/html" {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>proxy</html>")
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Set-Cookie", "session=s3cret")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"title": "There is no such thing", "detail": "there is no cluster x", "code": "ERR_NOT_FOUND", "requestId": "r1"}`)
	})
	err := c.Into(t.Context(), Request{Path: "/x", Method: http.MethodPost, Body: map[string]string{"token": "s3cret", "name": "x"}}, nil)
	var p *ProblemError
	if !errors.As(err, &p) || p.Code != "ERR_NOT_FOUND" || p.Status != http.StatusNotFound || err.Error() != "there is no cluster x" || !IsNotFound(err) {
		t.Errorf("error = %#v", err)
	}
	if err := c.Into(t.Context(), Request{Path: "/html"}, nil); !errors.As(err, &p) || p.Status != http.StatusBadGateway || strings.Contains(err.Error(), "html>") {
		t.Errorf("error = %v", err)
	}
	if strings.Contains(trace.String(), "s3cret") {
		t.Errorf("the trace has a secret:\n%s", trace)
	}
	for _, want := range []string{"> POST /x", `"name":"x"`, "404 Not Found", "ERR_NOT_FOUND"} {
		if !strings.Contains(trace.String(), want) {
			t.Errorf("the trace does not have %s:\n%s", want, trace)
		}
	}
}

func TestARequestIsSentAgainWhenTheServerIsBusy(t *testing.T) {
	calls := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		if calls++; calls == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"got": %q}`, body.String())
	})
	var got map[string]any
	if err := c.Into(t.Context(), Request{Path: "/x", Method: http.MethodPost, Body: 1}, &got); err != nil || got["got"] != "1" || calls != 2 {
		t.Errorf("%v after %d calls: %v", got, calls, err)
	}
}

func TestTheTokenStaysWithThePlatform(t *testing.T) {
	elsewhere, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("another server is sent the token")
		}
	})
	here, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.Server+"/x", http.StatusFound)
	})
	_ = here.Into(t.Context(), Request{Path: "/x"}, nil) // its certificate is not trusted there, which is as well
	other := &Client{Server: elsewhere.Server, HTTP: elsewhere.HTTP}
	other.HTTP.Transport.(*sender).options.Context.Server = here.Server
	if err := other.Into(t.Context(), Request{Path: "/x"}, nil); err != nil && !strings.Contains(err.Error(), "reading") {
		t.Error(err)
	}
}

func TestWatchGoesOnWhereItWas(t *testing.T) {
	connections := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if connections++; connections == 1 {
			fmt.Fprint(w, "retry: 1\n\nevent: bookmark\nid: 1\ndata: {}\n\nevent: added\nid: 2\ndata: {\"object\": {\"metadata\": {\"name\": \"a\"}}}\n\n")
			return // the connection is lost
		}
		if r.Header.Get("Last-Event-ID") != "2" {
			t.Errorf("it goes on from %q", r.Header.Get("Last-Event-ID"))
		}
		fmt.Fprint(w, "event: bookmark\nid: 2\ndata: {}\n\nevent: deleted\nid: 3\ndata: {\"object\": {\"metadata\": {\"name\": \"a\"}}}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	var seen []string
	err := c.Watch(t.Context(), []string{"clusters"}, "shop", func(e Event) bool {
		name := ""
		if e.Object != nil {
			name = e.Object.GetName()
		}
		seen = append(seen, e.Type+" "+name)
		return e.Type != EventDeleted
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"look ", "added a", "look ", "deleted a"}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestWatchEndsWhenItIsRefused(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"title": "You may not do this"}`)
	})
	if err := c.Watch(t.Context(), []string{"clusters"}, "", func(Event) bool { return true }); !IsForbidden(err) {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Watch(ctx, []string{"clusters"}, "", func(Event) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestWhoIsNotLoggedInIsToldSo(t *testing.T) {
	c, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server is called") })
	loggedOut := errors.New("you are not logged in")
	c.HTTP.Transport.(*sender).options.Token = func(context.Context) (string, error) { return "", loggedOut }
	var unreachable *UnreachableError
	if err := c.Into(t.Context(), Request{Path: "/x"}, nil); !errors.Is(err, loggedOut) || errors.As(err, &unreachable) {
		t.Errorf("error = %v", err)
	}
}

func TestRedact(t *testing.T) {
	for _, text := range []string{
		"Authorization: Bearer s3cret\r", "Cookie: a=s3cret", `{"refresh_token": "s3cret"}`, `{"clientSecret":"s3cret","a":1}`,
		"grant_type=x&refresh_token=s3cret&client_id=y", `{"client-key-data": "s3cret"}`, "-----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----",
		"eyJhbGciOiJFUzI1NiJ9.s3cret.s3cret", `{"password": "a\"s3cret"}`,
	} {
		if got := Redact(text); strings.Contains(got, "s3cret") {
			t.Errorf("%s becomes %s", text, got)
		}
	}
	if text := `{"name": "token", "pageSize": 3}`; Redact(text) != text {
		t.Errorf("%s becomes %s", text, Redact(text))
	}
}
