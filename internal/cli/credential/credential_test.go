// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"canopy.dev/canopy/internal/cli/config"
)

// fakeIssuer is an issuer that lets everybody in, and checks what a client has to do right.
type fakeIssuer struct {
	*httptest.Server

	t      *testing.T
	signer jose.Signer
	key    *ecdsa.PrivateKey

	mu        sync.Mutex
	challenge string // of the login that was begun
	nonce     string
	refresh   string // the only one that is good
	refreshed int
	revoked   string
	refuse    bool
}

func newFakeIssuer(t *testing.T) *fakeIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeIssuer{t: t, signer: signer, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{
			"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
			"device_authorization_endpoint": f.URL + "/device", "revocation_endpoint": f.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", f.authorize)
	mux.HandleFunc("/token", f.token)
	mux.HandleFunc("/device", f.device)
	mux.HandleFunc("/revoke", func(_ http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revoked = r.FormValue("token")
	})
	f.Server = httptest.NewTLSServer(mux)
	t.Cleanup(f.Close)
	return f
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (f *fakeIssuer) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	f.challenge, f.nonce = q.Get("code_challenge"), q.Get("nonce")
	back := url.Values{"state": {q.Get("state")}, "code": {"the-code"}}
	if f.refuse {
		back = url.Values{"state": {q.Get("state")}, "error": {"access_denied"}, "error_description": {"not <b>you</b>"}}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (f *fakeIssuer) device(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.challenge, f.nonce = r.FormValue("code_challenge"), ""
	reply(w, http.StatusOK, map[string]any{"device_code": "the-device", "user_code": "ABCD-EFGH", "verification_uri": f.URL + "/d", "expires_in": 60, "interval": 1})
}

func (f *fakeIssuer) token(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	proven := base64.RawURLEncoding.EncodeToString(sum[:]) == f.challenge
	ok := r.FormValue("client_id") == "canopy-cli"
	nonce := ""
	switch r.FormValue("grant_type") {
	case "authorization_code":
		ok, nonce = ok && proven && r.FormValue("code") == "the-code", f.nonce
	case "urn:ietf:params:oauth:grant-type:device_code":
		ok = ok && proven && r.FormValue("device_code") == "the-device"
	case "refresh_token":
		ok = ok && r.FormValue("refresh_token") == f.refresh
		f.refreshed++
	default:
		ok = false
	}
	if !ok {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	f.refresh = rand.Text()
	reply(w, http.StatusOK, map[string]any{"access_token": "unused", "token_type": "Bearer", "refresh_token": f.refresh, "id_token": f.sign(nonce)})
}

func (f *fakeIssuer) sign(nonce string) string {
	claims, err := json.Marshal(map[string]any{"iss": f.URL, "aud": "canopy-cli", "sub": "ada", "nonce": nonce, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()})
	if err != nil {
		f.t.Error(err)
	}
	signed, err := f.signer.Sign(claims)
	if err != nil {
		f.t.Error(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		f.t.Error(err)
	}
	return text
}

func (f *fakeIssuer) issuer() Issuer {
	return Issuer{Name: "fake", Issuer: f.URL, ClientID: "canopy-cli", Scopes: []string{"openid", "offline_access"}, DeviceCode: true}
}

func (f *fakeIssuer) client(Issuer) (*http.Client, error) { return f.Client(), nil }

// login is one whose person clicks through at once.
func (f *fakeIssuer) login() *Login {
	return &Login{
		Issuer: f.issuer(), HTTP: f.client, Tell: func(string, ...any) {},
		Open: func(page string) error {
			resp, err := f.Client().Get(page)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		},
	}
}

func TestLoginInTheBrowser(t *testing.T) {
	f := newFakeIssuer(t)
	c, err := f.login().Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Token == "" || c.RefreshToken == "" || time.Until(c.Expiry) < 50*time.Minute {
		t.Errorf("credential of %s until %s", c.Issuer.Name, c.Expiry)
	}
}

func TestLoginThatTheIssuerRefuses(t *testing.T) {
	f := newFakeIssuer(t)
	f.refuse = true
	if _, err := f.login().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("error = %v", err)
	}
}

func TestCallbackIsForOneLogin(t *testing.T) {
	answers := make(chan answer, 1)
	handler := callback("right", answers)
	for _, query := range []string{"state=wrong&code=x", "code=x", ""} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/callback?"+query, nil))
		if w.Code != http.StatusBadRequest || len(answers) != 0 {
			t.Errorf("%s is taken for the answer", query)
		}
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/callback?state=right&error=%3Cscript%3E", nil))
	if got := <-answers; got.err == nil || strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("%v in %s", got, w.Body)
	}
}

func TestLoginWithACode(t *testing.T) {
	f := newFakeIssuer(t)
	said := ""
	login := f.login()
	login.Device, login.Tell = true, func(format string, args ...any) { said += fmt.Sprintf(format, args...) }
	c, err := login.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Token == "" || !strings.Contains(said, "ABCD-EFGH") || !strings.Contains(said, f.URL+"/d") {
		t.Errorf("said %q", said)
	}
}

// store is one in a home of its own, with a login that has run out.
func store(t *testing.T, f *fakeIssuer) *Store {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	c, err := f.login().Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Expiry = time.Now().Add(expiryMargin / 2)
	s := &Store{Context: "test", HTTP: f.client}
	if err := s.Save(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRenewalHappensOnce(t *testing.T) {
	f := newFakeIssuer(t)
	s := store(t, f)
	var group sync.WaitGroup
	tokens := make([]string, 8)
	for i := range tokens {
		group.Go(func() { // each as a process of its own would
			c, err := (&Store{Context: "test", HTTP: f.client}).Token(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			tokens[i] = c.Token
		})
	}
	group.Wait()
	for _, token := range tokens {
		if token != tokens[0] {
			t.Error("two commands have different tokens")
		}
	}
	if f.refreshed != 1 {
		t.Errorf("renewed %d times", f.refreshed)
	}
	dir, err := config.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "credentials", "test.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("anybody may read it: %v", err)
	}
	if _, err := s.Load(); err != nil {
		t.Error(err)
	}
}

func TestALoginThatEnded(t *testing.T) {
	f := newFakeIssuer(t)
	s := store(t, f)
	f.refresh = "another"
	if _, err := s.Token(t.Context()); !errors.Is(err, ErrLoggedOut) {
		t.Errorf("error = %v", err)
	}
	f.Close()
	if _, err := s.Token(t.Context()); err == nil || errors.Is(err, ErrLoggedOut) {
		t.Errorf("an issuer that is away is taken for a login that ended: %v", err)
	}
}

func TestLogoutRevokes(t *testing.T) {
	f := newFakeIssuer(t)
	s := store(t, f)
	c, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), c); err != nil || f.revoked != c.RefreshToken {
		t.Errorf("revoked %t: %v", f.revoked == c.RefreshToken, err)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); !errors.Is(err, ErrLoggedOut) {
		t.Errorf("error = %v", err)
	}
}

func TestExpiryOf(t *testing.T) {
	f := newFakeIssuer(t)
	if at := ExpiryOf(f.sign("")); time.Until(at) < 50*time.Minute {
		t.Errorf("runs out at %s", at)
	}
	if at := ExpiryOf("opaque"); !at.IsZero() {
		t.Errorf("runs out at %s", at)
	}
}
