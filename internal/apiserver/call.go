// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authentication/user"
	ctrl "sigs.k8s.io/controller-runtime"

	"canopy.dev/canopy/internal/audit"
)

// call is what belongs to one request.
type call struct {
	id, method, path string
	// source is the address that the request came from; empty: there is none.
	source string
	user   user.Info
	// caller identifies the user among those whose rights are known.
	caller   string
	warnings []string
}

type callKey struct{}

// callOf returns the request that is served; nil: none is.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// logger returns the log, with what says which request it is about.
func logger(ctx context.Context) logr.Logger {
	log := ctrl.Log.WithName("api")
	if c := callOf(ctx); c != nil {
		log = log.WithValues("requestId", c.id, "method", c.method, "path", c.path)
		if c.user != nil {
			log = log.WithValues("user", c.user.GetName())
		}
	}
	return log
}

// requestIDs that clients choose are taken over if they are harmless.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// begin starts a request: it gets its ID, a time by which it is over, and an answer even if the server has a defect.
func (s *Server) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: r.Header.Get("X-Request-Id"), method: r.Method, path: r.URL.Path}
		c.source, _, _ = net.SplitHostPort(r.RemoteAddr) // empty if there is none
		if !requestID.MatchString(c.id) {
			c.id = rand.Text()
		}
		ctx := audit.WithRequest(context.WithValue(r.Context(), callKey{}, c), audit.Request{ID: c.id, Source: c.source, UserAgent: r.UserAgent()})
		if !isStream(r) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, patience)
			defer cancel()
		}
		w.Header().Set("X-Request-Id", c.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler { //nolint:errorlint // that very value says that the handler has given up
					panic(cause)
				}
				if r.Context().Err() != nil {
					return // the client is gone, and so is whom to answer
				}
				logger(ctx).Error(nil, "A request met a defect", "cause", cause, "stack", string(debug.Stack()))
				writeProblem(ctx, w, problem(CodeInternal, ""))
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// route finds the handler of a request. What there is none for gets a problem like everything else.
func (s *Server) route(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // which finds the values of the path, too
			return
		}
		if s.opts.Pages != nil && isPage(r) {
			s.opts.Pages.ServeHTTP(w, r)
			return
		}
		probe := &discard{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		if allow := probe.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			writeProblem(r.Context(), w, problem(CodeMethodNotAllowed, "%s is not for %s", r.Method, r.URL.Path))
			return
		}
		writeProblem(r.Context(), w, problem(CodeNotFound, "there is nothing at %s", r.URL.Path))
	})
}

// isPage reports whether a request may be for a page of the dashboard: not what programs ask for.
func isPage(r *http.Request) bool {
	for _, other := range []string{"/api/", "/auth/", "/issuer/"} {
		if strings.HasPrefix(r.URL.Path, other) {
			return false
		}
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// discard keeps the headers of an answer only.
type discard struct{ header http.Header }

// Header returns the headers.
func (d *discard) Header() http.Header { return d.header }

// Write forgets what it is given.
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader forgets the status.
func (d *discard) WriteHeader(int) {}

func writeProblem(ctx context.Context, w http.ResponseWriter, p *Problem) {
	_ = located(ctx, p)
	w.Header().Set("Content-Type", p.ContentType(""))
	if p.Code == CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="canopy"`)
	}
	for name, values := range p.GetHeaders() {
		if w.Header().Get(name) == "" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		logger(ctx).V(1).Info("A problem could not be sent", "error", err.Error())
	}
}

// isStream reports whether a request is for a stream, which has no end.
func isStream(r *http.Request) bool {
	return r.URL.Path == watchPath || slices.ContainsFunc(streamSuffixes, func(suffix string) bool { return strings.HasSuffix(r.URL.Path, suffix) })
}

// streamSuffixes are how the paths of the other streams end.
var streamSuffixes = []string{"/audit/export", "/logs", "/terminal"}

const (
	watchPath = "/api/v1/watch"
	// patience is how long a request may take that is no stream.
	patience = 30 * time.Second
	// headerTimeout is how long a client may take to say what it wants.
	headerTimeout = 10 * time.Second
)
