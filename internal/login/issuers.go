// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"

	"canopy.dev/canopy/internal/identity"
)

// ExtraIssuer is the key of user.Info's extra that says which issuer somebody was known by.
const ExtraIssuer = "canopy.dev/issuer"

// ExtraSession is the key of what identifies a browser's session without letting anybody in, and ExtraToken that of the ID of a
// token of a project's service account.
const (
	ExtraSession = "canopy.dev/session"
	ExtraToken   = "canopy.dev/token"
)

// trusted are the issuers whose tokens are taken now.
type trusted struct {
	issuers []trustedIssuer
	end     context.CancelFunc
}

// trustedIssuer is one of them, and how it is asked.
type trustedIssuer struct {
	identity.Issuer

	token  oidc.AuthenticatorTokenWithHealthCheck
	client *http.Client
}

func nameIs(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }

// Trust takes the tokens of issuers, and of no others, from now on until ctx ends.
func (s *Service) Trust(ctx context.Context, issuers []identity.Issuer) error {
	ctx, cancel := context.WithCancel(ctx)
	next := &trusted{end: cancel}
	compiler := authenticationcel.NewDefaultCompiler()
	for _, issuer := range issuers {
		t, err := s.trustedIssuer(ctx, issuer, compiler)
		if err != nil {
			cancel()
			return fmt.Errorf("issuer %s: %w", issuer.Name, err)
		}
		next.issuers = append(next.issuers, t)
	}
	s.current.Swap(next).end()
	return nil
}

func (s *Service) trustedIssuer(ctx context.Context, issuer identity.Issuer, compiler authenticationcel.Compiler) (trustedIssuer, error) {
	t := trustedIssuer{Issuer: issuer}
	var err error
	if t.client, err = s.httpClient(issuer); err != nil {
		return t, err
	}
	internal, err := identity.Internal(identity.Authenticators(identity.Hosted([]identity.Issuer{issuer}))[0])
	if err != nil {
		return t, err
	}
	t.token, err = oidc.New(ctx, oidc.Options{
		JWTAuthenticator: internal, Client: t.client, Compiler: compiler, SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	})
	return t, err
}

// httpClient reaches an issuer, with the authority that it is known by. The API's own is asked in the process.
func (s *Service) httpClient(issuer identity.Issuer) (*http.Client, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if issuer.CertificateAuthority != "" {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(issuer.CertificateAuthority)) {
			return nil, errors.New("certificateAuthority has no PEM-encoded certificate")
		}
	}
	c := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	if s.opts.Own != nil && issuer.URL == s.opts.OwnURL {
		c.Transport = inProcess{s.opts.Own}
	}
	return c, nil
}

// named returns the issuer with a name, or the first that browsers can log in with.
func (t *trusted) named(name string) (trustedIssuer, bool) {
	for _, issuer := range t.issuers {
		if issuer.BrowserClientID != "" && (name == "" || issuer.Name == name) {
			return issuer, true
		}
	}
	return trustedIssuer{}, false
}

// authenticateToken says who a token of one of the issuers is for. A token says which issuer it is of, so no other is asked.
func (s *Service) authenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	claims, err := claimsOf(token)
	if err != nil {
		return nil, false, nil //nolint:nilerr // it is no JWT, but may be something else
	}
	for _, issuer := range s.current.Load().issuers {
		if issuer.URL == claims.Issuer {
			return issuer.authenticate(ctx, token)
		}
	}
	return nil, false, nil
}

// authenticate says who a token of the issuer is for. What the CEL rules of the issuer's authenticator refuse is refused
// here once more: nobody may become somebody of Kubernetes by a mistake in a document.
func (t trustedIssuer) authenticate(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	response, ok, err := t.token.AuthenticateToken(ctx, token)
	if err != nil || !ok {
		return nil, false, err
	}
	u := response.User
	if u.GetName() == "" || identity.IsReserved(u.GetName()) || slices.ContainsFunc(u.GetGroups(), identity.IsReserved) {
		return nil, false, fmt.Errorf("the issuer %s names a user or a group that is reserved", t.Name)
	}
	extra := map[string][]string{ExtraIssuer: {t.Name}}
	if id := u.GetExtra()[user.CredentialIDKey]; len(id) > 0 {
		extra[user.CredentialIDKey] = id
	}
	response.User = &user.DefaultInfo{Name: u.GetName(), Groups: u.GetGroups(), Extra: extra}
	return response, true, nil
}

// claims are what is looked at of a token beside who it is for. Nothing is believed of them before the token is verified.
type claims struct {
	Issuer   string   `json:"iss"`
	Nonce    string   `json:"nonce"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
}

// audience is a name or a list of names.
type audience []string

// UnmarshalJSON reads either.
func (a *audience) UnmarshalJSON(content []byte) error {
	var one string
	if json.Unmarshal(content, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(content, (*[]string)(a))
}

// maxToken bounds the tokens that are looked at.
const maxToken = 64 << 10

func claimsOf(token string) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return c, errors.New("it is no signed token")
	}
	payload, err := decodePart(parts[1])
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(payload, &c)
}

// Describe answers GET /api/v1/login, to anybody: with whom commands and browsers can log in.
func (s *Service) Describe(w http.ResponseWriter, _ *http.Request) {
	answer := Logins{Issuers: []LoginIssuer{}}
	for _, issuer := range s.current.Load().issuers {
		answer.Issuers = append(answer.Issuers, LoginIssuer{
			Name: issuer.Name, Issuer: issuer.URL, ClientID: issuer.ClientID, Scopes: issuer.Scopes, DeviceCode: issuer.DeviceCode,
			Browser: issuer.BrowserClientID != "", CertificateAuthority: issuer.CertificateAuthority,
		})
	}
	writeJSON(w, answer)
}
