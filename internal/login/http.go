// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
)

func decodePart(part string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(part) }

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value) // who does not wait for the answer does not get it
}

// problem answers with what is wrong and what to do (RFC 9457).
func problem(w http.ResponseWriter, status int, code, detail, hint string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Who does not wait for the answer does not get it.
	_ = json.NewEncoder(w).Encode(Failure{Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint, Owner: "user"})
}

// inProcess is a transport to a handler of this very process, so that the API can verify its own issuer's tokens from its
// first moment, whatever the way from a pod to the API's public address is.
type inProcess struct{ handler http.Handler }

// RoundTrip has the handler answer.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	request := r.Clone(r.Context())
	request.RequestURI = r.URL.RequestURI()
	if request.Body == nil {
		request.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, request)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header            { return w.header }
func (w *recorder) WriteHeader(status int)         { w.status = status }
func (w *recorder) Write(part []byte) (int, error) { return w.body.Write(part) }
