// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/local"
)

const logins = 20

// loginUser is another one for each run: one that was killed does not take it back.
var loginUser = fmt.Sprintf("bench-%d@example.com", os.Getpid())

// requestID finds what the form of the login says with the password.
var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logins measures how long it takes to log in as browsers do: from the first request until the API has said who that is. Most
// of it is the check of the password, which takes long on purpose.
func (b *bench) logins(ctx context.Context) (err error) {
	password, err := issuer(ctx, "add-user")
	if err != nil {
		return err
	}
	defer func() {
		_, removed := issuer(context.WithoutCancel(ctx), "remove-user")
		err = errors.Join(err, removed)
	}()
	authority := &corev1.ConfigMap{}
	if err := b.seed.Get(ctx, client.ObjectKey{Namespace: "canopy-system", Name: "canopy-api-authority"}, authority); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority.Data["ca.crt"]))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	var values []float64
	for range logins {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := logIn(ctx, &http.Client{Transport: transport, Jar: jar, Timeout: time.Minute}, local.DefaultSettings().APIURL(), strings.TrimSpace(password)); err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		values = append(values, float64(time.Since(start).Microseconds())/1000)
	}
	emit("login_milliseconds", "ms", values)
	return nil
}

func logIn(ctx context.Context, browser *http.Client, api, password string) error {
	page, at, err := visit(ctx, browser, api+"/auth/login", nil)
	if err != nil {
		return err
	}
	id := requestID.FindStringSubmatch(page)
	if id == nil {
		return fmt.Errorf("%s has no form", at)
	}
	form := url.Values{"id": {html.UnescapeString(id[1])}, "email": {loginUser}, "password": {password}}
	if _, _, err := visit(ctx, browser, at, form); err != nil {
		return err
	}
	me, _, err := visit(ctx, browser, api+"/api/v1/me", nil)
	if err == nil && !strings.Contains(me, loginUser) {
		return fmt.Errorf("the API says %s", me)
	}
	return err
}

// visit gets a page, or sends a form there, and returns what is shown in the end, and where.
func visit(ctx context.Context, browser *http.Client, address string, form url.Values) (content, at string, err error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Request.URL.Path, response.Status)
	}
	return string(read), response.Request.URL.String(), err
}

// issuer runs a command of the platform's issuer for the user, and returns what it says.
func issuer(ctx context.Context, command string) (string, error) {
	out, err := exec.CommandContext(ctx, "bin/canopy", "issuer", command, loginUser).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("canopy issuer %s: %s", command, exit.Stderr)
	}
	return string(out), err
}
