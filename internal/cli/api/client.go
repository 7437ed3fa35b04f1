// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"
)

// Client calls the API.
type Client struct {
	// Server is the URL of the API, without a path.
	Server string
	HTTP   *http.Client
	// Told is called with the headers of every answer that is no error, which may say more than the answer; nil: they are of no
	// interest.
	Told func(http.Header)
}

// ProblemError is an error that the API reported, by RFC 9457.
type ProblemError struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Owner     string `json:"owner"`
	Hint      string `json:"hint"`
	Retryable bool   `json:"retryable"`
	RequestID string `json:"requestId"`
	Errors    []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *ProblemError) Error() string { return cmp.Or(p.Detail, p.Title, http.StatusText(p.Status)) }

// IsNotFound says whether err is a problem of something that there is not.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsForbidden says whether err is a problem of a missing right.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsStale says whether err is a problem of a change that somebody else was faster with.
func IsStale(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

func hasStatus(err error, status int) bool {
	var p *ProblemError
	return errors.As(err, &p) && p.Status == status
}

// UnreachableError says that there is no answer from the server.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s does not answer: %v", e.Server, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// IsUntrusted says whether err is about a certificate by nobody that is trusted.
func IsUntrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	return errors.As(err, &authority)
}

// Request is one call.
type Request struct {
	Method string
	// Path starts with a slash; its variable parts are escaped (Path).
	Path  string
	Query url.Values
	// Body is sent as JSON; nil: nothing is.
	Body any
	// ContentType of the body; empty: application/json.
	ContentType string
	Header      http.Header
}

// Path joins the parts of a path and escapes them.
func Path(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = url.PathEscape(part)
	}
	return "/api/v1/" + strings.Join(escaped, "/")
}

// Do calls the API. An answer that is an error becomes a *ProblemError. The caller closes the body of the response.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	req, err := c.NewRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, unreachable(c.Server, err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		if c.Told != nil {
			c.Told(resp.Header)
		}
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, ReadProblem(resp)
}

// NewRequest returns the request without sending it.
func (c *Client) NewRequest(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		content, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(content)
	}
	address := c.Server + r.Path
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodGet), address, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", cmp.Or(r.ContentType, "application/json"))
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	return req, nil
}

// unreachable tells an error of the network from one of the person's own doing.
func unreachable(server string, err error) error {
	var login *loginError
	if errors.As(err, &login) {
		return login.err
	}
	var network net.Error
	var operation *net.OpError
	if errors.As(err, &operation) || IsUntrusted(err) || errors.As(err, &network) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return &UnreachableError{Server: server, Err: err}
	}
	return err
}

// ReadProblem reads the body of an error. One that no Canopy wrote becomes a problem, too.
func ReadProblem(resp *http.Response) error {
	p := &ProblemError{}
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || !strings.HasSuffix(kind, "json") || json.Unmarshal(content, p) != nil || p.Title == "" {
		*p = ProblemError{Title: "the server answered " + resp.Status, Detail: fmt.Sprintf("%s answered %s, and not as Canopy's API does", resp.Request.URL.Redacted(), resp.Status)}
	}
	p.Status = resp.StatusCode
	return p
}

// Object calls the API and reads one object.
func (c *Client) Object(ctx context.Context, r Request) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	return u, c.Into(ctx, r, &u.Object)
}

// Into calls the API and reads the answer as JSON; nil: it is of no interest.
func (c *Client) Into(ctx context.Context, r Request, into any) error {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	content, err := io.ReadAll(resp.Body)
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(content, into)
	}
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", r.Path, err)
	}
	return nil
}

// Missing is a part of a list that could not be had.
type Missing struct {
	Seed   string `json:"seed"`
	Reason string `json:"reason"`
}

// List is what the API has of a collection.
type List struct {
	Items []unstructured.Unstructured
	// Missing are the parts that could not be had: a seed that is down hides nothing of the others.
	Missing []Missing
}

// pageSize is how much of a list is asked for at once, the most that the API gives.
const pageSize = 500

// List reads all pages of a collection.
func (c *Client) List(ctx context.Context, path string, query url.Values) (List, error) {
	asked := url.Values{}
	for name, values := range query {
		asked[name] = values
	}
	asked.Set("pageSize", strconv.Itoa(pageSize))
	var list List
	for {
		next, err := c.page(ctx, path, asked, &list)
		if err != nil {
			return List{}, err
		}
		if next == "" {
			return list, nil
		}
		asked.Set("pageToken", next)
	}
}

// Whole reads a collection that has no pages.
func (c *Client) Whole(ctx context.Context, path string, query url.Values) (List, error) {
	var list List
	_, err := c.page(ctx, path, query, &list)
	return list, err
}

// page adds a page to a list, and returns the token of the next one.
func (c *Client) page(ctx context.Context, path string, query url.Values, list *List) (next string, err error) {
	var page struct {
		Items         []map[string]any `json:"items"`
		NextPageToken string           `json:"nextPageToken"`
		Partial       []Missing        `json:"partial"`
	}
	if err := c.Into(ctx, Request{Path: path, Query: query}, &page); err != nil {
		return "", err
	}
	for _, item := range page.Items {
		list.Items = append(list.Items, unstructured.Unstructured{Object: item})
	}
	list.Missing = append(list.Missing, page.Partial...)
	return page.NextPageToken, nil
}
