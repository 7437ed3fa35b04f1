// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/issuer"
)

func oidcContext(p *platform) context.Context {
	return context.WithValue(p.Context(), oauth2.HTTPClient, p.server.Client())
}

func TestACommandLogsIn(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "ada@example.com", []string{"developers"})
	if err != nil {
		t.Fatal(err)
	}
	token := p.tokens("Ada@Example.com", password)
	if got := p.whoami(idToken(token)); got != "ada@example.com" {
		t.Fatalf("the ID token is %q's", got)
	}
	a := p.do(p.browser(), http.MethodGet, "/whoami", nil, "Authorization", "Bearer "+idToken(token))
	if want := `{"groups":["developers"],"name":"ada@example.com"}`; strings.TrimSpace(a.body) != want {
		t.Errorf("got %s, want %s", a.body, want)
	}
	users := &v1alpha1.UserList{}
	if err := p.store.Client.List(t.Context(), users, client.MatchingFields{"spec.email": "ada@example.com"}); err != nil || len(users.Items) != 1 || users.Items[0].Spec.Admin {
		t.Errorf("the first login makes one User without rights: %+v, %v", users.Items, err)
	}
	if got := p.whoami(token.AccessToken); got != "" {
		t.Errorf("an access token, which is for the issuer only, let %s in", got)
	}
	next, err := p.refresh(token.RefreshToken)
	if err != nil || p.whoami(idToken(next)) != "ada@example.com" {
		t.Fatalf("refreshing: %v", err)
	}
	if _, err := p.refresh(token.RefreshToken); err == nil {
		t.Error("a refresh token was good for a second use")
	}
	if _, err := p.refresh(next.RefreshToken); err == nil {
		t.Error("the login goes on although one of its refresh tokens was used twice")
	}
	p.recorded("ada@example.com", "logout invalid_grant", "login ")
}

func TestCodes(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "codes@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a replayed code revokes what it was exchanged for", func(t *testing.T) {
		code, verifier := p.code("codes@example.com", password)
		token, err := p.exchange(code, verifier)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("it was exchanged a second time")
		}
		if _, err := p.refresh(token.RefreshToken); err == nil {
			t.Error("the refresh token is still valid")
		}
	})
	t.Run("a stolen code is worth nothing without its verifier", func(t *testing.T) {
		code, verifier := p.code("codes@example.com", password)
		if _, err := p.exchange(code, oauth2.GenerateVerifier()); err == nil {
			t.Error("it was exchanged")
		}
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("it was exchanged after somebody had tried")
		}
	})
	t.Run("a code that is too old", func(t *testing.T) {
		code, verifier := p.code("codes@example.com", password)
		p.pass(2 * time.Minute)
		if _, err := p.exchange(code, verifier); err == nil {
			t.Error("it was exchanged")
		}
	})
	t.Run("a login without PKCE", func(t *testing.T) {
		browser := p.browser()
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := p.do(browser, http.MethodGet, p.command().AuthCodeURL("state"), nil)
		if location, err := a.Location(); err != nil || location.Query().Get("error") != "invalid_request" {
			t.Errorf("got %s, %v", location, err)
		}
	})
	t.Run("a redirect to somebody else", func(t *testing.T) {
		config := p.command()
		config.RedirectURL = "https://evil.example.com/callback"
		a := p.do(p.browser(), http.MethodGet, config.AuthCodeURL("state", oauth2.S256ChallengeOption("v")), nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("got %s", a.Status)
		}
	})
}

func TestRevocation(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "revoked@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	token := p.tokens("revoked@example.com", password)
	a := p.do(p.browser(), http.MethodPost, issuer.Path+"/revoke", url.Values{"token": {token.RefreshToken}, "client_id": {issuer.ClientCLI}})
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	if _, err := p.refresh(token.RefreshToken); err == nil {
		t.Error("a token that was revoked is still valid")
	}
	token = p.tokens("revoked@example.com", password)
	p.pass(2 * time.Second)
	if _, err := p.users.ResetPassword(t.Context(), "revoked@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.refresh(token.RefreshToken); err == nil {
		t.Error("a token from before the password was reset is still valid")
	}
}

func TestADeviceLogsIn(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "device@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *oauth2.DeviceAuthResponse {
		t.Helper()
		auth, err := p.command().DeviceAuth(oidcContext(p))
		if err != nil {
			t.Fatal(err)
		}
		return auth
	}
	poll := func(auth *oauth2.DeviceAuthResponse) answer {
		return p.do(p.browser(), http.MethodPost, issuer.Path+"/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {auth.DeviceCode}, "client_id": {issuer.ClientCLI},
		})
	}
	send := func(form url.Values) answer {
		return p.do(p.browser(), http.MethodPost, issuer.Path+"/device", form, "Sec-Fetch-Site", "same-origin")
	}
	auth := begin()
	if a := poll(auth); a.json(t)["error"] != "authorization_pending" {
		t.Fatalf("before the login: %s", a.body)
	}
	shown := p.do(p.browser(), http.MethodGet, auth.VerificationURIComplete, nil)
	if !strings.Contains(shown.body, "the command canopy") || !strings.Contains(shown.body, auth.UserCode) {
		t.Errorf("the page does not say what it is about: %s", shown.body)
	}
	typed := strings.ToLower(strings.ReplaceAll(auth.UserCode, "-", ""))
	if a := send(url.Values{"user_code": {typed}, "email": {"device@example.com"}, "password": {"wrong"}, "answer": {"allow"}}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong password: %s", a.Status)
	}
	if a := send(url.Values{"user_code": {typed}, "email": {"device@example.com"}, "password": {password}, "answer": {"allow"}}); a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	a := poll(auth)
	id, _ := a.json(t)["id_token"].(string)
	if got := p.whoami(id); got != "device@example.com" {
		t.Errorf("the device is %q: %s", got, a.body)
	}
	if a := poll(auth); a.StatusCode == http.StatusOK {
		t.Error("the device code was good for a second use")
	}
	refused := begin()
	if a := send(url.Values{"user_code": {refused.UserCode}, "answer": {"deny"}}); a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	if a := poll(refused); a.json(t)["error"] != "access_denied" {
		t.Errorf("after it was refused: %s", a.body)
	}
}

func TestPasswordsAreNotGuessed(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "locked@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := p.browser()
	page := func() answer {
		return p.do(browser, http.MethodGet, p.command().AuthCodeURL("state", oauth2.S256ChallengeOption("v")), nil)
	}
	unknown := p.fill(browser, page(), "nobody@example.com", "x")
	for range 5 {
		wrong := p.fill(browser, page(), "locked@example.com", "x")
		if wrong.StatusCode != http.StatusUnauthorized || !strings.Contains(unknown.body, "The e-mail address or the password is wrong.") {
			t.Fatalf("a wrong password: %s", wrong.Status)
		}
	}
	locked := p.fill(browser, page(), "locked@example.com", password)
	if locked.StatusCode != http.StatusTooManyRequests || locked.Header.Get("Retry-After") == "" {
		t.Fatalf("the right password after five wrong ones: %s", locked.Status)
	}
	p.pass(16 * time.Second)
	p.tokens("locked@example.com", password)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example.com"}} {
		id := hiddenID.FindStringSubmatch(page().body)[1]
		a := p.do(browser, http.MethodPost, issuer.Path+"/login", url.Values{"id": {id}, "email": {"locked@example.com"}, "password": {password}}, headers...)
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("a form from elsewhere: %s", a.Status)
		}
	}
	if csp := page().Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("the policy of the login page: %s", csp)
	}
}

func TestTokensThatAreNotTaken(t *testing.T) {
	p, f := newPlatform(t), newForeign(t)
	p.trust(p.issuer, f.trusted())
	good := func() map[string]any {
		return map[string]any{"iss": f.URL, "aud": "cli", "sub": "1", "email": "Eve@example.com", "groups": []string{"developers"}, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	}
	if got := p.whoami(sign(t, f.key, good())); got != "eve@example.com" {
		t.Fatalf("a good token of a second issuer is %q's", got)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key    *ecdsa.PrivateKey
		claims map[string]any
	}{
		"expired":                          {f.key, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}},
		"not valid yet":                    {f.key, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}},
		"signed by somebody else":          {stranger, nil},
		"of an issuer that is unknown":     {f.key, map[string]any{"iss": "https://elsewhere.example.com"}},
		"of our issuer, signed by another": {f.key, map[string]any{"iss": p.issuer.URL, "aud": issuer.ClientCLI}},
		"for another audience":             {f.key, map[string]any{"aud": "somebody-else"}},
		"for nobody":                       {f.key, map[string]any{"email": ""}},
		"without an address":               {f.key, map[string]any{"email": nil}},
		"with an unverified address":       {f.key, map[string]any{"email_verified": false}},
		"for a user of Kubernetes":         {f.key, map[string]any{"email": "system:kube-controller-manager"}},
		"in large letters":                 {f.key, map[string]any{"email": "SYSTEM:admin"}},
		"with a group of Kubernetes":       {f.key, map[string]any{"groups": []string{"a", "system:masters"}}},
		"with a group of Canopy":           {f.key, map[string]any{"groups": "canopy:admins"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			claims := good()
			maps.Copy(claims, tc.claims)
			if got := p.whoami(sign(t, tc.key, claims)); got != "" {
				t.Errorf("it let %s in", got)
			}
		})
	}
	unsigned := func(alg string) string {
		header, _ := json.Marshal(map[string]string{"alg": alg})
		payload, _ := json.Marshal(good())
		return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	for name, token := range map[string]string{"unsigned": unsigned("none"), "no token": "x", "empty parts": "..", "huge": strings.Repeat("a", 100<<10)} {
		t.Run(name, func(t *testing.T) {
			if got := p.whoami(token); got != "" {
				t.Errorf("it let %s in", got)
			}
		})
	}
	p.trust(p.issuer)
	if got := p.whoami(sign(t, f.key, good())); got != "" {
		t.Errorf("an issuer that is trusted no more let %s in", got)
	}
}

func TestABrowserLogsIn(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "browser@example.com", []string{"developers"})
	if err != nil {
		t.Fatal(err)
	}
	browser := p.browser()
	shown := p.do(browser, http.MethodGet, "/auth/login?back=/whoami", nil)
	in := p.fill(browser, shown, "browser@example.com", password)
	if in.Request.URL.Path != "/whoami" || !strings.Contains(in.body, "browser@example.com") {
		t.Fatalf("after the login: %s %s: %s", in.Request.URL, in.Status, in.body)
	}
	token, _ := p.do(browser, http.MethodGet, "/auth/session", nil).json(t)["csrfToken"].(string)
	for name, tc := range map[string]struct {
		headers []string
		want    int
	}{
		"a change without the token":           {nil, http.StatusUnauthorized},
		"a change with another token":          {[]string{CSRFHeader, "x"}, http.StatusUnauthorized},
		"a change with the token":              {[]string{CSRFHeader, token}, http.StatusOK},
		"a change that another site has begun": {[]string{CSRFHeader, token, "Sec-Fetch-Site", "cross-site"}, http.StatusUnauthorized},
	} {
		if a := p.do(browser, http.MethodPost, "/whoami", nil, tc.headers...); a.StatusCode != tc.want {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	copied := p.browser()
	copied.Jar.SetCookies(serverURL(p), browser.Jar.Cookies(serverURL(p)))
	if a := p.do(browser, http.MethodPost, "/auth/logout", nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("logging out without the token: %s", a.Status)
	}
	if a := p.do(browser, http.MethodPost, "/auth/logout", nil, CSRFHeader, token); a.StatusCode != http.StatusNoContent {
		t.Fatalf("logging out: %s: %s", a.Status, a.body)
	}
	if a := p.do(copied, http.MethodGet, "/whoami", nil); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a copy of the cookie after the logout: %s", a.Status)
	}
	p.recorded("browser@example.com", "logout ", "login ")
}

func serverURL(p *platform) *url.URL {
	u, err := url.Parse(p.server.URL)
	if err != nil {
		p.Fatal(err)
	}
	return u
}

func TestSessionsEnd(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "sessions@example.com", []string{"before"})
	if err != nil {
		t.Fatal(err)
	}
	login := func() *http.Client {
		t.Helper()
		browser := p.browser()
		in := p.fill(browser, p.do(browser, http.MethodGet, "/auth/login?back=/whoami", nil), "sessions@example.com", password)
		if !strings.Contains(in.body, "sessions@example.com") {
			t.Fatalf("%s: %s", in.Status, in.body)
		}
		return browser
	}
	whoami := func(browser *http.Client) int {
		t.Helper()
		return p.do(browser, http.MethodGet, "/whoami", nil).StatusCode
	}
	browser := login()
	for range 3 {
		p.pass(7 * time.Hour)
		if got := whoami(browser); got != http.StatusOK {
			t.Fatalf("a session that is used within eight hours: %d", got)
		}
	}
	p.pass(4 * time.Hour)
	if got := whoami(browser); got != http.StatusUnauthorized {
		t.Errorf("a session that is older than a day: %d", got)
	}
	browser = login()
	p.pass(9 * time.Hour)
	if got := whoami(browser); got != http.StatusUnauthorized {
		t.Errorf("a session that was not used for nine hours: %d", got)
	}
	browser = login()
	if err := p.users.Remove(t.Context(), "sessions@example.com"); err != nil {
		t.Fatal(err)
	}
	p.pass(16 * time.Minute)
	if got := whoami(browser); got != http.StatusUnauthorized {
		t.Errorf("a session of a user who is gone, once the issuer was asked: %d", got)
	}
}

func TestLoginsThatWereNotBegunHere(t *testing.T) {
	p := newPlatform(t)
	if a := p.do(p.browser(), http.MethodGet, "/auth/callback?code=x&state=y", nil); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a callback without a login: %s", a.Status)
	}
	browser := p.browser()
	p.do(browser, http.MethodGet, "/auth/login", nil)
	if a := p.do(browser, http.MethodGet, "/auth/callback?code=x&state=y", nil); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a callback with another state: %s", a.Status)
	}
	for path, want := range map[string]string{
		"/a?b=c": "/a?b=c", "": "/", "https://evil.example.com": "/", "//evil.example.com": "/", `/\evil.example.com`: "/", "javascript:alert(1)": "/", "/\t/evil.example.com": "/",
	} {
		if got := localPath(path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}

func TestIssuersFollowTheConfigMap(t *testing.T) {
	p := newPlatform(t)
	opts := CacheOptions()
	opts.Scheme = p.store.Client.Scheme()
	c, err := cache.New(&config, opts)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Start(t.Context()) }()
	if err := p.service.Follow(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := newForeign(t).trusted()
	content, err := yaml.Marshal([]identity.Issuer{p.issuer, other})
	if err != nil {
		t.Fatal(err)
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: identity.ConfigMapName}, Data: map[string]string{identity.ConfigMapKey: string(content)}}
	if err := p.store.Client.Create(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	await := func(what string, n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			issuers, _ := p.do(p.browser(), http.MethodGet, "/api/v1/login", nil).json(t)["issuers"].([]any)
			if len(issuers) == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, issuers)
			}
		}
	}
	await("the issuers of the ConfigMap", 2)
	cm.Data[identity.ConfigMapKey] = "- {name: broken}"
	if err := p.store.Client.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	cm.Data[identity.ConfigMapKey] = "[]"
	await("a list that cannot be used changes nothing", 2)
	if err := p.store.Client.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	await("an empty list", 0)
}

// The records of logins that are over go.
func TestSweep(t *testing.T) {
	p := newPlatform(t)
	password, err := p.users.Add(t.Context(), "sweep@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.tokens("sweep@example.com", password)
	p.pass(40 * 24 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	p.service.Run(ctx)
	clientset, err := kubernetes.NewForConfig(&config)
	if err != nil {
		t.Fatal(err)
	}
	left, err := clientset.CoreV1().Secrets("canopy-login").List(t.Context(), metav1.ListOptions{LabelSelector: "login.canopy.dev/kind in (code,grant,session,device)"})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d records stay: %v", len(left.Items), err)
	}
}
