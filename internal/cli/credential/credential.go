// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package credential is how the canopy command proves who its user is: it logs in at an OpenID Connect issuer, keeps what it is
// given in a file that nobody else may read, and renews it. It runs on people's machines, calls the issuer, and reads and
// writes files below the configuration's folder.
package credential

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"canopy.dev/canopy/internal/cli/config"
)

// expiryMargin is how long before its end a token is not used any more: the request still has to get there, and clocks differ.
const expiryMargin = time.Minute

// ErrLoggedOut says that there is nothing to log in with, or that it has run out and cannot be renewed.
var ErrLoggedOut = errors.New("you are not logged in")

// Issuer is one way to log in, as the installation describes it.
type Issuer struct {
	Name       string   `json:"name"`
	Issuer     string   `json:"issuer"` // its URL
	ClientID   string   `json:"clientID"`
	Scopes     []string `json:"scopes"`
	DeviceCode bool     `json:"deviceCode"` // whether a login can be confirmed on another device
	// CertificateAuthority is the authority of the issuer's certificate, in PEM; none: one that the machine or the platform knows.
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
}

// Credential is what a login left.
type Credential struct {
	// Issuer is where the tokens are from; its zero value stands for a token that was given by hand.
	Issuer Issuer `json:"issuer,omitzero"`
	// Token is what requests are sent with: an ID token, or a bearer token that was given by hand.
	Token string `json:"token"`
	// RefreshToken renews Token.
	RefreshToken string `json:"refreshToken,omitempty"`
	// Expiry is when Token runs out; zero: it does not say.
	Expiry time.Time `json:"expiry,omitzero"`
}

func (c *Credential) usable(now time.Time) bool {
	return c.Token != "" && (c.Expiry.IsZero() || now.Add(expiryMargin).Before(c.Expiry))
}

// Store has the credential of one context. It may be used by several commands at once.
type Store struct {
	// Context is the name of the context.
	Context string
	// HTTP returns what calls an issuer.
	HTTP func(Issuer) (*http.Client, error)

	now func() time.Time // for tests; nil: time.Now
}

func (s *Store) clock() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

func (s *Store) path() (string, error) {
	dir, err := config.Dir()
	if err != nil {
		return "", err
	}
	if s.Context == "" || s.Context != filepath.Base(s.Context) || s.Context[0] == '.' {
		return "", fmt.Errorf("%q cannot be the name of a context", s.Context)
	}
	return filepath.Join(dir, "credentials", s.Context+".json"), nil
}

// Load returns the credential as it is, and ErrLoggedOut if there is none.
func (s *Store) Load() (*Credential, error) {
	path, err := s.path()
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrLoggedOut
	}
	if err != nil {
		return nil, err
	}
	c := &Credential{}
	if err := json.Unmarshal(content, c); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged", ErrLoggedOut, path) // what is in it must not be in the error
	}
	return c, nil
}

// Save keeps a credential.
func (s *Store) Save(ctx context.Context, c *Credential) error {
	path, err := s.path()
	if err != nil {
		return err
	}
	return config.Locked(ctx, path, func() error { return save(path, c) })
}

func save(path string, c *Credential) error {
	content, err := json.MarshalIndent(c, "", "  ") //nolint:gosec // it is for a file that is there to keep it
	if err != nil {
		return err
	}
	return config.WriteFile(path, append(content, '\n'))
}

// Delete forgets the credential. That there is none is no error.
func (s *Store) Delete(ctx context.Context) error {
	path, err := s.path()
	if err != nil {
		return err
	}
	return config.Locked(ctx, path, func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// Rename gives the credential to the context of another name.
func (s *Store) Rename(ctx context.Context, name string) error {
	c, err := s.Load()
	if errors.Is(err, ErrLoggedOut) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := (&Store{Context: name}).Save(ctx, c); err != nil {
		return err
	}
	return s.Delete(ctx)
}

// Token returns a credential whose token is good for a minute at least. One that has run out is renewed, by one command only: an issuer takes a
// refresh token for stolen that is used twice.
func (s *Store) Token(ctx context.Context) (*Credential, error) {
	c, err := s.Load()
	if err != nil || c.usable(s.clock()) {
		return c, err
	}
	path, err := s.path()
	if err != nil {
		return nil, err
	}
	err = config.Locked(ctx, path, func() error {
		if c, err = s.Load(); err != nil || c.usable(s.clock()) { // another command was faster
			return err
		}
		if err := s.refresh(ctx, c); err != nil {
			return err
		}
		return save(path, c)
	})
	return c, err
}

func (s *Store) refresh(ctx context.Context, c *Credential) error {
	if c.RefreshToken == "" {
		return fmt.Errorf("%w any more: the token ran out at %s", ErrLoggedOut, c.Expiry.Local().Format(time.DateTime))
	}
	provider, err := discover(ctx, s.HTTP, c.Issuer)
	if err != nil {
		return err
	}
	ctx = oidc.ClientContext(ctx, provider.client)
	got, err := provider.config(c.Issuer, "").TokenSource(ctx, &oauth2.Token{RefreshToken: c.RefreshToken}).Token()
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return fmt.Errorf("%w any more: the issuer %s has ended the session", ErrLoggedOut, c.Issuer.Issuer)
	}
	if err != nil {
		return fmt.Errorf("renewing the login at %s: %w", c.Issuer.Issuer, hideBody(err))
	}
	renewed, err := provider.credential(ctx, c.Issuer, got, "")
	if err != nil {
		return err
	}
	if renewed.RefreshToken == "" {
		renewed.RefreshToken = c.RefreshToken
	}
	*c = *renewed
	return nil
}

// hideBody keeps an issuer's answer, which may have anything in it, out of an error.
func hideBody(err error) error {
	refused := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &refused) {
		return err
	}
	what := refused.ErrorCode
	if refused.ErrorDescription != "" {
		what += ": " + refused.ErrorDescription
	}
	if what == "" && refused.Response != nil {
		what = "it answered " + refused.Response.Status
	}
	return errors.New(what)
}

// provider is an issuer whose endpoints are known.
type provider struct {
	*oidc.Provider

	client *http.Client
}

func discover(ctx context.Context, clientFor func(Issuer) (*http.Client, error), issuer Issuer) (*provider, error) {
	client, err := clientFor(issuer)
	if err != nil {
		return nil, err
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking the issuer %s how to log in: %w", issuer.Issuer, err)
	}
	return &provider{Provider: found, client: client}, nil
}

func (p *provider) config(issuer Issuer, redirect string) *oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a client without a secret; trying the other way first could use a refresh token up
	return &oauth2.Config{ClientID: issuer.ClientID, Endpoint: endpoint, RedirectURL: redirect, Scopes: issuer.Scopes}
}

// credential takes the ID token out of what the issuer gave, and checks it. nonce is empty for a token that no browser asked for.
func (p *provider) credential(ctx context.Context, issuer Issuer, token *oauth2.Token, nonce string) (*Credential, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, fmt.Errorf("the issuer %s gave no ID token: its client %q needs the scope openid", issuer.Issuer, issuer.ClientID)
	}
	id, err := p.Verifier(&oidc.Config{ClientID: issuer.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("the issuer %s gave an ID token that is not good: %w", issuer.Issuer, err)
	}
	if nonce != "" && id.Nonce != nonce {
		return nil, fmt.Errorf("the issuer %s gave an ID token for another login", issuer.Issuer)
	}
	return &Credential{Issuer: issuer, Token: raw, RefreshToken: token.RefreshToken, Expiry: id.Expiry}, nil
}

// Revoke tells the issuer that the login has ended, where the issuer can be told.
func (s *Store) Revoke(ctx context.Context, c *Credential) error {
	if c.RefreshToken == "" {
		return nil
	}
	provider, err := discover(ctx, s.HTTP, c.Issuer)
	if err != nil {
		return err
	}
	var endpoints struct {
		Revocation string `json:"revocation_endpoint"`
	}
	if err := provider.Claims(&endpoints); err != nil || endpoints.Revocation == "" {
		return err
	}
	return revoke(ctx, provider.client, endpoints.Revocation, c)
}

// ExpiryOf returns when a token runs out, as it says itself, and zero for one that does not say. The token is not checked: that is for
// those who are shown it.
func ExpiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	if err := json.Unmarshal(content, &claims); err != nil || claims.Expiry == 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expiry, 0)
}
