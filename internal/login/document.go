// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Document adds what Setup's handlers serve to the OpenAPI document, except the issuer's own, which has a document that OpenID
// Connect gives it. They are no operations of huma: a browser is sent elsewhere by them, and back.
func Document(document *huma.OpenAPI) {
	schemas := document.Components.Schemas
	answer := func(description string, body reflect.Type) *huma.Response {
		if body == nil {
			return &huma.Response{Description: description}
		}
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(body, true, "")}}}
	}
	failed := &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schemas.Schema(reflect.TypeFor[Failure](), true, "")}}}
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	add := func(method, path, id, summary string, answers map[string]*huma.Response, params ...*huma.Param) {
		answers = maps.Clone(answers)
		answers["default"] = failed
		document.AddOperation(&huma.Operation{
			Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"login"}, Parameters: params, Responses: answers,
			Security: []map[string][]string{}, // the cookie of a session is looked at by these alone
		})
	}
	type answers = map[string]*huma.Response
	add(http.MethodGet, "/api/v1/login", "listLogins", "List the issuers that one can log in with", answers{"200": answer("The issuers", reflect.TypeFor[Logins]())})
	add(http.MethodGet, "/auth/login", "beginLogin", "Send a browser to an issuer", answers{"302": answer("To the issuer", nil)},
		query("issuer", "The name of the issuer; none: the first."), query("back", "Where to come back to: a path of this origin."))
	add(http.MethodGet, "/auth/callback", "finishLogin", "Take a browser back that was at an issuer, and give it a session", answers{"302": answer("Back to where the login was begun from", nil)},
		query("code", "What the issuer says."), query("state", "What the issuer was told."), query("error", "Why the issuer has not logged in anybody."))
	add(http.MethodGet, "/auth/session", "getSession", "Say who is logged in", answers{"200": answer("The session", reflect.TypeFor[Session]())})
	add(http.MethodPost, "/auth/logout", "logOut", "End the session", answers{"204": answer("It has ended", nil)},
		&huma.Param{Name: CSRFHeader, In: "header", Description: "The session's csrfToken.", Schema: &huma.Schema{Type: huma.TypeString}})
}

// Logins are with whom one can log in.
type Logins struct {
	Issuers []LoginIssuer `json:"issuers"`
}

// LoginIssuer is what commands and browsers need to log in with an issuer.
//
//nolint:revive // the document of the API has it by this name
type LoginIssuer struct {
	Name                 string   `json:"name" doc:"What people choose."`
	Issuer               string   `json:"issuer" doc:"The issuer's URL."`
	ClientID             string   `json:"clientID" doc:"The client of commands, which has no secret."`
	Scopes               []string `json:"scopes" doc:"What to ask the issuer for."`
	DeviceCode           bool     `json:"deviceCode" doc:"Whether a device without a browser can log in."`
	Browser              bool     `json:"browser" doc:"Whether browsers can log in, at /auth/login?issuer=<name>."`
	CertificateAuthority string   `json:"certificateAuthority,omitempty" doc:"The authority of the issuer's certificate; none: a public one."`
}

// Session is that of a browser.
type Session struct {
	User      string    `json:"user" doc:"Who is logged in."`
	Groups    []string  `json:"groups" doc:"The groups that the issuer says."`
	Issuer    string    `json:"issuer" doc:"The issuer's name."`
	CSRFToken string    `json:"csrfToken" doc:"What a request that changes something must carry as X-CSRF-Token."`
	Expires   time.Time `json:"expires" doc:"When the session ends if it is not used."`
}

// Failure is a problem (RFC 9457) of a login.
type Failure struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code" doc:"Which problem it is. Codes do not change."`
	Detail    string `json:"detail" doc:"What is wrong."`
	Hint      string `json:"hint" doc:"What to do next."`
	Owner     string `json:"owner" doc:"Who can solve it: who asked, or who runs the platform."`
	Retryable bool   `json:"retryable" doc:"Whether the same request may succeed later."`
}
