// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

// docsOperation is an operation, for people.
type docsOperation struct {
	Tag, Method, Path, ID, Summary, Description string
	Parameters                                  []*huma.Param
	Body                                        string
}

// docsProblem is a kind of problem, for people.
type docsProblem struct {
	Code               Code
	Status             int
	Title, Owner, Hint string
	Retry              bool
}

// renderDocs returns the page that explains the API. It needs no script, and nothing from anywhere else.
func renderDocs(document *huma.OpenAPI) ([]byte, error) {
	page, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var operations []docsOperation
	for path, item := range document.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if op != nil {
				operations = append(operations, docsOperation{tagOf(op), method, path, op.OperationID, op.Summary, op.Description, op.Parameters, bodyOf(op)})
			}
		}
	}
	slices.SortFunc(operations, func(a, b docsOperation) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	var problems []docsProblem
	for _, code := range slices.SortedFunc(maps.Keys(problemKinds), cmp.Compare) {
		kind := problemKinds[code]
		problems = append(problems, docsProblem{code, kind.status, kind.title, kind.owner, kind.hint, kind.retryable})
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Info": document.Info, "Operations": operations, "Problems": problems})
	return out.Bytes(), err
}

func tagOf(op *huma.Operation) string {
	if len(op.Tags) == 0 {
		return ""
	}
	return op.Tags[0]
}

// bodyOf names the schema of a request's body.
func bodyOf(op *huma.Operation) string {
	if op.RequestBody == nil {
		return ""
	}
	for media, content := range op.RequestBody.Content {
		if content.Schema != nil && content.Schema.Ref != "" {
			return strings.TrimPrefix(content.Schema.Ref, schemaPrefix)
		}
		return media
	}
	return ""
}

func (s *Server) serveDocs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	_, _ = w.Write(s.docs) // who is gone reads nothing
}
