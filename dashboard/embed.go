// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboard serves the platform's web page, which is built by `make dashboard` and embedded here. It is static: whoever
// looks at it logs in, and asks the API on the same origin, as themselves.
package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// dist is what Vite has built. In a checkout where nothing was built yet there is only .gitkeep.
//
//go:embed all:dist
var dist embed.FS

// policy is what a browser may load and run on the page: nothing of other hosts, and no script that is not a file of ours. Mantine puts
// its variables into the page as a style.
//
//go:embed csp.txt
var policy string

// missing is the page of a server that was built without the dashboard.
const missing = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Canopy</title>
<h1>This server was built without the dashboard</h1>
<p>Run <code>make dashboard</code> and build it again. <a href="/docs">The API</a> and the command <code>canopy</code> do without.</p></html>
`

// file is one file of the build, with what it is smaller as.
type file struct {
	content  []byte
	encoded  map[string][]byte // by content coding
	mimeType string
	etag     string
}

type handler map[string]file

// Handler serves the dashboard. Its pages are addresses of the page index.html, so that links lead everywhere; files have a hash of their
// content in their name and may be kept for good.
func Handler() http.Handler {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return newHandler(root)
}

func newHandler(root fs.FS) http.Handler {
	h := handler{}
	_ = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error { // what is embedded can be read
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		f := file{content: content, encoded: map[string][]byte{}, mimeType: mimeType(name), etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		for coding, suffix := range map[string]string{"br": ".br", "gzip": ".gz"} {
			if smaller, err := fs.ReadFile(root, name+suffix); err == nil {
				f.encoded[coding] = smaller
			}
		}
		h[name] = f
		return nil
	})
	if _, ok := h["index.html"]; !ok {
		h["index.html"] = file{content: []byte(missing), mimeType: mimeType("index.html"), etag: `"missing"`}
	}
	return h
}

// mimeTypes does not depend on what the machine has in /etc.
var mimeTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".woff2": "font/woff2",
}

func mimeType(name string) string {
	if known, ok := mimeTypes[path.Ext(name)]; ok {
		return known
	}
	return mime.TypeByExtension(path.Ext(name))
}

// ServeHTTP serves a file, or the page for every other address that is no file's.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f, ok := h[name]
	if !ok && strings.HasPrefix(name, "assets/") { // of another build: the page itself is read again
		http.NotFound(w, r)
		return
	}
	if !ok {
		name, f = "index.html", h["index.html"]
	}
	header := w.Header()
	header.Set("Content-Type", f.mimeType)
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.etag)
	header.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(name, "assets/") {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if name == "index.html" {
		header.Set("Content-Security-Policy", strings.TrimSpace(policy))
		header.Set("Referrer-Policy", "same-origin")
	}
	content := f.content
	for _, coding := range []string{"br", "gzip"} {
		if smaller, ok := f.encoded[coding]; ok && accepts(r, coding) {
			header.Set("Content-Encoding", coding)
			header.Set("ETag", strings.TrimSuffix(f.etag, `"`)+"-"+coding+`"`)
			content = smaller
			break
		}
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func accepts(r *http.Request, coding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == coding && strings.ReplaceAll(weight, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
