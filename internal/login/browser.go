// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	oidcclient "github.com/zitadel/oidc/v3/pkg/client"
	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/audit"
	"canopy.dev/canopy/internal/sealed"
	"canopy.dev/canopy/internal/secretstore"
)

const (
	// loginCookie keeps what a login was begun with until the browser is back.
	loginCookie = "__Host-canopy-login"
	// loginLifetime is how long somebody may take to log in.
	loginLifetime = 15 * time.Minute
	// clientSecretKey is the key of a client's secret at an issuer, in the Secret browser-client-<issuer>.
	clientSecretKey = "clientSecret"
	// codeUnavailable is for what is not the fault of whoever asks.
	codeUnavailable = "ERR_ISSUER_UNAVAILABLE"
)

// begun is a login that was begun. It is sealed in a cookie, so that nobody who is not logged in makes the API remember
// anything.
type begun struct {
	Issuer   string    `json:"issuer"`
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Back     string    `json:"back"`
	Until    time.Time `json:"until"`
}

// Handler serves what is below /auth/: login, callback, logout and session.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/login", s.begin)
	mux.HandleFunc("GET /auth/callback", s.callback)
	mux.HandleFunc("POST /auth/logout", s.logout)
	mux.HandleFunc("GET /auth/session", s.showSession)
	return mux
}

// oauth returns how the browsers' client talks to an issuer.
func (s *Service) oauth(ctx context.Context, issuer trustedIssuer) (*oauth2.Config, error) {
	found, err := oidcclient.Discover(ctx, issuer.URL, issuer.client)
	if err != nil {
		return nil, fmt.Errorf("asking the issuer %s how it works: %w", issuer.Name, err)
	}
	secret, err := s.clientSecret(ctx, issuer)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: issuer.BrowserClientID, ClientSecret: secret, RedirectURL: s.opts.PublicURL + "/auth/callback", Scopes: issuer.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: found.AuthorizationEndpoint, TokenURL: found.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader},
	}, nil
}

func (s *Service) clientSecret(ctx context.Context, issuer trustedIssuer) (string, error) {
	if issuer.Embedded {
		return s.opts.OwnClientSecret, nil
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: secretstore.Namespace, Name: "browser-client-" + issuer.Name}
	if err := s.opts.Store.Live.Get(ctx, key, secret); err != nil {
		return "", fmt.Errorf("reading the secret of the browsers' client at %s: %w", issuer.Name, err)
	}
	return string(secret.Data[clientSecretKey]), nil
}

// begin sends a browser to an issuer.
func (s *Service) begin(w http.ResponseWriter, r *http.Request) {
	issuer, ok := s.current.Load().named(r.URL.Query().Get("issuer"))
	if !ok {
		problem(w, http.StatusNotFound, "ERR_ISSUER_UNKNOWN", "there is no such issuer that browsers can log in with", "GET /api/v1/login lists them")
		return
	}
	config, err := s.oauth(r.Context(), issuer)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	b := begun{
		Issuer: issuer.Name, State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(),
		Back: localPath(r.URL.Query().Get("back")), Until: s.opts.Store.Now().Add(loginLifetime).UTC(),
	}
	content, err := sealed.Seal(s.seal, b)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	setCookie(w, loginCookie, content, loginLifetime)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, config.AuthCodeURL(b.State, oauth2.S256ChallengeOption(b.Verifier), oauth2.SetAuthURLParam("nonce", b.Nonce)), http.StatusFound)
}

// localPath returns a path of our own origin: nobody is sent elsewhere from here.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

func setCookie(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(lifetime / time.Second),
	})
}

func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}

// unavailable answers when it is nobody's fault who asks.
func (s *Service) unavailable(w http.ResponseWriter, err error) {
	s.opts.Log.Error(err, "a login does not go on")
	problem(w, http.StatusBadGateway, codeUnavailable, "the issuer does not answer as it should", "try again in a minute; if that does not help, ask an admin")
}

// callback takes a browser back that was at an issuer.
func (s *Service) callback(w http.ResponseWriter, r *http.Request) {
	var b begun
	cookie, err := r.Cookie(loginCookie)
	if err != nil || sealed.Open(s.seal, cookie.Value, &b) != nil || s.opts.Store.Now().After(b.Until) ||
		subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(b.State)) != 1 {
		problem(w, http.StatusBadRequest, "ERR_LOGIN_EXPIRED", "this login has expired or was begun in another browser", "log in again at /auth/login")
		return
	}
	dropCookie(w, loginCookie) // it is good for one try
	issuer, ok := s.current.Load().named(b.Issuer)
	if !ok || r.URL.Query().Get("error") != "" {
		problem(w, http.StatusForbidden, "ERR_LOGIN_REFUSED", "the issuer has not logged you in", "log in again at /auth/login")
		return
	}
	config, err := s.oauth(r.Context(), issuer)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	token, err := config.Exchange(context.WithValue(r.Context(), oauth2.HTTPClient, issuer.client), r.URL.Query().Get("code"), oauth2.VerifierOption(b.Verifier))
	if err != nil {
		problem(w, http.StatusForbidden, "ERR_LOGIN_REFUSED", "the issuer has not taken the code", "log in again at /auth/login")
		return
	}
	v, err := s.verified(r.Context(), issuer, token, b.Nonce)
	if err != nil {
		s.opts.Log.Error(err, "a token of an issuer was refused", "issuer", issuer.Name)
		problem(w, http.StatusForbidden, "ERR_LOGIN_REFUSED", "the token of the issuer is not valid here", "ask an admin what the issuer says about you")
		return
	}
	key := random()
	v.CSRF = random()
	err = s.recorded(r.Context(), audit.VerbLogin, sessions.ID(key), v, http.StatusFound, func(ctx context.Context) error {
		return sessions.Create(ctx, s.opts.Store, key, v, secretstore.Expires(s.opts.Store.Now().Add(idleTimeout)), secretstore.Index(v.User))
	})
	if err != nil {
		s.unavailable(w, err)
		return
	}
	setCookie(w, sessionCookie, key, longestSession)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, b.Back, http.StatusFound)
}

// verified returns the session that tokens of an issuer are good for.
func (s *Service) verified(ctx context.Context, issuer trustedIssuer, token *oauth2.Token, nonce string) (session, error) {
	idToken, _ := token.Extra("id_token").(string)
	response, ok, err := issuer.authenticate(ctx, idToken)
	if err != nil || !ok {
		return session{}, errors.Join(errors.New("there is no valid ID token"), err)
	}
	c, err := claimsOf(idToken)
	if err != nil {
		return session{}, err
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1 {
		return session{}, errors.New("the ID token is of another login")
	}
	if !slices.Contains(c.Audience, issuer.BrowserClientID) {
		return session{}, errors.New("the ID token is for another client")
	}
	return session{
		Issuer: issuer.Name, User: response.User.GetName(), Groups: response.User.GetGroups(), Refresh: token.RefreshToken,
		Until: time.Unix(c.Expires, 0).UTC(), LastUsed: s.opts.Store.Now().UTC(),
	}, nil
}

// logout ends a session everywhere, and the login at the issuer that it came from.
func (s *Service) logout(w http.ResponseWriter, r *http.Request) {
	record, err := s.session(r)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	if record != nil {
		if !csrfValid(r, record.Value) {
			problem(w, http.StatusForbidden, "ERR_CSRF", errCSRF.Error(), "GET /auth/session tells the token")
			return
		}
		err := s.recorded(r.Context(), audit.VerbLogout, record.ID(), record.Value, http.StatusNoContent, func(ctx context.Context) error {
			return sessions.Remove(ctx, s.opts.Store, record)
		})
		if err != nil {
			s.unavailable(w, err)
			return
		}
		s.revoke(r.Context(), record.Value)
	}
	dropCookie(w, sessionCookie)
	w.WriteHeader(http.StatusNoContent)
}

// revoke tells the issuer that a refresh token is not used any more. The session has ended whether it listens or not.
func (s *Service) revoke(ctx context.Context, v session) {
	issuer, ok := s.current.Load().named(v.Issuer)
	if !ok || v.Refresh == "" {
		return
	}
	if err := s.revokeAt(ctx, issuer, v.Refresh); err != nil {
		s.opts.Log.Error(err, "a refresh token is not revoked at its issuer", "issuer", issuer.Name)
	}
}

func (s *Service) revokeAt(ctx context.Context, issuer trustedIssuer, refresh string) error {
	found, err := oidcclient.Discover(ctx, issuer.URL, issuer.client)
	if err != nil || found.RevocationEndpoint == "" {
		return err
	}
	secret, err := s.clientSecret(ctx, issuer)
	if err != nil {
		return err
	}
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, found.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(issuer.BrowserClientID), url.QueryEscape(secret))
	response, err := issuer.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

// showSession tells a page of ours who is logged in, and the token that it has to send with what it changes.
func (s *Service) showSession(w http.ResponseWriter, r *http.Request) {
	record, err := s.session(r)
	if err == nil && record != nil {
		record, err = s.keepAlive(r.Context(), record)
	}
	if err != nil {
		s.unavailable(w, err)
		return
	}
	if record == nil {
		problem(w, http.StatusUnauthorized, "ERR_UNAUTHENTICATED", "nobody is logged in", "log in at /auth/login")
		return
	}
	v := record.Value
	writeJSON(w, Session{User: v.User, Groups: append([]string{}, v.Groups...), Issuer: v.Issuer, CSRFToken: v.CSRF, Expires: record.Expires.UTC()})
}
