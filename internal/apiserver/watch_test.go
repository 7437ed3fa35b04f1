// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/api/v1alpha1"
)

// streamEvent is what a client gets.
type streamEvent struct{ name, id, data string }

// watcher is a client of a stream.
type watcher struct {
	t      *testing.T
	events chan streamEvent
	cancel context.CancelFunc
}

func (c caller) watch(query string, headers ...string) *watcher {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.url+watchPath+"?"+query, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) //nolint:bodyclose // who reads it closes it
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("the stream is a %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	w := &watcher{c.t, make(chan streamEvent, 1024), cancel}
	go func() {
		defer close(w.events)
		defer resp.Body.Close()
		var event streamEvent
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				event.name = value
			case "id":
				event.id = value
			case "data":
				event.data = value
			case "":
				if event.name != "" {
					w.events <- event
				}
				event = streamEvent{}
			}
		}
	}()
	c.t.Cleanup(cancel)
	return w
}

// next returns the next event, which has to be of a kind and to hold a text.
func (w *watcher) next(name, text string) streamEvent {
	w.t.Helper()
	select {
	case event, ok := <-w.events:
		if !ok || event.name != name || !strings.Contains(event.data, text) {
			w.t.Fatalf("got the event %+v, want %s with %q", event, name, text)
		}
		return event
	case <-time.After(30 * time.Second):
		w.t.Fatalf("waited in vain for %s with %q", name, text)
	}
	return streamEvent{}
}

// skipTo returns the next event that is of a kind and holds a text.
func (w *watcher) skipTo(name, text string) streamEvent {
	w.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case event, ok := <-w.events:
			if !ok {
				w.t.Fatalf("the stream has ended before %s with %q", name, text)
			}
			if event.name == name && strings.Contains(event.data, text) {
				return event
			}
		case <-timeout:
			w.t.Fatalf("waited in vain for %s with %q", name, text)
		}
	}
}

func TestAStreamIsResumed(t *testing.T) {
	shared.project(t, "stream", ed, vera)
	editor := shared.as(t, ed.Name)
	const clusters = "/api/v1/projects/stream/clusters"
	w := shared.as(t, vera.Name).watch("kinds=clusters,nodepools&project=stream")
	w.next("bookmark", "")
	editor.do(http.MethodPost, clusters, newCluster("first")).is(t, http.StatusCreated)
	seen := w.next("added", `"name":"first"`)
	w.cancel()
	editor.do(http.MethodPost, clusters, newCluster("second")).is(t, http.StatusCreated)
	editor.do(http.MethodPatch, clusters+"/first", `{"metadata":{"labels":{"while":"away"}}}`, "If-Match", "*").is(t, http.StatusOK)

	resumed := shared.as(t, vera.Name).watch("kinds=clusters,nodepools&project=stream", "Last-Event-ID", seen.id)
	resumed.next("bookmark", "")
	resumed.skipTo("added", `"name":"second"`)
	resumed.skipTo("modified", `"while":"away"`)

	t.Run("at another replica", func(t *testing.T) {
		other, err := startServer(t.Context(), Options{Config: &serverConfig, Authenticator: byName{}})
		if err != nil {
			t.Fatal(err)
		}
		w := other.as(t, vera.Name).watch("kinds=clusters&project=stream&lastEventId=" + seen.id)
		w.next("relist", "clusters") // it was not there when that happened
		w.cancel()
		editor.do(http.MethodPost, clusters, newCluster("third")).is(t, http.StatusCreated)
		latest := resumed.skipTo("added", `"name":"third"`)
		editor.do(http.MethodPatch, clusters+"/third", `{"metadata":{"labels":{"and":"on"}}}`, "If-Match", "*").is(t, http.StatusOK)
		w = other.as(t, vera.Name).watch("kinds=clusters&project=stream", "Last-Event-ID", latest.id)
		w.next("bookmark", "")
		latest = w.skipTo("modified", `"and":"on"`)

		other.kill() // in the middle of the stream
		for range w.events {
			continue
		}
		editor.do(http.MethodPatch, clusters+"/third", `{"metadata":{"labels":{"and":"dead"}}}`, "If-Match", "*").is(t, http.StatusOK)
		w = shared.as(t, vera.Name).watch("kinds=clusters&project=stream", "Last-Event-ID", latest.id)
		w.next("bookmark", "")
		w.skipTo("modified", `"and":"dead"`) // the master may have written its status before
	})
}

func TestAStreamShowsOnlyWhatMayBeSeen(t *testing.T) {
	shared.project(t, "seen", ed, vera)
	shared.project(t, "unseen", ed)
	editor := shared.as(t, ed.Name)
	w := shared.as(t, vera.Name).watch("kinds=clusters")
	w.next("bookmark", "")
	editor.do(http.MethodPost, "/api/v1/projects/unseen/clusters", newCluster("hidden")).is(t, http.StatusCreated)
	editor.do(http.MethodPost, "/api/v1/projects/seen/clusters", newCluster("shown")).is(t, http.StatusCreated)
	w.next("added", `"name":"shown"`)
	shared.as(t, vera.Name).get(watchPath+"?kinds=clusters&project=unseen").isProblem(t, CodeForbidden)
	shared.as(t, vera.Name).get(watchPath+"?kinds=secrets").isProblem(t, CodeInvalid)

	project := &v1alpha1.Project{}
	project.Name = "seen"
	shared.patch(t, project, `{"spec":{"members":[{"kind":"User","namespace":"","name":"ed@example.com","role":"Editor"}]}}`)
	n := 0
	eventually(t, "somebody who is no member any more is told to forget", func(context.Context) bool {
		n++
		body := fmt.Sprintf(`{"metadata":{"labels":{"n":"%d"}}}`, n)
		editor.do(http.MethodPatch, "/api/v1/projects/seen/clusters/shown", body, "If-Match", "*").is(t, http.StatusOK)
		for {
			select {
			case event := <-w.events:
				if event.name == "relist" {
					return true
				}
			case <-time.After(200 * time.Millisecond):
				return false
			}
		}
	})
	editor.do(http.MethodPatch, "/api/v1/projects/seen/clusters/shown", `{"metadata":{"labels":{"secret":"yes"}}}`, "If-Match", "*").is(t, http.StatusOK)
	select {
	case event := <-w.events:
		t.Errorf("got %+v", event)
	case <-time.After(time.Second):
	}
}

// TestASlowClientIsLetGo has a client that does not read: what waits for it is bounded, and the others notice nothing.
func TestASlowClientIsLetGo(t *testing.T) {
	shared.project(t, "slow", ed)
	address := strings.TrimPrefix(shared.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "GET %s?kinds=projects HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer system:serviceaccount:a:slow\r\n\r\n", watchPath, address)
	f := shared.byKind["projects"]
	count := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.streams)
	}
	eventually(t, "the stream is open", func(context.Context) bool { return count() > 0 })
	var slow *stream
	f.mu.Lock()
	for s := range f.streams {
		slow = s
	}
	f.mu.Unlock()
	project := &v1alpha1.Project{}
	project.Name = "slow"
	for range 100 * backlog { // faster than any client is
		f.note("modified", project, false)
	}
	select {
	case <-slow.overrun:
	case <-time.After(10 * time.Second):
		t.Error("the client is still there")
	}
	eventually(t, "the stream is forgotten", func(context.Context) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		_, there := f.streams[slow]
		return !there
	})
}

func TestStreamsAreBounded(t *testing.T) {
	limit := newStreamLimit(mostStreams, mostStreamsOfOne)
	for range mostStreamsOfOne {
		if err := limit.enter("ada"); err != nil {
			t.Fatal(err)
		}
	}
	refused := httptest.NewRecorder()
	if p := (*Problem)(nil); !errors.As(limit.enter("ada"), &p) {
		t.Error("one may have more than that")
	} else if writeProblem(t.Context(), refused, p); refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d, %v", refused.Code, refused.Header())
	}
	if err := limit.enter("ben"); err != nil {
		t.Error(err)
	}
	limit.leave("ada")
	if err := limit.enter("ada"); err != nil {
		t.Error(err)
	}
}
