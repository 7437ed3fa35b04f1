// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// fieldManager is under which name the fields are owned that people write through the API.
const fieldManager = "canopy-api"

// object is a pointer to a kind T.
type object[T any] interface {
	*T
	client.Object
}

// resource says where a kind T is served. Everything that is done with it follows from that.
type resource[T any, P object[T]] struct {
	// noun and nouns make the names of the operations, for example "Cluster" and "Clusters".
	noun, nouns string
	// path is that of the list, for example "/projects/{project}/clusters".
	path string
	// plural is the name of the kind's resource in Kubernetes, for example "clusters".
	plural string
	// system is for kinds whose objects are in the system namespace.
	system bool
	// lasting is for kinds whose objects take their time to go.
	lasting bool
	// parent returns the field with the name of the cluster that an object belongs to; nil: it belongs to none.
	parent func(P) *string
	// health is for kinds that have conditions.
	health bool
}

// namespace is where the objects of a request are; empty: in none.
func (r *resource[T, P]) namespace(at place) string {
	if r.system {
		return v1alpha1.SystemNamespace
	}
	if at.Project == "" {
		return ""
	}
	return v1alpha1.ProjectNamespacePrefix + at.Project
}

// place is what the path of a request names.
type place struct{ Project, Cluster, Name string }

// validName is what names in paths may be.
var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// Resolve reads the place from the path.
func (p *place) Resolve(ctx huma.Context) []error {
	var errs []error
	for _, value := range []struct {
		name   string
		target *string
	}{{"project", &p.Project}, {"cluster", &p.Cluster}, {"name", &p.Name}} {
		*value.target = ctx.Param(value.name)
		if *value.target != "" && (len(*value.target) > 253 || !validName.MatchString(*value.target)) {
			errs = append(errs, &huma.ErrorDetail{Location: "path." + value.name, Message: "is no name: lower-case letters, digits, '-' and '.'"})
		}
	}
	return errs
}

var pathParameter = regexp.MustCompile(`\{([a-z]+)\}`)

// pathParameters documents what place reads.
func pathParameters(path string) []*huma.Param {
	var params []*huma.Param
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		params = append(params, &huma.Param{
			Name: match[1], In: "path", Required: true,
			Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(253), Pattern: validName.String()},
		})
	}
	return params
}

// operation returns one on the API, with what all have in common.
func operation(method, path, id, summary string) huma.Operation {
	tag := path[strings.LastIndex(strings.TrimSuffix(path, "/{name}"), "/")+1:]
	return huma.Operation{
		Method: method, Path: prefix + path, OperationID: id, Summary: summary, Parameters: pathParameters(path),
		Tags: []string{strings.TrimSuffix(tag, "/{name}")}, MaxBodyBytes: mostBytes, BodyReadTimeout: headerTimeout,
	}
}

const prefix = "/api/v1"

// WriteQuery is what all writes understand.
type WriteQuery struct {
	DryRun bool `query:"dryRun" doc:"Check everything, and change nothing. The response is what it would be."`
}

type getInput struct {
	Place       place
	IfNoneMatch string `header:"If-None-Match" maxLength:"1024" doc:"The ETag that you have: the response is 304 if nothing has changed."`
}

type createInput[T any] struct {
	WriteQuery
	Place place
	Body  T
}

type replaceInput[T any] struct {
	WriteQuery
	Place   place
	IfMatch string `header:"If-Match" maxLength:"1024" doc:"The ETag of what you have read; * replaces whatever there is."`
	Body    T
}

type patchInput struct {
	WriteQuery
	Place   place
	IfMatch string         `header:"If-Match" maxLength:"1024" doc:"The ETag of what you have read; * changes whatever there is."`
	Body    map[string]any `contentType:"application/merge-patch+json"`
}

type deleteInput struct {
	WriteQuery
	Place   place
	IfMatch string `header:"If-Match" maxLength:"1024" doc:"The ETag of what you have read; * deletes whatever there is."`
}

type objectOutput[T any] struct {
	Status   int
	ETag     string   `header:"ETag" doc:"Identifies what you have read; send it as If-Match with a change."`
	Location string   `header:"Location"`
	Warning  []string `header:"Warning" doc:"What you should know, though it is no error."`
	Body     T
}

type deleteOutput struct {
	Warning []string `header:"Warning"`
}

// serve registers all operations on a kind.
func serve[T any, P object[T]](s *Server, r resource[T, P]) {
	useKind[T](s.api.OpenAPI().Components.Schemas)
	s.seen[reflect.TypeFor[T]()] = newFreshness(P(new(T)))
	item := r.path + "/{name}"
	lower := strings.ToLower(r.noun[:1]) + r.noun[1:]
	serveList(s, &r)
	huma.Register(s.api, operation(http.MethodGet, item, "get"+r.noun, "Read a "+lower), func(ctx context.Context, in *getInput) (*objectOutput[T], error) {
		out, err := r.get(ctx, s, in)
		return out, fail(ctx, err)
	})
	create := operation(http.MethodPost, r.path, "create"+r.noun, "Create a "+lower)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *createInput[T]) (*objectOutput[T], error) {
		out, err := r.create(ctx, s, in)
		return out, fail(ctx, err)
	})
	huma.Register(s.api, operation(http.MethodPut, item, "replace"+r.noun, "Replace a "+lower), func(ctx context.Context, in *replaceInput[T]) (*objectOutput[T], error) {
		out, err := r.replace(ctx, s, in)
		return out, fail(ctx, err)
	})
	huma.Register(s.api, operation(http.MethodPatch, item, "patch"+r.noun, "Change a "+lower), func(ctx context.Context, in *patchInput) (*objectOutput[T], error) {
		out, err := r.patch(ctx, s, in)
		return out, fail(ctx, err)
	})
	remove := operation(http.MethodDelete, item, "delete"+r.noun, "Delete a "+lower)
	remove.DefaultStatus = http.StatusNoContent
	if r.lasting {
		remove.DefaultStatus = http.StatusAccepted
	}
	huma.Register(s.api, remove, func(ctx context.Context, in *deleteInput) (*deleteOutput, error) {
		out, err := r.remove(ctx, s, in)
		return out, fail(ctx, err)
	})
}

func (r *resource[T, P]) question(verb string, at place) Question {
	return Question{Verb: verb, Group: v1alpha1.GroupVersion.Group, Resource: r.plural, Namespace: r.namespace(at), Name: at.Name}
}

// find reads an object from the cache, after it is known that the caller may.
func (r *resource[T, P]) find(ctx context.Context, s *Server, at place) (P, error) {
	if err := s.access.Check(ctx, r.question(verbGet, at)); err != nil {
		return nil, err
	}
	return r.lookup(ctx, s, at)
}

func (r *resource[T, P]) lookup(ctx context.Context, s *Server, at place) (P, error) {
	obj := P(new(T))
	if err := s.cache.Get(ctx, client.ObjectKey{Namespace: r.namespace(at), Name: at.Name}, obj); err != nil {
		return nil, err
	}
	if r.parent != nil && *r.parent(obj) != at.Cluster {
		return nil, problem(CodeNotFound, "there is no %s %s of the cluster %s", r.plural, at.Name, at.Cluster)
	}
	return obj, nil
}

func (r *resource[T, P]) get(ctx context.Context, s *Server, in *getInput) (*objectOutput[T], error) {
	obj, err := r.find(ctx, s, in.Place)
	if err != nil {
		return nil, err
	}
	out := r.output(ctx, obj)
	if etagMatches(in.IfNoneMatch, out.ETag) {
		out.Status = http.StatusNotModified
	}
	return out, nil
}

func (r *resource[T, P]) create(ctx context.Context, s *Server, in *createInput[T]) (*objectOutput[T], error) {
	obj := P(&in.Body)
	if err := r.settle(obj, in.Place); err != nil {
		return nil, err
	}
	if obj.GetResourceVersion() != "" {
		return nil, problem(CodeInvalid, "what is new has no resourceVersion").at("body.metadata.resourceVersion", "must be empty")
	}
	if r.parent != nil {
		if err := s.checkCluster(ctx, in.Place); err != nil {
			return nil, err
		}
	}
	if err := s.requests(in.WriteQuery).Create(ctx, obj); err != nil {
		return nil, err
	}
	if !in.DryRun {
		s.awaitCache(ctx, obj)
	}
	out := r.output(ctx, obj)
	out.Status = http.StatusCreated
	out.Location = prefix + pathParameter.ReplaceAllStringFunc(r.path, func(param string) string {
		return map[string]string{"{project}": in.Place.Project, "{cluster}": in.Place.Cluster}[param]
	}) + "/" + obj.GetName()
	return out, nil
}

// settle puts an object where the path says, and refuses one that says otherwise.
func (r *resource[T, P]) settle(obj P, at place) error {
	namespace := r.namespace(at)
	switch {
	case at.Name != "" && obj.GetName() != "" && obj.GetName() != at.Name:
		return problem(CodeInvalid, "the name differs from the path's").at("body.metadata.name", "must be "+at.Name)
	case obj.GetNamespace() != "" && obj.GetNamespace() != namespace:
		return problem(CodeInvalid, "the namespace differs from the path's").at("body.metadata.namespace", "must be "+namespace)
	}
	if at.Name != "" {
		obj.SetName(at.Name)
	}
	obj.SetNamespace(namespace)
	if r.parent != nil {
		parent := r.parent(obj)
		if *parent != "" && *parent != at.Cluster {
			return problem(CodeInvalid, "the cluster differs from the path's").at("body.spec.cluster", "must be "+at.Cluster)
		}
		*parent = at.Cluster
	}
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return nil
}

func (r *resource[T, P]) replace(ctx context.Context, s *Server, in *replaceInput[T]) (*objectOutput[T], error) {
	obj := P(&in.Body)
	if err := r.settle(obj, in.Place); err != nil {
		return nil, err
	}
	version, err := wantedVersion(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if r.parent != nil {
		if _, err := r.find(ctx, s, in.Place); err != nil {
			return nil, err
		}
	}
	obj.SetResourceVersion(version)
	if version != "" {
		err = s.requests(in.WriteQuery).Replace(ctx, obj)
	} else {
		err = r.replaceAny(ctx, s, in.WriteQuery, obj)
	}
	if err != nil {
		return nil, err
	}
	if !in.DryRun {
		s.awaitCache(ctx, obj)
	}
	return r.output(ctx, obj), nil
}

// replaceAny replaces whatever there is, which Kubernetes does only with something in particular.
func (r *resource[T, P]) replaceAny(ctx context.Context, s *Server, query WriteQuery, obj P) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current := P(new(T))
		if err := s.asCaller.Get(ctx, client.ObjectKeyFromObject(obj), current); err != nil {
			return err
		}
		obj.SetResourceVersion(current.GetResourceVersion())
		return s.requests(query).Replace(ctx, obj)
	})
}

func (r *resource[T, P]) patch(ctx context.Context, s *Server, in *patchInput) (*objectOutput[T], error) {
	version, err := wantedVersion(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if r.parent != nil {
		if _, err := r.find(ctx, s, in.Place); err != nil {
			return nil, err
		}
	}
	patch, err := mergePatch(in.Body, version)
	if err != nil {
		return nil, err
	}
	obj := P(new(T))
	obj.SetNamespace(r.namespace(in.Place))
	obj.SetName(in.Place.Name)
	if err := s.requests(in.WriteQuery).MergePatch(ctx, obj, patch); err != nil {
		return nil, err
	}
	if !in.DryRun {
		s.awaitCache(ctx, obj)
	}
	return r.output(ctx, obj), nil
}

// mergePatch returns the patch, which only fits to an object of the given version.
func mergePatch(body map[string]any, version string) ([]byte, error) {
	if body == nil {
		body = map[string]any{}
	}
	metadata, ok := body["metadata"].(map[string]any)
	if _, has := body["metadata"]; has && !ok {
		return nil, problem(CodeInvalid, "the patch is not valid").at("body.metadata", "must be an object")
	}
	if has, ok := metadata["resourceVersion"]; ok && has != version && version != "" {
		return nil, problem(CodePreconditionFailed, "the resourceVersion in the patch differs from If-Match")
	}
	if version != "" {
		if metadata == nil {
			metadata = map[string]any{}
		}
		metadata["resourceVersion"] = version
		body["metadata"] = metadata
	}
	return json.Marshal(body)
}

func (r *resource[T, P]) remove(ctx context.Context, s *Server, in *deleteInput) (*deleteOutput, error) {
	version, err := wantedVersion(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if r.parent != nil {
		if _, err := r.find(ctx, s, in.Place); err != nil {
			return nil, err
		}
	}
	only := client.Preconditions{}
	if version != "" {
		only.ResourceVersion = &version
	}
	obj := P(new(T))
	obj.SetNamespace(r.namespace(in.Place))
	obj.SetName(in.Place.Name)
	if err := s.requests(in.WriteQuery).Delete(ctx, obj, only); err != nil {
		return nil, err
	}
	return &deleteOutput{Warning: warningsOf(ctx)}, nil
}

// output is what a response has of an object.
func (r *resource[T, P]) output(ctx context.Context, obj P) *objectOutput[T] {
	obj.SetManagedFields(nil)
	obj.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(reflect.TypeFor[T]().Name()))
	return &objectOutput[T]{Status: http.StatusOK, ETag: etag(obj.GetResourceVersion()), Warning: warningsOf(ctx), Body: *obj}
}

// requests writes in the caller's name.
func (s *Server) requests(query WriteQuery) kube.Forwarder {
	return kube.Forwarder{Client: s.asCaller, FieldManager: fieldManager, DryRun: query.DryRun}
}

// checkCluster fails if there is no such cluster, or the caller may not see it.
func (s *Server) checkCluster(ctx context.Context, at place) error {
	namespace := v1alpha1.ProjectNamespacePrefix + at.Project
	question := Question{Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Namespace: namespace, Name: at.Cluster}
	if err := s.access.Check(ctx, question); err != nil {
		return err
	}
	return s.cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: at.Cluster}, &v1alpha1.Cluster{})
}

func warningsOf(ctx context.Context) []string {
	var out []string
	for _, text := range callOf(ctx).warnings {
		out = append(out, fmt.Sprintf("299 canopy %q", text))
	}
	return out
}

func etag(version string) string { return `"` + version + `"` }

// etagMatches reports whether one of the ETags of a header, or a *, is the given one.
func etagMatches(header, tag string) bool {
	for value := range strings.SplitSeq(header, ",") {
		if value = strings.TrimSpace(value); value == "*" || strings.TrimPrefix(value, "W/") == tag {
			return true
		}
	}
	return false
}

var strongTag = regexp.MustCompile(`^"([0-9]+)"$`)

// wantedVersion returns the resourceVersion that If-Match asks for; empty: any.
func wantedVersion(ifMatch string) (string, error) {
	switch match := strongTag.FindStringSubmatch(ifMatch); {
	case ifMatch == "":
		return "", problem(CodePreconditionRequired, "a change needs the header If-Match")
	case ifMatch == "*":
		return "", nil
	case match != nil:
		return match[1], nil
	}
	return "", problem(CodePreconditionFailed, "If-Match is no ETag that came from here")
}

// conditionsOf returns the conditions of an object that has some.
func isConditioned(obj client.Object) (kube.Conditioned, bool) {
	c, ok := obj.(kube.Conditioned)
	return c, ok
}

// ready returns the status of the condition Ready.
func ready(obj client.Object) string {
	if c, ok := isConditioned(obj); ok {
		if condition := meta.FindStatusCondition(*c.StatusConditions(), v1alpha1.ConditionReady); condition != nil {
			return string(condition.Status)
		}
	}
	return "Unknown"
}
