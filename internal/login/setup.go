// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/issuer"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/secretstore"
)

// SetupOptions are how logins are set up in the API.
type SetupOptions struct {
	// Config reaches the master's Kubernetes API.
	Config *rest.Config
	// Scheme has the kinds of Kubernetes and of the master.
	Scheme *runtime.Scheme
	// PublicURL is the API's address, for example "https://canopy.example.com".
	PublicURL string
	// Issuer: the API is an issuer itself.
	Issuer bool
	// Authority is the PEM-encoded certificate of the authority of the API's certificate, if it is no public one. User clusters are
	// told, so that they can ask the API's issuer for its keys.
	Authority string
	// Machines knows who does not come from an issuer.
	Machines authenticator.Request
	Log      logr.Logger
}

// Setup returns a service that follows the installation's issuers, and what it serves, by the patterns of net/http. It has
// read once what is stored, and goes on following it until ctx ends.
func Setup(ctx context.Context, opts SetupOptions) (*Service, map[string]http.Handler, error) {
	store, cached, err := newStore(ctx, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("setting up the store of logins: %w", err)
	}
	live, ok := store.Live.(client.Client)
	if !ok {
		return nil, nil, errors.New("the store of logins cannot write")
	}
	options := Options{PublicURL: opts.PublicURL, Store: store, Users: live, Machines: Uses(opts.Machines, live, opts.Log), Log: opts.Log}
	handlers := map[string]http.Handler{}
	if opts.Issuer {
		own, err := issuer.New(ctx, opts.PublicURL, store)
		if err != nil {
			return nil, nil, err
		}
		options.Own, options.OwnURL, options.OwnClientSecret = own, own.URL, own.ClientSecret
		handlers[issuer.Path+"/"] = own
		if err := tellAuthority(ctx, live, opts.Authority); err != nil {
			return nil, nil, err
		}
	}
	service, err := New(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	if err := service.Follow(ctx, cached); err != nil {
		return nil, nil, err
	}
	handlers["/auth/"] = service.Handler()
	handlers["GET /api/v1/login"] = http.HandlerFunc(service.Describe)
	return service, handlers, nil
}

// newStore returns a store whose cache is filled.
func newStore(ctx context.Context, opts SetupOptions) (*secretstore.Store, cache.Cache, error) {
	cacheOptions := CacheOptions()
	cacheOptions.Scheme, cacheOptions.DefaultTransform = opts.Scheme, cache.TransformStripManagedFields()
	cached, err := cache.New(opts.Config, cacheOptions)
	if err != nil {
		return nil, nil, err
	}
	live, err := client.New(opts.Config, client.Options{Scheme: opts.Scheme})
	if err != nil {
		return nil, nil, err
	}
	reading, err := client.New(opts.Config, client.Options{Scheme: opts.Scheme, Mapper: live.RESTMapper(), Cache: &client.CacheOptions{Reader: cached}})
	if err != nil {
		return nil, nil, err
	}
	if _, err := cached.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false)); err != nil {
		return nil, nil, err
	}
	go func() {
		if err := cached.Start(ctx); err != nil {
			opts.Log.Error(err, "what is stored of logins is not followed any more")
		}
	}()
	if !cached.WaitForCacheSync(ctx) {
		return nil, nil, ctx.Err()
	}
	return &secretstore.Store{Client: reading, Live: live, Now: time.Now}, cached, nil
}

// tellAuthority writes beside the issuers by which authority the API's certificate is known. Without one it leaves what is there.
func tellAuthority(ctx context.Context, c client.Client, authority string) error {
	if authority == "" {
		return nil
	}
	config := &corev1.ConfigMap{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: identity.ConfigMapName}, config); err != nil {
		return fmt.Errorf("reading the issuers: %w", err)
	}
	return kube.Patch(ctx, c, config, func() {
		if config.Data == nil {
			config.Data = map[string]string{}
		}
		config.Data[identity.AuthorityKey] = authority
	})
}
