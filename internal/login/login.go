// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package login says who a caller of the API is, and logs browsers in. It runs in the API, in any number of replicas. It
// reads the installation's issuers from a ConfigMap, which it follows, verifies their tokens by Kubernetes' own
// authenticators, and keeps the sessions of browsers as Secrets of the namespace canopy-login.
package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/sealed"
	"canopy.dev/canopy/internal/secretstore"
)

// sweepPeriod is how often expired records are deleted.
const sweepPeriod = 5 * time.Minute

// Options is what a Service is told.
type Options struct {
	// PublicURL is the API's address, for example "https://canopy.example.com".
	PublicURL string
	// Store keeps sessions. Its client writes AuditRecords, too.
	Store *secretstore.Store
	// Users reads and makes Users.
	Users client.Client
	// Machines knows those who do not come from an issuer, such as service accounts; nil: there are none.
	Machines authenticator.Request
	// Own serves the embedded issuer below OwnURL; nil: there is none. Its tokens are verified without the network.
	Own    http.Handler
	OwnURL string
	// OwnClientSecret is that of the client for browsers at the embedded issuer.
	OwnClientSecret string
	// Log is told of what nobody waits for.
	Log logr.Logger
}

// Service knows who callers are.
type Service struct {
	opts    Options
	seal    []byte
	current atomic.Pointer[trusted]
	known   sync.Map // e-mail addresses of users that there are
	request authenticator.Request
}

// keys are the service's own secrets.
type keys struct {
	Seal []byte `json:"seal"`
}

var keysKind = secretstore.Kind[keys]{Name: "login"}

// New returns a service that trusts no issuer until it is told of some.
func New(ctx context.Context, opts Options) (*Service, error) {
	opts.PublicURL = strings.TrimSuffix(opts.PublicURL, "/")
	err := keysKind.Create(ctx, opts.Store, "keys", keys{Seal: sealed.NewKey()})
	if err != nil && !errors.Is(err, secretstore.ErrConflict) {
		return nil, fmt.Errorf("making the key of logins: %w", err)
	}
	record, err := keysKind.Get(ctx, opts.Store, "keys")
	if err != nil {
		return nil, fmt.Errorf("reading the key of logins: %w", err)
	}
	s := &Service{opts: opts, seal: record.Value.Seal}
	s.current.Store(&trusted{end: func() {}})
	s.request = bearertoken.New(authenticator.TokenFunc(s.authenticateToken))
	return s, nil
}

// CacheOptions restricts a cache to what Follow and a Store read.
func CacheOptions() cache.Options {
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{v1alpha1.SystemNamespace: {FieldSelector: nameIs(identity.ConfigMapName)}}},
		&corev1.Secret{}:    {Namespaces: map[string]cache.Config{secretstore.Namespace: {}}},
	}}
}

// Follow trusts the issuers of the ConfigMap that a cache knows, and those that it has after each change. Where it cannot be
// used, those before stay.
func (s *Service) Follow(ctx context.Context, from cache.Cache) error {
	informer, err := from.GetInformer(ctx, &corev1.ConfigMap{})
	if err != nil {
		return fmt.Errorf("watching the issuers: %w", err)
	}
	read := func(obj any) {
		config, ok := obj.(*corev1.ConfigMap)
		if !ok || config.Name != identity.ConfigMapName {
			return
		}
		issuers, err := identity.Parse(config.Data)
		if err == nil {
			err = s.Trust(ctx, issuers)
		}
		if err != nil {
			s.opts.Log.Error(err, "the issuers cannot be used: those before stay")
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: read, UpdateFunc: func(_, obj any) { read(obj) }})
	return err
}

// Run deletes expired sessions until ctx ends.
func (s *Service) Run(ctx context.Context) {
	secretstore.Run(ctx, s.opts.Store, sweepPeriod, func(err error) { s.opts.Log.Error(err, "expired records stay for now") })
}

// AuthenticateRequest says who a request is from: by a token of an issuer, a session's cookie, or as the option Machines does.
func (s *Service) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if r.Header.Get("Authorization") == "" {
		response, ok, err := s.authenticateSession(r)
		if ok && err == nil {
			s.ensureUser(r.Context(), response.User)
		}
		return response, ok, err
	}
	response, ok, err := s.request.AuthenticateRequest(r)
	if ok && err == nil {
		s.ensureUser(r.Context(), response.User)
		return response, true, nil
	}
	if s.opts.Machines == nil {
		return nil, false, err
	}
	response, ok, machineErr := s.opts.Machines.AuthenticateRequest(r)
	if ok && machineErr == nil {
		return response, true, nil
	}
	return nil, false, errors.Join(err, machineErr)
}
