// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package dashboard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	built := fstest.MapFS{
		".gitkeep": {}, "index.html": {Data: []byte("<html>page</html>")}, "favicon.svg": {Data: []byte("<svg/>")},
		"assets/a-1.js": {Data: []byte("script")}, "assets/a-1.js.br": {Data: []byte("smallest")}, "assets/a-1.js.gz": {Data: []byte("small")},
	}
	for name, test := range map[string]struct {
		path, accept string
		without      bool
		status       int
		body         string
		header       map[string]string
	}{
		"the page must ask whether it is new, and says what may run": {
			path: "/", status: 200, body: "page", header: map[string]string{"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"},
		},
		"every address that is no file's is the page": {path: "/projects/shop/clusters", status: 200, body: "page"},
		"a dot does not make an address a file":       {path: "/clusters/v1.2", status: 200, body: "page"},
		"files may be kept for good":                  {path: "/assets/a-1.js", status: 200, body: "script", header: map[string]string{"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": ""}},
		"the smallest that is understood is sent":     {path: "/assets/a-1.js", accept: "gzip, br", status: 200, body: "smallest", header: map[string]string{"Content-Encoding": "br", "Content-Type": "text/javascript; charset=utf-8"}},
		"what is refused is not sent":                 {path: "/assets/a-1.js", accept: "gzip, br; q=0", status: 200, body: "small", header: map[string]string{"Content-Encoding": "gzip"}},
		"a file of another build is not the page":     {path: "/assets/b-2.js", status: 404},
		"a path cannot lead out":                      {path: "/../embed.go", status: 200, body: "page"},
		"a server without the dashboard says how to":  {path: "/", without: true, status: 200, body: "make dashboard"},
		"files of their own name may change":          {path: "/favicon.svg", status: 200, body: "svg", header: map[string]string{"Cache-Control": "no-cache", "Content-Type": "image/svg+xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := built
			if test.without {
				root = fstest.MapFS{".gitkeep": {}}
			}
			r := httptest.NewRequest(http.MethodGet, "http://canopy.test/", http.NoBody)
			r.URL.Path = test.path
			r.Header.Set("Accept-Encoding", test.accept)
			w := httptest.NewRecorder()
			newHandler(root).ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
				t.Errorf("it answers %d: %s", w.Code, w.Body)
			}
			for key, want := range test.header {
				if got := w.Header().Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if csp := w.Header().Get("Content-Security-Policy"); strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && !strings.Contains(csp, "script-src 'self';") {
				t.Errorf("the page may run anything: %q", csp)
			}
		})
	}
	t.Run("a build that is known is not sent again", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		w := httptest.NewRecorder()
		newHandler(built).ServeHTTP(w, r)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		newHandler(built).ServeHTTP(w, r)
		if w.Code != http.StatusNotModified {
			t.Errorf("it answers %d", w.Code)
		}
	})
}
