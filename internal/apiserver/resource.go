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
	"slices"
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
	// version is the group and version of the kind; nil: the master's own.
	version *schema.GroupVersion
	// system is for kinds whose objects are in the system namespace.
	system bool
	// live is for kinds that the cache does not have: they are read in the caller's name.
	live bool
	// lasting is for kinds whose objects take their time to go.
	lasting bool
	// parent returns the field with the name of the cluster that an object belongs to; nil: it belongs to none.
	parent func(P) *string
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
	DryRun bool `query:"dryRun" doc:"Check everything, and change nothing. The response is what it would be, with warnings and the effect on the project's quota as headers."`
}

type getInput struct {
	Place       place
	IfNoneMatch string `header:"If-None-Match" maxLength:"1024" doc:"The ETag that you have: the response is 304 if nothing has changed."`
}

type createInput[T any] struct {
	WriteQuery
	Place place
	Key   string `header:"Idempotency-Key" minLength:"1" maxLength:"128" doc:"Makes it safe to send the same request again for a day: it is served once."`
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
	Status    int
	ETag      string   `header:"ETag" doc:"Identifies what you have read; send it as If-Match with a change."`
	Location  string   `header:"Location" doc:"Where it is."`
	Operation string   `header:"Operation-Location" doc:"The operation that says how far the change has come."`
	Replayed  string   `header:"Idempotent-Replayed" doc:"true: the same request was served before, with the same Idempotency-Key."`
	Warning   []string `header:"Warning" doc:"What you should know, though it is no error."`
	Quota     string   `header:"Quota-Effect" doc:"Of a dry run: what the project's quota is and what would be used of it afterwards, as the JSON of a QuotaStatus."`
	Body      T
}

type deleteOutput struct {
	Operation string   `header:"Operation-Location" doc:"The operation that says how far the deletion has come."`
	Warning   []string `header:"Warning"`
	Quota     string   `header:"Quota-Effect" doc:"Of a dry run: what the project's quota is and what would be used of it afterwards, as the JSON of a QuotaStatus."`
}

// serve registers all operations on a kind.
func serve[T any, P object[T]](s *Server, r resource[T, P]) {
	useKind[T](s.api.OpenAPI().Components.Schemas)
	if !r.live {
		s.follow(reflect.TypeFor[T](), r.path[strings.LastIndex(r.path, "/")+1:], r.plural, P(new(T)))
	}
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

// follow makes a kind one that can be watched. One that is served at several paths is followed once.
func (s *Server) follow(kind reflect.Type, name, plural string, obj client.Object) {
	if s.feeds[kind] == nil {
		s.feeds[kind] = newFeed(name, plural, obj)
		s.byKind[name] = s.feeds[kind]
	}
}

func (r *resource[T, P]) groupVersion() schema.GroupVersion {
	if r.version != nil {
		return *r.version
	}
	return v1alpha1.GroupVersion
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func typeName(obj client.Object) string { return reflect.TypeOf(obj).Elem().Name() }

func (r *resource[T, P]) question(verb string, at place) Question {
	return Question{Verb: verb, Group: r.groupVersion().Group, Resource: r.plural, Namespace: r.namespace(at), Name: at.Name}
}

// find reads an object from the cache, after it is known that the caller may.
func (r *resource[T, P]) find(ctx context.Context, s *Server, at place) (P, error) {
	if r.live {
		obj := P(new(T))
		return obj, s.asCaller.Get(ctx, client.ObjectKey{Namespace: r.namespace(at), Name: at.Name}, obj)
	}
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
	a, err := r.act("create", in.Place, in.WriteQuery, obj)
	if err != nil {
		return nil, err
	}
	a.place.Name, a.key = obj.GetName(), in.Key
	before, err := s.replayed(ctx, a)
	if err != nil {
		return nil, err
	}
	if before != nil {
		return r.replay(ctx, s, in.Place, before)
	}
	operation, err := s.audited(ctx, a, func() (outcome, error) {
		if r.parent != nil {
			if err := s.checkCluster(ctx, in.Place); err != nil {
				return outcome{}, err
			}
		}
		return outcome{http.StatusCreated, obj}, s.requests(in.WriteQuery).Create(ctx, obj)
	})
	if err != nil {
		return nil, err
	}
	out := r.output(ctx, obj)
	if out.Quota, err = s.settled(ctx, a, obj); err != nil {
		return nil, err
	}
	out.Status, out.Operation = http.StatusCreated, operation
	if !in.DryRun {
		out.Location = r.location(in.Place, obj.GetName())
	}
	return out, nil
}

// replay answers a request that was served before.
func (r *resource[T, P]) replay(ctx context.Context, s *Server, at place, record *v1alpha1.AuditRecord) (*objectOutput[T], error) {
	obj := P(new(T))
	key := client.ObjectKey{Namespace: r.namespace(at), Name: nameIn(record)}
	if err := s.asCaller.Get(ctx, key, obj); err != nil {
		return nil, err
	}
	out := r.output(ctx, obj)
	out.Status, out.Operation, out.Replayed = http.StatusCreated, operationPath(record), "true"
	out.Location = r.location(at, obj.GetName())
	return out, nil
}

func (r *resource[T, P]) location(at place, name string) string {
	return prefix + pathParameter.ReplaceAllStringFunc(r.path, func(param string) string {
		return map[string]string{"{project}": at.Project, "{cluster}": at.Cluster}[param]
	}) + "/" + name
}

// act is what a request wants, for the record.
func (r *resource[T, P]) act(verb string, at place, query WriteQuery, body any) (act, error) {
	a := act{verb: verb, resource: r.path[strings.LastIndex(r.path, "/")+1:], place: at, dryRun: query.DryRun}
	if body == nil {
		return a, nil
	}
	var err error
	a.change, err = json.Marshal(body)
	return a, err
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
	a, err := r.act("update", in.Place, in.WriteQuery, obj)
	if err != nil {
		return nil, err
	}
	obj.SetResourceVersion(version)
	return r.write(ctx, s, a, obj, func() error {
		if version == "" {
			return r.replaceAny(ctx, s, in.WriteQuery, obj)
		}
		return s.requests(in.WriteQuery).Replace(ctx, obj)
	})
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
	patch, err := mergePatch(in.Body, version)
	if err != nil {
		return nil, err
	}
	a, err := r.act("patch", in.Place, in.WriteQuery, in.Body)
	if err != nil {
		return nil, err
	}
	a.fields = fieldsOf(in.Body)
	obj := P(new(T))
	obj.SetNamespace(r.namespace(in.Place))
	obj.SetName(in.Place.Name)
	return r.write(ctx, s, a, obj, func() error { return s.requests(in.WriteQuery).MergePatch(ctx, obj, patch) })
}

// write changes an object that exists.
func (r *resource[T, P]) write(ctx context.Context, s *Server, a act, obj P, change func() error) (*objectOutput[T], error) {
	operation, err := s.audited(ctx, a, func() (outcome, error) {
		if r.parent != nil {
			if _, err := r.find(ctx, s, a.place); err != nil {
				return outcome{}, err
			}
		}
		return outcome{http.StatusOK, obj}, change()
	})
	if err != nil {
		return nil, err
	}
	out := r.output(ctx, obj)
	out.Operation = operation
	out.Quota, err = s.settled(ctx, a, obj)
	return out, err
}

// settled waits until the cache knows what was written; of a dry run it returns the effect on the quota.
func (s *Server) settled(ctx context.Context, a act, obj client.Object) (quotaEffect string, err error) {
	if a.dryRun {
		return s.quotaEffect(ctx, a.place, obj, false)
	}
	s.awaitCache(ctx, obj)
	return "", nil
}

// fieldsOf are the fields that a patch names, to the second level: their values are nobody's business.
func fieldsOf(patch map[string]any) []string {
	var fields []string
	for name, value := range patch {
		inner, ok := value.(map[string]any)
		if !ok {
			fields = append(fields, name)
		}
		for field := range inner {
			fields = append(fields, name+"."+field)
		}
	}
	slices.Sort(fields)
	return fields[:min(len(fields), 100)]
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
	only := client.Preconditions{}
	if version != "" {
		only.ResourceVersion = &version
	}
	obj := P(new(T))
	obj.SetNamespace(r.namespace(in.Place))
	obj.SetName(in.Place.Name)
	a, err := r.act("delete", in.Place, in.WriteQuery, nil)
	if err != nil {
		return nil, err
	}
	operation, err := s.audited(ctx, a, func() (outcome, error) {
		if r.parent != nil {
			if _, err := r.find(ctx, s, in.Place); err != nil {
				return outcome{}, err
			}
		}
		return outcome{http.StatusAccepted, obj}, s.requests(in.WriteQuery).Delete(ctx, obj, only)
	})
	if err != nil {
		return nil, err
	}
	out := &deleteOutput{Warning: warningsOf(ctx), Operation: operation}
	if in.DryRun {
		out.Quota, err = s.quotaEffect(ctx, in.Place, obj, true)
	}
	return out, err
}

// output is what a response has of an object.
func (r *resource[T, P]) output(ctx context.Context, obj P) *objectOutput[T] {
	obj.SetManagedFields(nil)
	obj.GetObjectKind().SetGroupVersionKind(r.groupVersion().WithKind(reflect.TypeFor[T]().Name()))
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

// etag is that of a version; empty: there is none, as of what a dry run has not made.
func etag(version string) string {
	if version == "" {
		return ""
	}
	return `"` + version + `"`
}

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
