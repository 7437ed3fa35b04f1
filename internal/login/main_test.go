// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/issuer"
	"canopy.dev/canopy/internal/secretstore"
	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

// platform is an API with the embedded issuer, over TLS, and a clock that the test moves.
type platform struct {
	*testing.T

	service *Service
	store   *secretstore.Store
	users   issuer.Users
	server  *httptest.Server
	issuer  identity.Issuer
	ahead   atomic.Int64
}

func (p *platform) pass(d time.Duration) { p.ahead.Add(int64(d)) }

func testStore(t *testing.T, now func() time.Time) *secretstore.Store {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(&config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{secretstore.Namespace, v1alpha1.SystemNamespace} {
		if err := client.IgnoreAlreadyExists(c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})); err != nil {
			t.Fatal(err)
		}
	}
	return &secretstore.Store{Client: c, Live: c, Now: now}
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{T: t}
	p.store = testStore(t, func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) })
	p.users = issuer.Users{Store: p.store}
	mux := http.NewServeMux()
	p.server = httptest.NewTLSServer(mux)
	t.Cleanup(p.server.Close)
	own, err := issuer.New(t.Context(), p.server.URL, p.store)
	if err != nil {
		t.Fatal(err)
	}
	p.service, err = New(t.Context(), Options{
		PublicURL: p.server.URL, Store: p.store, Users: p.store.Client, Own: own, OwnURL: own.URL, OwnClientSecret: own.ClientSecret, Log: testr.New(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(issuer.Path+"/", own)
	mux.Handle("/auth/", p.service.Handler())
	mux.HandleFunc("GET /api/v1/login", p.service.Describe)
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		response, ok, err := p.service.AuthenticateRequest(r)
		if err != nil || !ok {
			http.Error(w, "nobody", http.StatusUnauthorized)
			return
		}
		writeJSON(w, map[string]any{"name": response.User.GetName(), "groups": response.User.GetGroups()})
	})
	p.issuer = identity.Issuer{
		Issuer: hostingv1alpha1.Issuer{
			URL: own.URL, Audiences: []string{issuer.ClientCLI, issuer.ClientKubectl, issuer.ClientDashboard},
			CertificateAuthority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})),
		},
		Name: "canopy", ClientID: issuer.ClientCLI, BrowserClientID: issuer.ClientDashboard, Scopes: issuer.Scopes(), DeviceCode: true, Embedded: true,
	}
	p.trust(p.issuer)
	return p
}

// trust waits until the issuers have been asked for their keys.
func (p *platform) trust(issuers ...identity.Issuer) {
	p.Helper()
	if err := p.service.Trust(p.Context(), issuers); err != nil {
		p.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, i := range p.service.current.Load().issuers {
		for i.token.HealthCheck() != nil {
			if time.Now().After(deadline) {
				p.Fatal(i.token.HealthCheck())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// browser follows redirects and keeps cookies.
func (p *platform) browser() *http.Client {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	return &http.Client{Transport: p.server.Client().Transport, Jar: jar}
}

type answer struct {
	*http.Response
	body string
}

func (p *platform) do(c *http.Client, method, target string, form url.Values, headers ...string) answer {
	p.Helper()
	if !strings.HasPrefix(target, "http") {
		target = p.server.URL + target
	}
	r, err := http.NewRequestWithContext(p.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return answer{response, string(body)}
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s %s: %v: %s", a.Request.Method, a.Request.URL, err, a.body)
	}
	return v
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// fill fills in the login page that a browser shows.
func (p *platform) fill(c *http.Client, shown answer, email, password string) answer {
	p.Helper()
	match := hiddenID.FindStringSubmatch(shown.body)
	if match == nil {
		p.Fatalf("there is no login page at %s: %d %s", shown.Request.URL, shown.StatusCode, shown.body)
	}
	return p.do(c, http.MethodPost, issuer.Path+"/login", url.Values{"id": {match[1]}, "email": {email}, "password": {password}}, "Sec-Fetch-Site", "same-origin")
}

// command is how a command logs in.
func (p *platform) command() *oauth2.Config {
	return &oauth2.Config{
		ClientID: issuer.ClientCLI, Scopes: issuer.Scopes(), RedirectURL: "http://127.0.0.1:1/callback",
		Endpoint: oauth2.Endpoint{AuthURL: p.issuer.URL + "/authorize", TokenURL: p.issuer.URL + "/oauth/token", DeviceAuthURL: p.issuer.URL + "/device_authorization", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// code logs a command in as far as the code, which it returns with its verifier.
func (p *platform) code(email, password string) (code, verifier string) {
	p.Helper()
	browser, verifier := p.browser(), oauth2.GenerateVerifier()
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Hostname() == "127.0.0.1" && r.URL.Port() == "1" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	shown := p.do(browser, http.MethodGet, p.command().AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), nil)
	back := p.fill(browser, shown, email, password)
	location, err := back.Location()
	if err != nil {
		p.Fatalf("%d %s", back.StatusCode, back.body)
	}
	if location.Query().Get("state") != "state" {
		p.Fatalf("the state is not the one that was sent: %s", location)
	}
	return location.Query().Get("code"), verifier
}

// tokens logs a command in.
func (p *platform) tokens(email, password string) *oauth2.Token {
	p.Helper()
	code, verifier := p.code(email, password)
	token, err := p.exchange(code, verifier)
	if err != nil {
		p.Fatal(err)
	}
	return token
}

func (p *platform) exchange(code, verifier string) (*oauth2.Token, error) {
	return p.command().Exchange(oidcContext(p), code, oauth2.VerifierOption(verifier))
}

func (p *platform) refresh(token string) (*oauth2.Token, error) {
	return p.command().TokenSource(oidcContext(p), &oauth2.Token{RefreshToken: token}).Token()
}

func idToken(t *oauth2.Token) string {
	id, _ := t.Extra("id_token").(string)
	return id
}

// whoami asks who the holder of a token is; empty: nobody.
func (p *platform) whoami(token string) string {
	p.Helper()
	a := p.do(p.browser(), http.MethodGet, "/whoami", nil, "Authorization", "Bearer "+token)
	if a.StatusCode != http.StatusOK {
		return ""
	}
	name, _ := a.json(p.T)["name"].(string)
	return name
}

// foreign is an issuer of somebody else's, which signs whatever the test likes.
type foreign struct {
	*httptest.Server

	key *ecdsa.PrivateKey
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"issuer": f.URL, "jwks_uri": f.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	f.Server = httptest.NewTLSServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *foreign) trusted() identity.Issuer {
	return identity.Issuer{Name: "foreign", ClientID: "cli", Issuer: hostingv1alpha1.Issuer{
		URL: f.URL, Audiences: []string{"cli"}, CertificateAuthority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})),
	}}
}

// sign returns a token with claims, signed with a key.
func sign(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(bytes.TrimSpace(content))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// recorded fails unless the records of somebody's logins, the newest first, are of these verbs and codes, and all of one session.
func (p *platform) recorded(user string, want ...string) {
	p.Helper()
	records := &v1alpha1.AuditRecordList{}
	if err := p.store.Client.List(p.Context(), records, client.InNamespace(v1alpha1.SystemNamespace)); err != nil {
		p.Fatal(err)
	}
	var got []string
	sessions := map[string]bool{}
	for _, record := range records.Items {
		if record.Spec.User == user && record.Result != nil {
			got = append(got, record.Spec.Verb+" "+record.Result.Code)
			sessions[record.Spec.Name] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(sessions) != 1 {
		p.Errorf("the records of %s are of the sessions %v (-want +got):\n%s", user, sessions, diff)
	}
}
