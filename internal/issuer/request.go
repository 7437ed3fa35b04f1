// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/internal/sealed"
	"canopy.dev/canopy/internal/secretstore"
)

const (
	// requestLifetime is how long somebody may take to log in.
	requestLifetime = 15 * time.Minute
	// doneLifetime is how long a browser may take from the login to the callback after it.
	doneLifetime = time.Minute
	// codeLifetime is how long a client may take to exchange a code.
	codeLifetime = time.Minute
)

// authRequest is somebody's login. Until it has succeeded, it is nowhere but in the browser, sealed: whoever is not logged in
// can make the API remember nothing.
type authRequest struct {
	Client       string            `json:"c"`
	RedirectURI  string            `json:"r"`
	ResponseMode oidc.ResponseMode `json:"m,omitempty"`
	Scopes       []string          `json:"s,omitempty"`
	State        string            `json:"t,omitempty"`
	Nonce        string            `json:"n,omitempty"`
	Challenge    string            `json:"p"`
	Subject      string            `json:"u,omitempty"`
	AuthTime     time.Time         `json:"a,omitzero"`
	Until        time.Time         `json:"e"`
	id           string
	grant        string
}

func (r *authRequest) GetID() string                      { return r.id }
func (r *authRequest) GetACR() string                     { return "" }
func (r *authRequest) GetAMR() []string                   { return []string{"pwd"} }
func (r *authRequest) GetAudience() []string              { return []string{r.Client} }
func (r *authRequest) GetAuthTime() time.Time             { return r.AuthTime }
func (r *authRequest) GetClientID() string                { return r.Client }
func (r *authRequest) GetNonce() string                   { return r.Nonce }
func (r *authRequest) GetRedirectURI() string             { return r.RedirectURI }
func (r *authRequest) GetScopes() []string                { return r.Scopes }
func (r *authRequest) GetState() string                   { return r.State }
func (r *authRequest) GetSubject() string                 { return r.Subject }
func (r *authRequest) Done() bool                         { return r.Subject != "" }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *authRequest) GetResponseType() oidc.ResponseType { return oidc.ResponseTypeCode }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.Challenge, Method: oidc.CodeChallengeMethodS256}
}

var errRequest = errors.New("this login is too old or was not begun here")

// open decrypts a request that a browser has brought back.
func open(key []byte, text string, now time.Time) (*authRequest, error) {
	request := &authRequest{id: text}
	if sealed.Open(key, text, request) != nil || now.After(request.Until) {
		return nil, errRequest
	}
	return request, nil
}

// CreateAuthRequest begins a login. Every client must prove that it is the one that began it, by PKCE.
func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if slices.Contains(r.Prompt, oidc.PromptNone) {
		return nil, oidc.ErrLoginRequired()
	}
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with the method S256 is required")
	}
	request := authRequest{
		Client: r.ClientID, RedirectURI: r.RedirectURI, ResponseMode: r.ResponseMode, Scopes: r.Scopes, State: r.State, Nonce: r.Nonce,
		Challenge: r.CodeChallenge, Until: s.store.Now().Add(requestLifetime).UTC(),
	}
	id, err := sealed.Seal(s.seal, request)
	request.id = id
	return &request, err
}

// AuthRequestByID opens a login.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	request, err := open(s.seal, id, s.store.Now())
	if err != nil {
		return nil, oidc.ErrInvalidRequest().WithDescription("%s", err)
	}
	return request, nil
}

// code is one that was handed out. It stays until it has expired, so that one that is used twice is noticed.
type code struct {
	Request authRequest `json:"request"`
	Used    bool        `json:"used,omitempty"`
}

var codes = secretstore.Kind[code]{Name: "code"}

// SaveAuthCode remembers a code of a login that has succeeded.
func (s *storage) SaveAuthCode(ctx context.Context, id, value string) error {
	request, err := open(s.seal, id, s.store.Now())
	if err != nil || !request.Done() {
		return errRequest
	}
	return codes.Create(ctx, s.store, value, code{Request: *request}, secretstore.Expires(s.store.Now().Add(codeLifetime)))
}

// AuthRequestByCode uses a code up. A code that was used already has been seen by somebody else: what it was exchanged for
// is revoked.
func (s *storage) AuthRequestByCode(ctx context.Context, value string) (op.AuthRequest, error) {
	record, err := codes.Get(ctx, s.store, value)
	if errors.Is(err, secretstore.ErrNotFound) {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code has expired or was never handed out")
	}
	if err != nil {
		return nil, err
	}
	replayed := oidc.ErrInvalidGrant().WithDescription("the code was used already; what it was exchanged for is revoked")
	if record.Value.Used {
		login, err := grants.Get(ctx, s.store, grantOfCode(value))
		if err == nil {
			err = s.replayed(ctx, login)
		}
		if err != nil && !errors.Is(err, secretstore.ErrNotFound) {
			return nil, err
		}
		return nil, replayed
	}
	record.Value.Used = true
	if err := codes.Update(ctx, s.store, record); errors.Is(err, secretstore.ErrConflict) {
		return nil, replayed
	} else if err != nil {
		return nil, err
	}
	request := record.Value.Request
	request.grant = grantOfCode(value)
	return &request, nil
}

// DeleteAuthRequest does nothing: codes are used up when they are read.
func (s *storage) DeleteAuthRequest(context.Context, string) error { return nil }
