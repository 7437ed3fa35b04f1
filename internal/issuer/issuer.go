// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package issuer is an OpenID Connect issuer with local users, for platforms that have no other: the authorization code flow
// with PKCE, refresh tokens, and the device flow. It runs in the API, in any number of replicas, below the path /issuer. It
// keeps users, keys and logins as Secrets of the namespace canopy-login, and in memory nothing that matters. The protocol
// is github.com/zitadel/oidc's.
package issuer

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/internal/secretstore"
)

// Path is where the issuer is below the API's address.
const Path = "/issuer"

//go:embed pages
var files embed.FS

// Issuer serves what is below Path.
type Issuer struct {
	http.Handler

	// URL is how tokens name the issuer.
	URL string
	// ClientSecret is that of ClientDashboard.
	ClientSecret string
}

// New returns the issuer of the API at publicURL, for example "https://canopy.example.com", which has no path. It makes its
// keys if there are none.
func New(ctx context.Context, publicURL string, store *secretstore.Store) (*Issuer, error) {
	base, err := url.Parse(publicURL)
	if err != nil || base.Scheme != "https" || base.Host == "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("the API's address %q: want https, a host, and no path", publicURL)
	}
	publicURL = strings.TrimSuffix(publicURL, "/")
	own, err := loadSecrets(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("making the issuer's keys: %w", err)
	}
	nobody() // or else the first whom there is not would take longer
	s := &storage{store: store, seal: own.Seal, clientSecret: own.Client, checking: make(chan struct{}, atOnce)}
	s.clients = clients(publicURL, func(id string) string { return Path + "/login?id=" + url.QueryEscape(id) })
	config := &op.Config{
		CryptoKey: [32]byte(own.Seal), CryptoKeyId: "issuer", CodeMethodS256: true, GrantTypeRefreshToken: true,
		SupportedScopes: Scopes(),
		SupportedClaims: []string{"sub", "aud", "exp", "iat", "iss", "auth_time", "nonce", "email", "email_verified", claimGroups},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: deviceLifetime, PollInterval: 2 * time.Second, UserFormPath: Path + "/device", UserCode: op.UserCodeBase20,
		},
	}
	provider, err := op.NewProvider(config, s, op.StaticIssuer(publicURL+Path), op.WithCORSOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("setting up the issuer: %w", err)
	}
	pages, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, err
	}
	p := &pageHandler{storage: s, callback: publicURL + Path + provider.AuthorizationEndpoint().Relative() + "/callback"}
	mux := http.NewServeMux()
	mux.Handle("GET "+Path+"/style.css", http.StripPrefix(Path, http.FileServerFS(pages)))
	mux.HandleFunc("GET "+Path+"/login", p.showLogin)
	mux.HandleFunc("POST "+Path+"/login", p.logIn)
	mux.HandleFunc("GET "+Path+"/device", p.showDevice)
	mux.HandleFunc("POST "+Path+"/device", p.logInDevice)
	mux.Handle(Path+"/", http.StripPrefix(Path, noStore(provider)))
	return &Issuer{Handler: mux, URL: publicURL + Path, ClientSecret: own.Client}, nil
}

// noStore keeps answers with tokens and codes out of caches.
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/") && r.URL.Path != "/keys" {
			w.Header().Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}
