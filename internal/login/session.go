// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/audit"
	"canopy.dev/canopy/internal/secretstore"
)

const (
	// sessionCookie is bound to this very host and to TLS by its prefix.
	sessionCookie = "__Host-canopy-session"
	// CSRFHeader must have the session's token in every request by cookie that changes something.
	CSRFHeader = "X-CSRF-Token"

	// idleTimeout ends a session that is not used, longestSession every session.
	idleTimeout    = 8 * time.Hour
	longestSession = 24 * time.Hour
	// usedEvery is how exactly it is known when a session was last used.
	usedEvery = 5 * time.Minute
	// refreshTime is how long one replica may take to ask the issuer who the user is now, while others go by what they know.
	refreshTime = time.Minute
)

// session is a browser that is logged in.
type session struct {
	Issuer string   `json:"issuer"`
	User   string   `json:"user"`
	Groups []string `json:"groups,omitempty"`
	// CSRF is known to pages of our own only.
	CSRF string `json:"csrf"`
	// Refresh is the refresh token; empty: the issuer gave none, and the session ends with Until.
	Refresh string `json:"refresh,omitempty"`
	// Until is when the issuer is asked again who the user is.
	Until time.Time `json:"until"`
	// Asking is when a replica began to ask.
	Asking time.Time `json:"asking,omitzero"`
	// LastUsed is exact to usedEvery.
	LastUsed time.Time `json:"lastUsed"`
}

var sessions = secretstore.Kind[session]{Name: "session"}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

var errCSRF = errors.New("the request changes something and does not have the session's token in the header " + CSRFHeader)

// authenticateSession says who the holder of a session's cookie is.
func (s *Service) authenticateSession(r *http.Request) (*authenticator.Response, bool, error) {
	record, err := s.session(r)
	if err != nil || record == nil {
		return nil, false, err
	}
	if changes(r.Method) && !csrfValid(r, record.Value) {
		return nil, false, errCSRF
	}
	if record, err = s.keepAlive(r.Context(), record); err != nil || record == nil {
		return nil, false, err
	}
	v := record.Value
	extra := map[string][]string{ExtraIssuer: {v.Issuer}, ExtraSession: {record.ID()}}
	return &authenticator.Response{User: &user.DefaultInfo{Name: v.User, Groups: v.Groups, Extra: extra}}, true, nil
}

// recorded changes a session, and leaves a record of who has logged in or out.
func (s *Service) recorded(ctx context.Context, verb, id string, v session, status int32, change func(context.Context) error) error {
	record := &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
		User: v.User, Groups: v.Groups, Verb: verb, Resource: audit.ResourceSessions, Name: id, Token: id,
	}}
	return audit.Do(ctx, s.opts.Store.Client, record, func() (v1alpha1.AuditResult, error) {
		if err := change(ctx); err != nil {
			return v1alpha1.AuditResult{Status: http.StatusBadGateway, Code: codeUnavailable}, err
		}
		return v1alpha1.AuditResult{Status: status}, nil
	})
}

func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

func csrfValid(r *http.Request, v session) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(v.CSRF)) == 1 && http.NewCrossOriginProtection().Check(r) == nil
}

// session returns the session of a request's cookie; nil: it has none.
func (s *Service) session(r *http.Request) (*secretstore.Record[session], error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, nil //nolint:nilerr // there is no cookie
	}
	record, err := sessions.GetCached(r.Context(), s.opts.Store, cookie.Value)
	if errors.Is(err, secretstore.ErrNotFound) {
		return nil, nil
	}
	return record, err
}

// keepAlive remembers that a session was used, and asks the issuer who the user is now when that is due. It returns nil when
// the session has ended.
func (s *Service) keepAlive(ctx context.Context, record *secretstore.Record[session]) (*secretstore.Record[session], error) {
	now := s.opts.Store.Now()
	if now.Before(record.Value.Until) {
		if now.Sub(record.Value.LastUsed) < usedEvery {
			return record, nil
		}
		s.used(record, now)
		return record, ignoreConflict(sessions.Update(ctx, s.opts.Store, record))
	}
	if record.Value.Refresh == "" {
		return nil, sessions.Remove(ctx, s.opts.Store, record)
	}
	if now.Sub(record.Value.Asking) < refreshTime {
		return record, nil // another request asks just now
	}
	record.Value.Asking = now.UTC()
	if err := sessions.Update(ctx, s.opts.Store, record); errors.Is(err, secretstore.ErrConflict) {
		return record, nil
	} else if err != nil {
		return nil, err
	}
	return s.refresh(context.WithoutCancel(ctx), record)
}

func ignoreConflict(err error) error {
	if errors.Is(err, secretstore.ErrConflict) {
		return nil
	}
	return err
}

func (s *Service) used(record *secretstore.Record[session], now time.Time) {
	record.Value.LastUsed = now.UTC()
	record.Expires = now.Add(idleTimeout)
	if last := record.Created.Add(longestSession); last.Before(record.Expires) {
		record.Expires = last
	}
}

// refresh asks the issuer who the user is now. When it does not know the user any more, the session has ended. The request
// that asks may be gone by then: a refresh token that is used up must not be lost with it.
func (s *Service) refresh(ctx context.Context, record *secretstore.Record[session]) (*secretstore.Record[session], error) {
	issuer, ok := s.current.Load().named(record.Value.Issuer)
	if !ok {
		return nil, sessions.Remove(ctx, s.opts.Store, record)
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTime/2)
	defer cancel()
	config, err := s.oauth(ctx, issuer)
	if err != nil {
		return nil, err
	}
	token, err := config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, issuer.client), &oauth2.Token{RefreshToken: record.Value.Refresh}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError {
		return nil, sessions.Remove(ctx, s.opts.Store, record)
	}
	if err != nil {
		return nil, err
	}
	next, err := s.verified(ctx, issuer, token, "")
	if err != nil || next.User != record.Value.User {
		return nil, errors.Join(err, sessions.Remove(ctx, s.opts.Store, record))
	}
	next.CSRF = record.Value.CSRF
	if next.Refresh == "" {
		next.Refresh = record.Value.Refresh
	}
	record.Value = next
	s.used(record, s.opts.Store.Now())
	return record, sessions.Update(ctx, s.opts.Store, record)
}
