// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"canopy.dev/canopy/test/cloud/core"
)

// tokenID is how calls for tokens are counted.
const tokenID = "oauth2.token"

// Key is a key of a service account.
type Key struct {
	id      string
	private *rsa.PrivateKey
}

// GenerateKey makes a key, which takes a while.
func GenerateKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	return &Key{id: rand.Text(), private: private}, err
}

// ServiceAccount returns the JSON of a service account's key. Tokens come from the endpoint. If it is known, the project knows
// it.
func (c *Cloud) ServiceAccount(key *Key, endpoint, email string, known bool) ([]byte, error) {
	content, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, err
	}
	if known {
		c.Do(func() { c.keys[email] = key })
	}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": c.Project, "client_email": email, "private_key_id": key.id,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: content})),
		"token_uri":   endpoint + "/token",
	})
}

// Credentials returns what opens the project, by an endpoint of it.
func (c *Cloud) Credentials(endpoint string) (map[string][]byte, error) {
	key, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	content, err := c.ServiceAccount(key, endpoint, "canopy@"+c.Project+".iam.gserviceaccount.com", true)
	return map[string][]byte{"serviceAccount": content}, err
}

// token gives a token for an assertion that is signed with a key of a service account.
func (c *Cloud) token(w http.ResponseWriter, r *http.Request) {
	c.Serve(w, tokenID, refuseToken, func(w http.ResponseWriter) {
		if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			refuseToken(w, core.Refuse(core.Invalid, "Invalid grant type"))
			return
		}
		if err := c.verify(r.PostFormValue("assertion"), "http://"+r.Host+"/token"); err != nil {
			refuseToken(w, err)
			return
		}
		c.give(w, nil)
	})
}

// verify verifies an assertion as Google does: by the key, by whom it is for, and by how long it holds.
func (c *Cloud) verify(assertion, audience string) *core.Refusal {
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return core.Refuse(core.Unauthenticated, "Invalid JWT: %v", err)
	}
	var claims struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return core.Refuse(core.Unauthenticated, "Invalid JWT: %v", err)
	}
	key := c.keys[claims.Issuer]
	switch {
	case key == nil:
		return core.Refuse(core.Unauthenticated, "Invalid grant: account not found")
	case token.Headers[0].KeyID != key.id || token.Claims(&key.private.PublicKey, &claims) != nil:
		return core.Refuse(core.Unauthenticated, "Invalid JWT Signature.")
	case !claims.Audience.Contains(audience):
		return core.Refuse(core.Unauthenticated, "Invalid JWT: Failed audience check.")
	case claims.IssuedAt == nil || claims.Expiry == nil || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > time.Hour || claims.ValidateWithLeeway(jwt.Expected{}, time.Minute) != nil:
		return core.Refuse(core.Unauthenticated, "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
	case !slices.Contains(strings.Fields(claims.Scope), "https://www.googleapis.com/auth/cloud-platform"):
		return core.Refuse(core.Invalid, "Invalid OAuth scope or ID token audience provided.")
	}
	return nil
}

// exchange gives a token for one of somebody whom the workload identity pool trusts.
func (c *Cloud) exchange(w http.ResponseWriter, r *http.Request) {
	c.Serve(w, tokenID, refuseToken, func(w http.ResponseWriter) {
		wanted := map[string]string{
			"grant_type":           "urn:ietf:params:oauth:grant-type:token-exchange",
			"requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
			"subject_token_type":   "urn:ietf:params:oauth:token-type:jwt",
			"audience":             Audience,
		}
		for field, value := range wanted {
			if r.PostFormValue(field) != value {
				refuseToken(w, core.Refuse(core.Invalid, "Invalid value for \"%s\"", field))
				return
			}
		}
		if c.SubjectToken == "" || r.PostFormValue("subject_token") != c.SubjectToken {
			refuseToken(w, core.Refuse(core.Unauthenticated, "The given credential is rejected by the attribute condition."))
			return
		}
		c.give(w, map[string]any{"issued_token_type": wanted["requested_token_type"]})
	})
}

// Audience is the workload identity pool's provider.
const Audience = "//iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/seeds/providers/seed"

func (c *Cloud) give(w http.ResponseWriter, more map[string]any) {
	token := rand.Text()
	c.tokens[token] = true
	result := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600}
	for name, value := range more {
		result[name] = value
	}
	write(w, http.StatusOK, result)
}

// refuseToken says no as the servers of tokens do.
func refuseToken(w http.ResponseWriter, r *core.Refusal) {
	status, said := http.StatusBadRequest, "invalid_request"
	switch r.Kind {
	case core.Unauthenticated, core.Unauthorized:
		said = "invalid_grant"
	case core.Internal, core.RateLimited:
		status, said = http.StatusServiceUnavailable, "internal_failure"
	}
	write(w, status, map[string]string{"error": said, "error_description": r.Message})
}
