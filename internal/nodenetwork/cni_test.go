// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPodsAreLetInWhenEverythingIsReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "10-canopy.conflist")
	var asked atomic.Int32
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(path); err == nil {
			t.Error("the file was there before everything was ready")
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer agent.Close()
	g := gate{path: path, device: "lo", urls: []string{agent.URL}}
	err := g.open(t.Context(), func() (netip.Prefix, bool) { return netip.MustParsePrefix("10.0.7.0/24"), true }, func() bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3", asked.Load())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(content) || !strings.Contains(string(content), `"subnet": "10.0.7.0/24"`) || !strings.Contains(string(content), `"mtu": 65536,`) {
		t.Errorf("%s", content)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("there are other files: %v", entries)
	}
}

func TestWhatPodsWaitFor(t *testing.T) {
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	goneURL := gone.URL
	gone.Close()
	unwell := httptest.NewServer(http.NotFoundHandler())
	defer unwell.Close()
	for name, tc := range map[string]struct {
		hasRange, rules bool
		urls            []string
		want            string
	}{
		"nothing":          {hasRange: true, rules: true, urls: []string{well.URL}, want: ""},
		"the node's range": {rules: true, urls: []string{well.URL}, want: "the node has no range of pods yet"},
		"the rules":        {hasRange: true, urls: []string{well.URL}, want: "the rules of network policies are not written yet"},
		"an agent that is not there": {
			hasRange: true, rules: true, urls: []string{well.URL, goneURL}, want: goneURL + " does not answer yet",
		},
		"an agent that is not ready": {
			hasRange: true, rules: true, urls: []string{well.URL, unwell.URL}, want: unwell.URL + " answers 404 Not Found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := gate{urls: tc.urls}.missing(t.Context(), http.DefaultClient,
				func() (netip.Prefix, bool) { return netip.Prefix{}, tc.hasRange }, func() bool { return tc.rules })
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Containerd reads its configuration anew whenever a file of it changes.
func TestAnUnchangedFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := replaceFile(path, []byte("a")); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replaceFile(path, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Error("the file was written again", err)
	}
	if _, err := replaceFile(path, []byte("b")); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "b" {
		t.Errorf("%q, %v", content, err)
	}
}
