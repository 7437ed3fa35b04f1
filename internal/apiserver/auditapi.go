// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

const (
	// exportType is JSON, one value a line.
	exportType = "application/x-ndjson"
	// exportPage is how many records are read at a time.
	exportPage = 500
)

type recordsInput struct {
	Paging
	Place    place
	User     string    `query:"user" maxLength:"512" doc:"Only what this user has done."`
	Verb     string    `query:"verb" maxLength:"63" doc:"Only what was done so: create, update, patch, delete, login or logout."`
	Resource string    `query:"resource" maxLength:"63" doc:"Only what was done to this kind, for example clusters."`
	Name     string    `query:"name" maxLength:"253" doc:"Only what was done to the object with this name."`
	Failed   bool      `query:"failed" doc:"Only what was refused or went wrong."`
	Since    time.Time `query:"since" doc:"Only what was done at this time or later."`
	Until    time.Time `query:"until" doc:"Only what was done before this time."`
}

// narrowed reports whether not all records are wanted.
func (in *recordsInput) narrowed() bool {
	return in.User != "" || in.Verb != "" || in.Resource != "" || in.Name != "" || in.Failed || !in.Since.IsZero() || !in.Until.IsZero()
}

func (in *recordsInput) wants(record *v1alpha1.AuditRecord) bool {
	spec := &record.Spec
	return (in.User == "" || spec.User == in.User) && (in.Verb == "" || spec.Verb == in.Verb) && (in.Resource == "" || spec.Resource == in.Resource) &&
		(in.Name == "" || nameIn(record) == in.Name || spec.Name == in.Name) && (!in.Failed || record.Result == nil || record.Result.Code != "") &&
		(in.Since.IsZero() || !spec.Time.Time.Before(in.Since)) && (in.Until.IsZero() || spec.Time.Time.Before(in.Until))
}

type recordsOutput struct{ Body List[v1alpha1.AuditRecord] }

type operationsOutput struct{ Body List[Operation] }

type operationInput struct{ Place place }

type operationOutput struct{ Body Operation }

type exportOutput struct{ Body func(huma.Context) }

// serveRecords registers what there is to read of the records of changes, in projects and outside of them.
func serveRecords(s *Server) {
	useKind[v1alpha1.AuditRecord](s.api.OpenAPI().Components.Schemas)
	for _, in := range []struct{ path, noun, of string }{
		{"/projects/{project}", "Project", "of a project"},
		{"", "Platform", "of what is in no project"},
	} {
		list := operation(http.MethodGet, in.path+"/audit", "list"+in.noun+"AuditRecords", "List who has changed what "+in.of+", the newest first")
		huma.Register(s.api, list, func(ctx context.Context, in *recordsInput) (*recordsOutput, error) {
			page, err := s.records(ctx, in)
			return &recordsOutput{Body: page}, fail(ctx, err)
		})
		export := operation(http.MethodGet, in.path+"/audit/export", "export"+in.noun+"AuditRecords", "Get all records "+in.of+", one in a line")
		export.Tags = list.Tags
		export.Responses = map[string]*huma.Response{"200": {Description: "AuditRecords, one in a line", Content: map[string]*huma.MediaType{
			exportType: {Schema: &huma.Schema{Type: huma.TypeString}},
		}}}
		huma.Register(s.api, export, func(ctx context.Context, in *operationInput) (*exportOutput, error) {
			first, err := s.recordPage(ctx, in.Place, exportPage, "")
			if err != nil {
				return nil, fail(ctx, err)
			}
			//nolint:contextcheck // the request of hctx has it
			return &exportOutput{Body: func(hctx huma.Context) { s.export(hctx, in.Place, first) }}, nil
		})
		operations := operation(http.MethodGet, in.path+"/operations", "list"+in.noun+"Operations", "List how far changes "+in.of+" have come, the newest first")
		huma.Register(s.api, operations, func(ctx context.Context, in *recordsInput) (*operationsOutput, error) {
			page, err := s.operations(ctx, in)
			return &operationsOutput{Body: page}, fail(ctx, err)
		})
		one := operation(http.MethodGet, in.path+"/operations/{name}", "get"+in.noun+"Operation", "Say how far a change has come")
		huma.Register(s.api, one, func(ctx context.Context, in *operationInput) (*operationOutput, error) {
			op, err := s.operation(ctx, in.Place)
			return &operationOutput{Body: op}, fail(ctx, err)
		})
	}
}

func recordNamespace(at place) string {
	if at.Project == "" {
		return v1alpha1.SystemNamespace
	}
	return v1alpha1.ProjectNamespacePrefix + at.Project
}

// operationPath is where the operation of a record is.
func operationPath(record *v1alpha1.AuditRecord) string {
	if record.Namespace == v1alpha1.SystemNamespace {
		return prefix + "/operations/" + record.Name
	}
	return prefix + "/projects/" + record.Spec.Project + "/operations/" + record.Name
}

// recordPage reads some records in the caller's name.
func (s *Server) recordPage(ctx context.Context, at place, size int, token string) (*v1alpha1.AuditRecordList, error) {
	list := &v1alpha1.AuditRecordList{}
	err := s.asCaller.List(ctx, list, client.InNamespace(recordNamespace(at)), client.Limit(int64(size)), client.Continue(token))
	for i := range list.Items {
		shown(&list.Items[i])
	}
	return list, err
}

func shown(record *v1alpha1.AuditRecord) {
	record.ManagedFields = nil
	record.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AuditRecord"))
}

func (s *Server) records(ctx context.Context, in *recordsInput) (List[v1alpha1.AuditRecord], error) {
	out := List[v1alpha1.AuditRecord]{Items: []v1alpha1.AuditRecord{}}
	before, token, err := decodeRecordToken(in.PageToken)
	if err != nil {
		return out, err
	}
	if in.narrowed() {
		return s.narrowedRecords(ctx, in, before, token)
	}
	list, err := s.recordPage(ctx, in.Place, in.PageSize, token)
	if apierrors.IsBadRequest(err) && token != "" {
		return out, problem(CodeInvalid, "the pageToken is of no such list").at("query.pageToken", "must be nextPageToken of a page of the same list")
	}
	if err != nil {
		return out, err
	}
	out.Items = append(out.Items, list.Items...)
	out.TotalSize = before + len(list.Items)
	if list.RemainingItemCount != nil {
		out.TotalSize += int(*list.RemainingItemCount)
	}
	if list.Continue != "" {
		out.NextPageToken = encodeRecordToken(before+len(list.Items), list.Continue)
	}
	return out, nil
}

// narrowedRecords looks at all records, of which there are not so many, for a page of those that are wanted. The names of the newest
// sort first, so that the last name of the page before is where this one begins.
func (s *Server) narrowedRecords(ctx context.Context, in *recordsInput, before int, after string) (List[v1alpha1.AuditRecord], error) {
	out := List[v1alpha1.AuditRecord]{Items: []v1alpha1.AuditRecord{}}
	for next := ""; ; {
		page, err := s.recordPage(ctx, in.Place, exportPage, next)
		if err != nil {
			return out, err
		}
		for i := range page.Items {
			record := &page.Items[i]
			if !in.wants(record) {
				continue
			}
			if out.TotalSize++; record.Name > after && len(out.Items) < in.PageSize {
				out.Items = append(out.Items, *record)
			}
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	if n := before + len(out.Items); n < out.TotalSize && len(out.Items) > 0 {
		out.NextPageToken = encodeRecordToken(n, out.Items[len(out.Items)-1].Name)
	}
	return out, nil
}

// recordToken is where a page of records begins: after so many, at the place that Kubernetes calls so, or after a record.
type recordToken struct {
	Before   int    `json:"b"`
	Continue string `json:"c"`
}

func encodeRecordToken(before int, next string) string {
	text, err := json.Marshal(recordToken{before, next})
	if err != nil {
		panic(err) // a number and a text
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodeRecordToken(token string) (before int, next string, err error) {
	if token == "" {
		return 0, "", nil
	}
	var t recordToken
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil || t.Continue == "" || t.Before < 0 {
		return 0, "", problem(CodeInvalid, "the pageToken is of no such list").at("query.pageToken", "must be nextPageToken of a page of the same list")
	}
	return t.Before, t.Continue, nil
}

// export sends all records, page by page, to a client that reads.
func (s *Server) export(hctx huma.Context, at place, page *v1alpha1.AuditRecordList) {
	r, w := humago.Unwrap(hctx)
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", exportType)
	encoder := json.NewEncoder(w)
	for {
		if control.SetWriteDeadline(time.Now().Add(writePatience)) != nil {
			return
		}
		for i := range page.Items {
			if encoder.Encode(&page.Items[i]) != nil {
				return // the client is gone
			}
		}
		if page.Continue == "" {
			return
		}
		var err error
		if page, err = s.recordPage(r.Context(), at, exportPage, page.Continue); err != nil {
			logger(r.Context()).Error(err, "An export was broken off")
			panic(http.ErrAbortHandler) // so that the client sees that it has not got everything
		}
	}
}

func (s *Server) operations(ctx context.Context, in *recordsInput) (List[Operation], error) {
	records, err := s.records(ctx, in)
	out := List[Operation]{Items: []Operation{}, NextPageToken: records.NextPageToken, TotalSize: records.TotalSize}
	for i := range records.Items {
		op, err := s.view(ctx, &records.Items[i])
		if err != nil {
			return out, err
		}
		if op.Type != "" {
			out.Items = append(out.Items, op)
		}
	}
	return out, err
}

func (s *Server) operation(ctx context.Context, at place) (Operation, error) {
	record := &v1alpha1.AuditRecord{}
	if err := s.asCaller.Get(ctx, client.ObjectKey{Namespace: recordNamespace(at), Name: at.Name}, record); err != nil {
		return Operation{}, err
	}
	return s.view(ctx, record)
}

// view looks at the object of a record. What has no conditions was done when it was written.
func (s *Server) view(ctx context.Context, record *v1alpha1.AuditRecord) (Operation, error) {
	f := s.byKind[record.Spec.Resource]
	if f == nil {
		return doneOf(record), nil
	}
	object, ok := f.object.DeepCopyObject().(kube.Conditioned)
	if !ok {
		return doneOf(record), nil
	}
	key := client.ObjectKey{Name: nameIn(record)}
	if record.Spec.Project != "" && record.Spec.Resource != "projects" {
		key.Namespace = v1alpha1.ProjectNamespacePrefix + record.Spec.Project
	}
	err := s.cache.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return operationOf(record, nil, time.Now()), nil
	}
	if err != nil {
		return Operation{}, errors.Join(errors.New("looking at the object of an operation"), err)
	}
	return operationOf(record, object, time.Now()), nil
}

// doneOf is the operation of something that has no way to go after it was written.
func doneOf(record *v1alpha1.AuditRecord) Operation {
	op := operationOf(record, nil, record.Spec.Time.Time)
	if record.Result != nil && record.Result.Code == "" {
		op.State, op.Progress, op.Message = OperationSucceeded, 100, ""
	}
	return op
}
