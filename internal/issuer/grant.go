// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/audit"
	"canopy.dev/canopy/internal/secretstore"
)

const (
	// accessLifetime is how long access tokens are valid, and ID tokens, by which people get into the API and user clusters.
	accessLifetime = 15 * time.Minute
	// idleLifetime is how long a login lasts that is not used, and longestLifetime one that is.
	idleLifetime    = 7 * 24 * time.Hour
	longestLifetime = 30 * 24 * time.Hour
)

// grant is a login that lasts: one client of one user, with the only refresh token that is valid for it. Each is good for
// one use.
type grant struct {
	User     string    `json:"user"`
	Client   string    `json:"client"`
	Scopes   []string  `json:"scopes"`
	AuthTime time.Time `json:"authTime"`
	Token    []byte    `json:"token"` // SHA-256 of the random part of the refresh token
}

var grants = secretstore.Kind[grant]{Name: "grant"}

// grantOfCode is the key of what a code is exchanged for.
func grantOfCode(code string) string {
	sum := sha256.Sum256([]byte("grant of " + code))
	return hex.EncodeToString(sum[:16])
}

// refreshRequest is the use of a refresh token.
type refreshRequest struct {
	grant
	key string
}

func (r *refreshRequest) GetAMR() []string            { return []string{"pwd"} }
func (r *refreshRequest) GetAudience() []string       { return []string{r.Client} }
func (r *refreshRequest) GetAuthTime() time.Time      { return r.AuthTime }
func (r *refreshRequest) GetClientID() string         { return r.Client }
func (r *refreshRequest) GetScopes() []string         { return r.Scopes }
func (r *refreshRequest) GetSubject() string          { return r.User }
func (r *refreshRequest) SetCurrentScopes(s []string) { r.Scopes = s }

// CreateAccessToken returns the id of an access token for a login that does not last.
func (s *storage) CreateAccessToken(_ context.Context, _ op.TokenRequest) (id string, expires time.Time, err error) {
	expires = s.store.Now().Add(accessLifetime)
	return tokenID("", expires), expires, nil
}

// tokenID holds what must be known of an access token: the grant that it depends on, and when it ends.
func tokenID(grant string, expires time.Time) string {
	return grant + "." + expires.UTC().Format("20060102T150405Z")
}

func parseTokenID(id string) (grant string, expires time.Time, err error) {
	grant, at, _ := strings.Cut(id, ".")
	expires, err = time.Parse("20060102T150405Z", at)
	return grant, expires, err
}

// CreateAccessAndRefreshTokens makes a login last, or uses a refresh token up for the next.
func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (id, refresh string, expires time.Time, err error) {
	expires = s.store.Now().Add(accessLifetime)
	secret := random(32)
	if used, ok := request.(*refreshRequest); ok {
		if err := s.rotate(ctx, current, secret); err != nil {
			return "", "", expires, err
		}
		return tokenID(used.key, expires), used.key + "." + secret, expires, nil
	}
	key := random(16)
	var authTime time.Time
	var client string
	switch r := request.(type) {
	case *authRequest:
		key, authTime, client = r.grant, r.AuthTime, r.Client
	case *op.DeviceAuthorizationState:
		authTime, client = r.AuthTime, r.ClientID
	default:
		return "", "", expires, errors.New("only a login or a refresh token is exchanged for tokens")
	}
	g := grant{User: request.GetSubject(), Client: client, Scopes: request.GetScopes(), AuthTime: authTime.UTC(), Token: digest(secret)}
	err = s.recorded(ctx, audit.VerbLogin, grants.ID(key), g, v1alpha1.AuditResult{Status: http.StatusOK}, func() error {
		return grants.Create(ctx, s.store, key, g, secretstore.Expires(s.store.Now().Add(idleLifetime)), secretstore.Index(g.User))
	})
	return tokenID(key, expires), key + "." + secret, expires, err
}

// recorded changes a grant, and leaves a record of who has logged in or out. The dashboard's logins are recorded as the sessions
// that they lead to.
func (s *storage) recorded(ctx context.Context, verb, id string, g grant, result v1alpha1.AuditResult, change func() error) error {
	if g.Client == ClientDashboard {
		return change()
	}
	record := &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{User: g.User, Verb: verb, Resource: audit.ResourceSessions, Name: id, Token: id}}
	return audit.Do(ctx, s.store.Client, record, func() (v1alpha1.AuditResult, error) {
		if err := change(); err != nil {
			return v1alpha1.AuditResult{Status: http.StatusInternalServerError, Code: string(oidc.ServerError)}, err
		}
		return result, nil
	})
}

// replayed ends a login of which somebody has used a token or a code twice. That it cannot be recorded keeps nobody in.
func (s *storage) replayed(ctx context.Context, login *secretstore.Record[grant]) error {
	err := grants.Remove(ctx, s.store, login)
	result := v1alpha1.AuditResult{Status: http.StatusBadRequest, Code: string(oidc.InvalidGrant), Detail: "it was used twice: the login has ended"}
	return errors.Join(err, s.recorded(ctx, audit.VerbLogout, login.ID(), login.Value, result, func() error { return nil }))
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// rotate puts a new secret in the place of the current. It fails if that is no longer the current one.
func (s *storage) rotate(ctx context.Context, current, next string) error {
	record, err := s.grantOf(ctx, current)
	if err != nil {
		return oidc.ErrInvalidGrant().WithParent(err)
	}
	record.Value.Token = digest(next)
	record.Expires = s.store.Now().Add(idleLifetime)
	if last := record.Created.Add(longestLifetime); last.Before(record.Expires) {
		record.Expires = last
	}
	err = grants.Update(ctx, s.store, record)
	if errors.Is(err, secretstore.ErrConflict) { // used twice at the same moment
		return errors.Join(oidc.ErrInvalidGrant(), s.replayed(ctx, record))
	}
	return err
}

// grantOf returns the grant of a valid refresh token. A token that was valid once has been used by two: the whole login is
// revoked, since nobody knows which of them is the right one.
func (s *storage) grantOf(ctx context.Context, refresh string) (*secretstore.Record[grant], error) {
	key, secret, ok := strings.Cut(refresh, ".")
	if !ok {
		return nil, op.ErrInvalidRefreshToken
	}
	record, err := grants.Get(ctx, s.store, key)
	if errors.Is(err, secretstore.ErrNotFound) {
		return nil, op.ErrInvalidRefreshToken
	}
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(digest(secret), record.Value.Token) != 1 {
		return nil, errors.Join(op.ErrInvalidRefreshToken, s.replayed(ctx, record))
	}
	return record, nil
}

// TokenRequestByRefreshToken returns what a refresh token is exchanged for.
func (s *storage) TokenRequestByRefreshToken(ctx context.Context, refresh string) (op.RefreshTokenRequest, error) {
	record, err := s.grantOf(ctx, refresh)
	if err != nil {
		return nil, err
	}
	if _, err := s.userSince(ctx, record.Value.User, record.Value.AuthTime); errors.Is(err, secretstore.ErrNotFound) {
		return nil, errors.Join(op.ErrInvalidRefreshToken, grants.Remove(ctx, s.store, record))
	} else if err != nil {
		return nil, err
	}
	key, _, _ := strings.Cut(refresh, ".")
	return &refreshRequest{grant: record.Value, key: key}, nil
}

// GetRefreshTokenInfo returns whose a refresh token is, and the key of its grant.
func (s *storage) GetRefreshTokenInfo(ctx context.Context, client, refresh string) (user, id string, err error) {
	record, err := s.grantOf(ctx, refresh)
	if err != nil {
		return "", "", err
	}
	if record.Value.Client != client {
		return "", "", op.ErrInvalidRefreshToken
	}
	key, _, _ := strings.Cut(refresh, ".")
	return record.Value.User, key, nil
}

// RevokeToken ends the login that a token belongs to.
func (s *storage) RevokeToken(ctx context.Context, id, _, client string) *oidc.Error {
	key, _, _ := strings.Cut(id, ".")
	record, err := grants.Get(ctx, s.store, key)
	if errors.Is(err, secretstore.ErrNotFound) {
		return nil // what is not there is revoked
	}
	if err != nil {
		return oidc.ErrServerError().WithParent(err)
	}
	if record.Value.Client != client {
		return oidc.ErrInvalidClient().WithDescription("the token is another client's")
	}
	if err := s.logOut(ctx, record); err != nil {
		return oidc.ErrServerError().WithParent(err)
	}
	return nil
}

// TerminateSession ends all logins of a user with a client.
func (s *storage) TerminateSession(ctx context.Context, user, client string) error {
	records, err := grants.Find(ctx, s.store, user)
	if err != nil {
		return err
	}
	for _, record := range records {
		if record.Value.Client != client {
			continue
		}
		if err := s.logOut(ctx, record); err != nil {
			return err
		}
	}
	return nil
}

func (s *storage) logOut(ctx context.Context, login *secretstore.Record[grant]) error {
	return s.recorded(ctx, audit.VerbLogout, login.ID(), login.Value, v1alpha1.AuditResult{Status: http.StatusOK}, func() error {
		return grants.Remove(ctx, s.store, login)
	})
}
