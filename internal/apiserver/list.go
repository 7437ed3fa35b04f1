// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// List is a page of objects.
type List[T any] struct {
	Items         []T       `json:"items" doc:"The objects of this page."`
	NextPageToken string    `json:"nextPageToken,omitempty" doc:"Send it as pageToken for the next page; none: this is the last."`
	TotalSize     int       `json:"totalSize" doc:"How many there are on all pages now."`
	Partial       []Partial `json:"partial,omitempty" doc:"What is missing, and why: the rest is complete."`
}

// Partial says why a part of a list is missing.
type Partial struct {
	Seed   string `json:"seed" doc:"The seed that could not be asked."`
	Reason string `json:"reason" doc:"Why not."`
}

// Paging is what all lists understand.
type Paging struct {
	PageSize  int    `query:"pageSize" minimum:"1" maximum:"500" default:"50" doc:"How many objects there are on a page."`
	PageToken string `query:"pageToken" maxLength:"2048" doc:"nextPageToken of the page before."`
}

// Order is by what a list is sorted.
type Order string

// Schema refers to that of all lists.
func (Order) Schema(r huma.Registry) *huma.Schema {
	return oneOf(r, "Order", "name", "-name", "created", "-created")
}

// Ready is a status of the condition Ready.
type Ready string

// Schema refers to that of all lists.
func (Ready) Schema(r huma.Registry) *huma.Schema {
	return oneOf(r, "Ready", "True", "False", "Unknown")
}

// oneOf returns a reference to a schema that there is once: a text that is one of some values.
func oneOf(r huma.Registry, name string, values ...any) *huma.Schema {
	if r.Map()[name] == nil {
		r.Map()[name] = &huma.Schema{Type: huma.TypeString, Enum: values}
		r.Map()[name].PrecomputeMessages()
	}
	return &huma.Schema{Ref: schemaPrefix + name}
}

type listInput struct {
	Paging
	Place         place
	OrderBy       Order  `query:"orderBy" default:"name" doc:"By what the list is sorted; with a - the other way round."`
	LabelSelector string `query:"labelSelector" maxLength:"2048" doc:"Only what has these labels, for example team=shop,env!=test."`
	Search        string `query:"search" maxLength:"253" doc:"Only what has this in its name."`
	Ready         Ready  `query:"ready" doc:"Only what has this status of its condition Ready."`
}

type listOutput[T any] struct {
	Link string `header:"Link" doc:"The next page, as rel=next."`
	Body List[T]
}

func serveList[T any, P object[T]](s *Server, r *resource[T, P]) {
	op := operation(http.MethodGet, r.path, "list"+r.nouns, "List "+strings.ToLower(r.nouns[:1])+r.nouns[1:])
	huma.Register(s.api, op, func(ctx context.Context, in *listInput) (*listOutput[T], error) {
		out, err := r.list(ctx, s, in)
		return out, fail(ctx, err)
	})
}

// list returns a page of what the caller may see.
func (r *resource[T, P]) list(ctx context.Context, s *Server, in *listInput) (*listOutput[T], error) {
	wanted, err := newFilter(in)
	if err != nil {
		return nil, err
	}
	visible, err := r.visible(ctx, s, in.Place)
	if err != nil {
		return nil, err
	}
	var all []P
	if err := r.each(ctx, s, r.namespace(in.Place), func(obj P) {
		if visible(obj) && wanted.matches(obj) && (r.parent == nil || *r.parent(obj) == in.Place.Cluster) {
			all = append(all, obj)
		}
	}); err != nil {
		return nil, err
	}
	return r.page(ctx, in, all)
}

// each calls f with all objects in a namespace, which are the cache's: they are copied before anything in them is changed.
func (r *resource[T, P]) each(ctx context.Context, s *Server, namespace string, f func(P)) error {
	if r.live {
		return r.eachLive(ctx, s, namespace, f)
	}
	objects, err := s.feeds[reflect.TypeFor[T]()].objects(namespace)
	for _, object := range objects {
		if obj, ok := object.(P); ok {
			f(obj)
		}
	}
	return err
}

func (r *resource[T, P]) eachLive(ctx context.Context, s *Server, namespace string, f func(P)) error {
	obj, err := s.scheme.New(r.groupVersion().WithKind(reflect.TypeFor[T]().Name() + "List"))
	if err != nil {
		return err
	}
	list, ok := obj.(client.ObjectList)
	if !ok {
		return fmt.Errorf("%T is no list", obj)
	}
	if err := s.asCaller.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		if obj, ok := item.(P); ok {
			f(obj)
		}
		return nil
	})
}

// visible returns which objects of a list the caller may see. It fails if there is no project, or the caller has no business there.
func (r *resource[T, P]) visible(ctx context.Context, s *Server, at place) (func(P) bool, error) {
	everything := func(P) bool { return true }
	if r.namespace(at) != "" {
		if err := s.access.Check(ctx, r.question(verbList, at)); err != nil {
			return nil, err
		}
		if at.Project != "" {
			if err := s.cache.Get(ctx, client.ObjectKey{Name: at.Project}, &v1alpha1.Project{}); err != nil {
				return nil, err
			}
		}
		if at.Cluster != "" {
			return everything, s.checkCluster(ctx, at)
		}
		return everything, nil
	}
	names, all, err := s.access.Accessible(ctx, r.plural)
	if err != nil || all {
		return everything, err
	}
	return func(obj P) bool { return names[obj.GetName()] }, nil
}

// page cuts a page out of a list, which is in no order.
func (r *resource[T, P]) page(ctx context.Context, in *listInput, all []P) (*listOutput[T], error) {
	after, err := decodeToken(in)
	if err != nil {
		return nil, err
	}
	out := &listOutput[T]{Body: List[T]{Items: []T{}, TotalSize: len(all)}}
	if after != nil {
		all = slices.DeleteFunc(all, func(obj P) bool { return !after.precedes(cursorOf(obj, in.OrderBy)) })
	}
	rest := first(all, in.PageSize+1, orderOf[P](in.OrderBy)) // one more says whether there is another page
	for _, obj := range rest[:min(len(rest), in.PageSize)] {
		shown := *obj
		out.Body.Items = append(out.Body.Items, r.output(ctx, &shown).Body)
	}
	if len(rest) > in.PageSize {
		last := cursorOf(rest[in.PageSize-1], in.OrderBy)
		last.List = in.fingerprint()
		out.Body.NextPageToken = last.encode()
		out.Link = nextLink(ctx, in, out.Body.NextPageToken)
	}
	return out, nil
}

// first returns the first n of a list by an order, sorted; n is at least 1. It does not sort the others, of which there are many more.
func first[P any](all []P, n int, order func(a, b P) int) []P {
	var sorted []P
	for _, obj := range all {
		if len(sorted) == n && order(obj, sorted[n-1]) >= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(sorted, obj, order)
		sorted = slices.Insert(sorted, i, obj)
		sorted = sorted[:min(len(sorted), n)]
	}
	return sorted
}

// cursor is a place in a sorted list: after the object with this key. It stays right when objects come and go.
type cursor struct {
	// Key is what the list is sorted by, and Name what tells objects with the same key from each other.
	Key  string `json:"k,omitempty"`
	Name string `json:"n"`
	// List identifies what was asked for, so that a token fits to no other list.
	List string `json:"l"`
}

func cursorOf(obj client.Object, by Order) cursor {
	c := cursor{Name: obj.GetNamespace() + "\x00" + obj.GetName()}
	if strings.HasSuffix(string(by), "created") {
		c.Key = obj.GetCreationTimestamp().UTC().Format(timeKey)
	}
	return c
}

// timeKey sorts as text as the times do.
const timeKey = "2006-01-02T15:04:05"

func (in *listInput) fingerprint() string {
	text := strings.Join([]string{in.Place.Project, in.Place.Cluster, string(in.OrderBy), in.LabelSelector, in.Search, string(in.Ready)}, "\x00")
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func (c cursor) encode() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // three strings
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodeToken(in *listInput) (*token, error) {
	if in.PageToken == "" {
		return nil, nil
	}
	var c cursor
	text, err := base64.RawURLEncoding.DecodeString(in.PageToken)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.List != in.fingerprint() {
		return nil, problem(CodeInvalid, "the pageToken is of no such list").at("query.pageToken", "must be nextPageToken of a page of the same list")
	}
	return &token{cursor: c, descending: strings.HasPrefix(string(in.OrderBy), "-")}, nil
}

type token struct {
	cursor
	descending bool
}

// precedes reports whether an object comes after the page that the token is of.
func (t *token) precedes(c cursor) bool {
	order := cmp.Or(cmp.Compare(c.Key, t.Key), cmp.Compare(c.Name, t.Name))
	if t.descending {
		order = -order
	}
	return order > 0
}

func orderOf[P client.Object](by Order) func(a, b P) int {
	field, descending := strings.CutPrefix(string(by), "-")
	order := func(a, b P) int {
		byName := cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
		if field != "created" {
			return byName
		}
		return cmp.Or(a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time), byName)
	}
	if descending {
		return func(a, b P) int { return order(b, a) }
	}
	return order
}

// filter is what a list is narrowed by.
type filter struct {
	labels        labels.Selector
	search, ready string
}

func newFilter(in *listInput) (*filter, error) {
	selector, err := labels.Parse(in.LabelSelector)
	if err != nil {
		return nil, problem(CodeInvalid, "the selector is not valid").at("query.labelSelector", err.Error())
	}
	return &filter{labels: selector, search: strings.ToLower(in.Search), ready: string(in.Ready)}, nil
}

func (f *filter) matches(obj client.Object) bool {
	return (f.labels.Empty() || f.labels.Matches(labels.Set(obj.GetLabels()))) &&
		(f.search == "" || strings.Contains(obj.GetName(), f.search)) &&
		(f.ready == "" || ready(obj) == f.ready)
}

// nextLink is the header Link with the next page.
func nextLink(ctx context.Context, in *listInput, token string) string {
	query := url.Values{"pageToken": {token}, "pageSize": {fmt.Sprint(in.PageSize)}, "orderBy": {string(in.OrderBy)}}
	for name, value := range map[string]string{"labelSelector": in.LabelSelector, "search": in.Search, "ready": string(in.Ready)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return fmt.Sprintf("<%s?%s>; rel=\"next\"", callOf(ctx).path, query.Encode())
}
