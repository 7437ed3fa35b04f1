// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// loginTimeout bounds how long somebody may take to log in.
const loginTimeout = 10 * time.Minute

// Login logs a person in.
type Login struct {
	Issuer Issuer
	HTTP   func(Issuer) (*http.Client, error)
	// Device is for a machine that has no browser: the person confirms a code on another device.
	Device bool
	// Open shows a page to the person; nil: the browser of the machine.
	Open func(url string) error
	// Tell says something to the person.
	Tell func(format string, args ...any)
}

// Run waits for the person.
func (l *Login) Run(ctx context.Context) (*Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	provider, err := discover(ctx, l.HTTP, l.Issuer)
	if err != nil {
		return nil, err
	}
	if l.Device {
		return l.device(oidc.ClientContext(ctx, provider.client), provider)
	}
	return l.loopback(oidc.ClientContext(ctx, provider.client), provider)
}

// device is RFC 8628.
func (l *Login) device(ctx context.Context, p *provider) (*Credential, error) {
	if p.Endpoint().DeviceAuthURL == "" {
		return nil, fmt.Errorf("the issuer %s has no login with a code: log in on a machine with a browser, or with --token-stdin", l.Issuer.Issuer)
	}
	conf := p.config(l.Issuer, "")
	verifier := oauth2.GenerateVerifier()
	code, err := conf.DeviceAuth(ctx, oauth2.S256ChallengeOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("asking the issuer %s for a code: %w", l.Issuer.Issuer, hideBody(err))
	}
	if code.VerificationURIComplete != "" {
		l.Tell("Open this page on any device and confirm the code %s:\n\n  %s\n\n", code.UserCode, code.VerificationURIComplete)
	} else {
		l.Tell("Open this page on any device and enter the code %s:\n\n  %s\n\n", code.UserCode, code.VerificationURI)
	}
	token, err := conf.DeviceAccessToken(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("logging in at %s: %w", l.Issuer.Issuer, hideBody(err))
	}
	return p.credential(ctx, l.Issuer, token, "")
}

// answer is what the issuer sends the browser back with.
type answer struct {
	code string
	err  error
}

// loopback is RFC 8252 with PKCE: the issuer sends the browser back to this process.
func (l *Login) loopback(ctx context.Context, p *provider) (*Credential, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	conf := p.config(l.Issuer, "http://"+listener.Addr().String()+"/callback")
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	answers := make(chan answer, 1)
	server := &http.Server{Handler: callback(state, answers), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()      // it has answered

	page := conf.AuthCodeURL(state, oauth2.SetAuthURLParam("nonce", nonce), oauth2.S256ChallengeOption(verifier))
	open := l.Open
	if open == nil {
		open = openBrowser
	}
	if err := open(page); err != nil {
		l.Tell("Open this page in a browser on this machine:\n\n  %s\n\n", page)
	} else {
		l.Tell("Your browser shows the login. If it does not, open this page on this machine:\n\n  %s\n\n", page)
	}
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the login in the browser: %w", ctx.Err())
	case got := <-answers:
		if got.err != nil {
			return nil, got.err
		}
		token, err := conf.Exchange(ctx, got.code, oauth2.VerifierOption(verifier))
		if err != nil {
			return nil, fmt.Errorf("logging in at %s: %w", l.Issuer.Issuer, hideBody(err))
		}
		return p.credential(ctx, l.Issuer, token, nonce)
	}
}

// callback takes the one answer that has the state, and lets the person know.
func callback(state string, answers chan<- answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the login that canopy waits for.", http.StatusBadRequest)
			return
		}
		got := answer{code: query.Get("code")}
		text := "You are logged in. You can close this window."
		if code := query.Get("error"); code != "" || got.code == "" {
			got.err = fmt.Errorf("the issuer refused the login: %s", strings.TrimSuffix(code+": "+query.Get("error_description"), ": "))
			text = "You are not logged in: " + got.err.Error()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "<!doctype html><title>Canopy</title><p>%s</p>\n", html.EscapeString(text))
		select {
		case answers <- got:
		default: // there was one
		}
	})
	return mux
}

// HasBrowser says whether a page that is opened on this machine is seen by the person who runs the command.
func HasBrowser() bool {
	if os.Getenv("SSH_CONNECTION") != "" || os.Getenv("SSH_TTY") != "" {
		return false
	}
	return runtime.GOOS != "linux" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" || os.Getenv("BROWSER") != ""
}

func openBrowser(page string) error {
	name, args := "xdg-open", []string{page}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", page}
	}
	if browser := os.Getenv("BROWSER"); browser != "" {
		name = browser
	}
	if !HasBrowser() {
		return errors.New("there is no browser")
	}
	cmd := exec.Command(name, args...) //nolint:noctx // the browser stays when the login has ended
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// revoke is RFC 7009.
func revoke(ctx context.Context, client *http.Client, endpoint string, c *Credential) error {
	form := url.Values{"token": {c.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {c.Issuer.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ending the session at %s: %w", c.Issuer.Issuer, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ending the session at %s: it answered %s", c.Issuer.Issuer, resp.Status)
	}
	return nil
}
