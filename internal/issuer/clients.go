// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients. Each surface has one of its own, so that logging out of one leaves the others alone.
const (
	ClientCLI       = "canopy-cli"
	ClientKubectl   = "canopy-kubectl"
	ClientDashboard = "canopy-dashboard"
)

// Scopes are what commands and browsers ask for.
func Scopes() []string {
	return []string{oidc.ScopeOpenID, oidc.ScopeEmail, scopeGroups, oidc.ScopeOfflineAccess}
}

const scopeGroups = "groups"

// claimGroups is the claim that has the user's groups.
const claimGroups = "groups"

// client is a program that people log in to. Commands are public: anybody has their code, so they have no secret, and prove
// by PKCE that they are the one that began.
type client struct {
	id, name  string
	redirects []string
	public    bool
	loginURL  func(id string) string
}

func clients(publicURL string, loginURL func(string) string) map[string]*client {
	loopback := []string{
		"http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback",
		"http://127.0.0.1", "http://[::1]", "http://localhost", "http://127.0.0.1/", "http://[::1]/", "http://localhost/",
	}
	all := map[string]*client{}
	for _, c := range []*client{
		{id: ClientCLI, name: "the command canopy", redirects: loopback, public: true},
		{id: ClientKubectl, name: "kubectl", redirects: loopback, public: true},
		{id: ClientDashboard, name: "the dashboard", redirects: []string{publicURL + "/auth/callback"}},
	} {
		c.loginURL = loginURL
		all[c.id] = c
	}
	return all
}

// GetID and the methods below say what the provider has to know of a client.
func (c *client) GetID() string                  { return c.id }
func (c *client) RedirectURIs() []string         { return c.redirects }
func (c *client) LoginURL(id string) string      { return c.loginURL(id) }
func (c *client) IDTokenLifetime() time.Duration { return accessLifetime }
func (c *client) ClockSkew() time.Duration       { return 0 }
func (c *client) DevMode() bool                  { return false }

// IDTokenUserinfoClaimsAssertion puts e-mail address and groups into ID tokens, where kube-apiserver looks for them.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c *client) PostLogoutRedirectURIs() []string {
	var origins []string
	for _, redirect := range c.redirects {
		if u, err := url.Parse(redirect); err == nil && !c.public {
			origins = append(origins, u.Scheme+"://"+u.Host+"/")
		}
	}
	return origins
}

func (c *client) ApplicationType() op.ApplicationType {
	if c.public {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.public {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *client) GrantTypes() []oidc.GrantType {
	types := []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	if c.public {
		types = append(types, oidc.GrantTypeDeviceCode)
	}
	return types
}

func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

func (c *client) IsScopeAllowed(scope string) bool { return slices.Contains(Scopes(), scope) }

func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

// GetClientByClientID returns a client.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, fmt.Errorf("there is no client %q", id)
	}
	return c, nil
}

// AuthorizeClientIDSecret checks the secret of the confidential client.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.clients[id]
	if !ok || c.public || subtle.ConstantTimeCompare([]byte(secret), []byte(s.clientSecret)) != 1 {
		return fmt.Errorf("the client %q has another secret or none", id)
	}
	return nil
}
