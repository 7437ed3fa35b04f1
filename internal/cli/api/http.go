// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package api is how the canopy command calls the platform's API: one HTTP client with the person's token, and the resources
// of the API as objects, whatever their kind. It runs on people's machines and calls the API.
package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/cli/config"
)

// Options say how the API is reached.
type Options struct {
	Context config.Context
	// Authority are further certificates in PEM that those of servers may be signed by.
	Authority string
	// Token returns what requests are sent with; nil: they are sent without.
	Token func(context.Context) (string, error)
	// UserAgent is how the command calls itself.
	UserAgent string
	// Trace is where requests and responses are written, without tokens; nil: nowhere.
	Trace io.Writer
}

// NewHTTP returns what calls the API, and the issuers of the installation. Only requests to the API carry the token.
func NewHTTP(o Options) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if pem := o.Context.CertificateAuthorityData; len(pem) > 0 && !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the certificate authority of the context %s is no certificate in PEM", o.Context.Name)
	}
	if o.Authority != "" && !roots.AppendCertsFromPEM([]byte(o.Authority)) {
		return nil, errors.New("the issuer's certificate authority is no certificate in PEM")
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	base.ResponseHeaderTimeout = time.Minute
	var transport http.RoundTripper = base
	if o.Trace != nil {
		transport = &tracer{next: transport, out: o.Trace}
	}
	return &http.Client{Transport: &sender{next: transport, options: o}}, nil
}

// sender adds to a request who sends it, and sends it again where the server asks for that.
type sender struct {
	next    http.RoundTripper
	options Options
}

// loginError says that it is not known who asks, so that nobody was asked.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *loginError) Unwrap() error { return e.err }

// retries is how often a request is sent again that the server was too busy for.
const retries = 3

// RoundTrip implements http.RoundTripper.
func (s *sender) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", s.options.UserAgent)
	if s.options.Token != nil && sameOrigin(req.URL, s.options.Context.Server) {
		token, err := s.options.Token(ctx)
		if err != nil {
			return nil, &loginError{err}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; ; i++ {
		resp, err := s.next.RoundTrip(req)
		if err != nil || i == retries || resp.StatusCode != http.StatusTooManyRequests {
			return resp, err
		}
		if err := rewind(req); err != nil {
			return resp, nil //nolint:nilerr // the answer is that the server is too busy
		}
		_ = resp.Body.Close() // it has nothing that is not in the header
		if err := pause(ctx, resp.Header.Get("Retry-After")); err != nil {
			return nil, err
		}
	}
}

func sameOrigin(u *url.URL, server string) bool {
	return u.Scheme+"://"+u.Host == server
}

func rewind(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	if req.GetBody == nil {
		return errors.New("the body cannot be sent twice")
	}
	body, err := req.GetBody()
	req.Body = body
	return err
}

// pause waits as long as the server says.
func pause(ctx context.Context, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 1 {
		n = 1
	}
	timer := time.NewTimer(time.Duration(min(n, 60)) * time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// tracer writes what is sent and what comes back.
type tracer struct {
	next http.RoundTripper
	out  io.Writer
}

// RoundTrip implements http.RoundTripper.
func (t *tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	t.write(">", func() ([]byte, error) { return httputil.DumpRequestOut(req, printable(req.Header)) })
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		fmt.Fprintf(t.out, "< %v (%s)\n\n", err, time.Since(start).Round(time.Millisecond))
		return resp, err
	}
	t.write("<", func() ([]byte, error) {
		return httputil.DumpResponse(resp, printable(resp.Header))
	})
	fmt.Fprintf(t.out, "< after %s\n\n", time.Since(start).Round(time.Millisecond))
	return resp, nil
}

// printable says whether a body can be read as a whole, and by people. Streams of events have no end.
func printable(header http.Header) bool {
	kind := header.Get("Content-Type")
	return strings.Contains(kind, "json") || strings.Contains(kind, "form-urlencoded")
}

func (t *tracer) write(prefix string, dump func() ([]byte, error)) {
	content, err := dump()
	if err != nil {
		fmt.Fprintf(t.out, "%s %v\n", prefix, err)
		return
	}
	for line := range strings.Lines(Redact(string(content))) {
		fmt.Fprintf(t.out, "%s %s\n", prefix, strings.TrimRight(line, "\r\n"))
	}
}

// secrets are what must be seen by nobody: headers, members of JSON documents, fields of forms, and keys in PEM. A kubeconfig
// is JSON, too, and has its keys in base64.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?im)^((?:authorization|cookie|set-cookie|x-csrf-token|location):[ \t]*)[^\r\n]+`),
	regexp.MustCompile(`(?i)("[a-z_-]*(?:token|secret|password|device_code|verifier|kubeconfig|client-key-data|clientkeydata|privatekey)"\s*:\s*)"(?:[^"\\]|\\.)*"`),
	regexp.MustCompile(`(?i)((?:^|[&?\s])(?:[a-z_]*token|code|code_verifier|device_code|client_secret|password|assertion)=)[^&\s]+`),
	regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?-----END`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`),
}

// Redact takes secrets out of a text.
func Redact(text string) string {
	for _, secret := range secrets {
		text = secret.ReplaceAllString(text, `$1"<redacted>"`)
	}
	return text
}
