// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package apiserver runs beside the master: the REST API by which the command, the dashboard and everybody's own programs use the
// platform. It reads the master's kinds from a cache, after Kubernetes' RBAC has said that the caller may see them, and writes
// them by impersonating the caller, so that there is no second permission model.
//
//	request ─► begin ─► route ─► authenticate ─► validate ─► read: SubjectAccessReview, cache
//	           ID, end                           (schemas    write: Kubernetes, as the caller
//	                                              of the CRDs)
package apiserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/login"
	"canopy.dev/canopy/internal/machine"
)

// Options is what a server is told.
type Options struct {
	// Config reaches the master's Kubernetes API, as somebody who may impersonate users and groups there.
	Config *rest.Config
	// Authenticator says who a caller is; nil: service accounts of the master only.
	Authenticator authenticator.Request
	// Handlers serve further paths of the same origin, such as "/auth/", to anybody. They keep the names of net/http.
	Handlers map[string]http.Handler
	// Pages serves every path that nothing else has: the dashboard. nil: there is nothing at them.
	Pages http.Handler
	// PublicURL is where people reach the API, for example "https://canopy.example.com".
	PublicURL string
	// Version is that of the platform.
	Version string
	// Clouds say what can be had there.
	Clouds map[hostingv1alpha1.ProviderName]machine.Cloud
}

// Server serves the API.
type Server struct {
	opts   Options
	scheme *runtime.Scheme
	cache  cache.Cache
	// feeds have what happens to the kinds that are served; byKind finds them by the names that paths have.
	feeds  map[reflect.Type]*feed
	byKind map[string]*feed
	// streams counts those who watch; closing ends them.
	streams streamLimit
	closing chan struct{}
	seeds   seedClients
	// ownSeed asks the master's own cluster, where that is a seed.
	ownSeed *seedClient
	answers *answers
	offers  *offers
	// terminals counts the open ones.
	terminals streamLimit
	openShell openShell
	// idleTerminal is how long one may be open in which nothing is typed.
	idleTerminal time.Duration
	// callers and strangers bound how often somebody asks.
	callers, strangers *limits
	// docs is the page that explains the API.
	docs   []byte
	access *Access
	// own reads and writes what is the server's own: the records of changes, and what tokens are bound to.
	own client.Client
	// asCaller writes as whoever the context's request is from.
	asCaller client.WithWatch
	handler  http.Handler
	api      huma.API
	// ready is true while connections are accepted.
	ready atomic.Bool
}

// Scheme returns the kinds that the server reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(clusterv1.AddToScheme(scheme))
	return scheme
}

// New returns a server. It serves once Start has filled its cache.
func New(opts Options) (*Server, error) {
	config := rest.CopyConfig(opts.Config)
	config.QPS = -1 // the API server has its own fairness
	config.WarningHandlerWithContext = warnings{}
	s := newServer(opts)
	if s.opts.Authenticator == nil {
		review, err := TokenReview(config)
		if err != nil {
			return nil, fmt.Errorf("setting up the review of tokens: %w", err)
		}
		s.opts.Authenticator = review
	}
	var err error
	if s.access, err = newAccess(config); err != nil {
		return nil, fmt.Errorf("setting up the review of rights: %w", err)
	}
	if s.cache, err = cache.New(config, cache.Options{Scheme: s.scheme, DefaultTransform: cache.TransformStripManagedFields()}); err != nil {
		return nil, fmt.Errorf("setting up the cache: %w", err)
	}
	writer := rest.CopyConfig(config)
	writer.Wrap(func(next http.RoundTripper) http.RoundTripper { return impersonate{next} })
	if s.own, err = client.New(config, client.Options{Scheme: s.scheme}); err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	if s.ownSeed, err = newSeedClient(config); err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	// It knows the kinds already, so that it asks for nothing in anybody's name but to write.
	if s.asCaller, err = client.NewWithWatch(writer, client.Options{Scheme: s.scheme, Mapper: s.own.RESTMapper()}); err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	mux := http.NewServeMux()
	if s.api, err = newAPI(mux, opts.Version); err != nil {
		return nil, err
	}
	s.api.UseMiddleware(s.authenticate)
	s.routes()
	if opts.Handlers["/auth/"] != nil {
		login.Document(s.api.OpenAPI())
	}
	if s.docs, err = renderDocs(s.api.OpenAPI()); err != nil {
		return nil, fmt.Errorf("rendering the documentation: %w", err)
	}
	mux.HandleFunc("GET /docs", s.serveDocs)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	for pattern, handler := range opts.Handlers {
		mux.Handle(pattern, handler)
	}
	s.handler = s.begin(s.route(mux))
	return s, nil
}

func newServer(opts Options) *Server {
	return &Server{
		opts: opts, scheme: Scheme(), feeds: map[reflect.Type]*feed{}, byKind: map[string]*feed{},
		streams: newStreamLimit(mostStreams, mostStreamsOfOne), terminals: newStreamLimit(mostTerminals, mostTerminalsOfOne), openShell: openRealShell, idleTerminal: idleTerminal, closing: make(chan struct{}),
		seeds: seedClients{byName: map[string]*seedClient{}}, answers: newAnswers(), offers: newOffers(opts.Clouds), callers: newLimits(perSecond, burst), strangers: newLimits(strangersPerSecond, strangersBurst),
	}
}

// Document returns the OpenAPI document: all that there is to know of the API.
func Document(version string) ([]byte, error) {
	s := newServer(Options{})
	var err error
	if s.api, err = newAPI(http.NewServeMux(), version); err != nil {
		return nil, err
	}
	s.routes()
	login.Document(s.api.OpenAPI())
	return s.api.OpenAPI().MarshalJSON()
}

func newAPI(mux *http.ServeMux, version string) (huma.API, error) {
	registry, err := newRegistry()
	if err != nil {
		return nil, fmt.Errorf("reading the kinds: %w", err)
	}
	return humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Canopy", Version: version, License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
				Description: "The API of the Canopy platform. Objects are the kinds of canopy.dev/v1alpha1 as kubectl shows them.",
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "A token of a login, or of a service account."},
				},
			},
			Security: []map[string][]string{{"bearer": {}}},
		},
		OpenAPIPath: "/openapi", Formats: formats(), DefaultFormat: jsonType, RejectUnknownQueryParameters: true,
	}), nil
}

// Start fills the cache and keeps it until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	for _, kind := range s.feeds {
		if err := kind.follow(ctx, s.cache); err != nil {
			return fmt.Errorf("watching %T: %w", kind.object, err)
		}
	}
	if err := s.access.changes.follow(ctx, s.cache); err != nil {
		return fmt.Errorf("watching RBAC: %w", err)
	}
	go s.pruneRecords(ctx)
	return s.cache.Start(ctx)
}

// WaitForSync waits until the cache is filled, and it is known from where on all changes are: who comes back to a stream before that
// would miss some. It reports false if ctx ends before.
func (s *Server) WaitForSync(ctx context.Context) bool {
	if !s.cache.WaitForCacheSync(ctx) {
		return false
	}
	for _, f := range s.feeds {
		select {
		case <-ctx.Done():
			return false
		case <-f.opened:
		}
	}
	return true
}

// Handler serves the API and everything else on its origin.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve serves on a listener until ctx ends, and then lets requests that have begun come to their end.
func (s *Server) Serve(ctx context.Context, listener net.Listener, tlsConfig *tls.Config) error {
	server := &http.Server{
		Handler: s.handler, TLSConfig: tlsConfig, ReadHeaderTimeout: headerTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		// Streams end with ctx; other requests come to their end.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	stopped := make(chan error, 1)
	s.ready.Store(true)
	stop := context.AfterFunc(ctx, func() {
		s.ready.Store(false)
		close(s.closing)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(last)
	})
	defer stop()
	err := server.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return <-stopped
	}
	return err
}

// authenticate finds out who the caller is, except where that does not matter.
func (s *Server) authenticate(ctx huma.Context, next func(huma.Context)) {
	if isPublic(ctx.Operation()) {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	if p := s.identify(w, r); p != nil {
		writeProblem(ctx.Context(), w, p)
		return
	}
	next(ctx)
}

// identify notes who the caller is; the problem says why nobody is let in.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) *Problem {
	c, now := callOf(r.Context()), time.Now()
	response, ok, err := s.opts.Authenticator.AuthenticateRequest(r)
	if err != nil || !ok {
		if wait, ok := s.strangers.allow(c.source, now); !ok {
			return tooMany(w, wait)
		}
		if err != nil {
			logger(r.Context()).V(1).Info("A caller was not let in", "error", err.Error())
		}
		if r.Header.Get("Authorization") != "" {
			return problem(CodeUnauthenticated, "the token is not valid, or not any more")
		}
		return problem(CodeUnauthenticated, "the request has no token")
	}
	caller, err := callerOf(response.User)
	if err != nil {
		p := problem(CodeForbidden, "")
		_ = errors.As(err, &p)
		return p
	}
	c.user, c.caller = caller, callerKey(caller)
	if wait, ok := s.callers.allow(caller.GetName(), now); !ok {
		return tooMany(w, wait)
	}
	return nil
}

// publicKey marks operations that are for anybody.
const publicKey = "public"

func isPublic(op *huma.Operation) bool {
	public, _ := op.Metadata[publicKey].(bool)
	return public
}

// warnings keeps what Kubernetes warns of while it serves a request of ours.
type warnings struct{}

// HandleWarningHeaderWithContext keeps one.
func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _, text string) {
	if c := callOf(ctx); c != nil && code == 299 && text != "" {
		c.warnings = append(c.warnings, text)
	}
}
