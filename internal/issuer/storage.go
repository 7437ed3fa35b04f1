// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/internal/secretstore"
)

// storage is what the provider asks.
type storage struct {
	store        *secretstore.Store
	clients      map[string]*client
	seal         []byte
	clientSecret string
	checking     chan struct{} // bounds how many passwords are checked at the same time
}

var (
	_ op.Storage                    = &storage{}
	_ op.DeviceAuthorizationStorage = &storage{}
	_ op.CanSetUserinfoFromRequest  = &storage{}
)

var errUnsupported = errors.New("it is not supported")

// SetUserinfoFromScopes does nothing; SetUserinfoFromRequest does.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest says in an ID token who the user is now: a group that the user has left since the login is not there.
func (s *storage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, _ []string) error {
	user, err := s.userSince(ctx, request.GetSubject(), request.GetAuthTime())
	if errors.Is(err, secretstore.ErrNotFound) {
		return oidc.ErrInvalidGrant().WithDescription("the user is gone, or has another password since")
	}
	if err != nil {
		return err
	}
	describe(info, user)
	return nil
}

func describe(info *oidc.UserInfo, user User) {
	info.Subject = user.Email
	info.Email, info.EmailVerified = user.Email, true
	info.AppendClaims(claimGroups, user.Groups)
}

// SetUserinfoFromToken answers who the holder of an access token is.
func (s *storage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	key, expires, err := parseTokenID(id)
	if err != nil || s.store.Now().After(expires) {
		return errors.New("the token has expired")
	}
	if key != "" {
		if _, err := grants.Get(ctx, s.store, key); err != nil {
			return err
		}
	}
	record, err := accounts.Get(ctx, s.store, subject)
	if err != nil {
		return err
	}
	describe(info, record.Value.User)
	return nil
}

// SetIntrospectionFromToken is for resource servers, of which there are none: ID tokens are verified by their signature.
func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

// GetPrivateClaimsFromScopes is for access tokens with claims, of which there are none.
func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID is for clients with keys, of which there are none.
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

// ValidateJWTProfileScopes is for clients with keys, of which there are none.
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}

// Health reports whether the issuer's secrets can be read.
func (s *storage) Health(ctx context.Context) error {
	_, err := loadSecrets(ctx, s.store)
	return err
}
