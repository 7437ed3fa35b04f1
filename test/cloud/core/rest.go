// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Answer is what is answered to a call: a status and a body, or a *Refusal.
type Answer func(*http.Request) (status int, body any, err error)

// REST serves an operation whose answers are JSON; refuse says no as the cloud does.
func (c *Cloud) REST(operation string, refuse func(http.ResponseWriter, *Refusal), answer Answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.Serve(w, operation, refuse, func(w http.ResponseWriter) {
			status, body, err := answer(r)
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				refuse(w, refusal)
				return
			}
			WriteJSON(w, status, body)
		})
	}
}

// Bearer lets calls through that have the token.
func Bearer(token string, answer Answer) Answer {
	return func(r *http.Request) (int, any, error) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			return 0, nil, Refuse(Unauthenticated, "")
		}
		return answer(r)
	}
}

// WriteJSON answers with a body, or without one if it is nil.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // whoever asked has gone
	}
}

// ReadJSON reads the body of a call.
func ReadJSON(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return Refuse(Invalid, "the body is not what is expected: %v", err)
	}
	return nil
}

// Positive returns the number in text if it is one and positive.
func Positive(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}
