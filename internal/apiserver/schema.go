// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/deploy"
)

// schemaPrefix is where the document has its schemas.
const schemaPrefix = "#/components/schemas/"

// newRegistry returns the schemas of the document: the kinds have those of their CustomResourceDefinitions, so that a request
// is checked by the rules by which it is stored; what is the API's own has those of its Go types.
func newRegistry() (huma.Registry, error) {
	registry := huma.NewMapRegistry(schemaPrefix, schemaName)
	schemas := registry.Map()
	schemas["ObjectMeta"] = objectMeta()
	crds, err := definitions(deploy.Chart())
	if err != nil {
		return nil, err
	}
	for _, crd := range crds {
		version := crd.Spec.Versions[0]
		addKind(schemas, crd.Spec.Names.Kind, version.Schema.OpenAPIV3Schema)
	}
	schemas["ServiceAccount"] = serviceAccount()
	for _, schema := range schemas {
		schema.PrecomputeMessages()
	}
	return registry, nil
}

// definitions returns the CustomResourceDefinitions of the master's kinds.
func definitions(chart fs.FS) ([]apiextensionsv1.CustomResourceDefinition, error) {
	files, err := fs.Glob(chart, path.Join("files", "crds", v1alpha1.GroupVersion.Group+"_*.yaml"))
	if err != nil {
		return nil, err
	}
	crds := make([]apiextensionsv1.CustomResourceDefinition, len(files))
	for i, name := range files {
		content, err := fs.ReadFile(chart, name)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(content, &crds[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return crds, nil
}

// schemaName is what a Go type is called in the document: a List[Cluster] is a ClusterList.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if of, ok := strings.CutPrefix(name, "List"); ok && of != "" {
		return of + "List"
	}
	return name
}

// kindSchema is what stands for a kind among the Go types: a reference to its schema.
type kindSchema[T any] struct{}

// Schema returns the reference.
func (kindSchema[T]) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Ref: schemaPrefix + reflect.TypeFor[T]().Name()}
}

// useKind makes the document refer to the schema of the kind T wherever T is.
func useKind[T any](registry huma.Registry) {
	registry.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[kindSchema[T]]())
}

// addKind adds the schema of a kind, with its spec and status as schemas of their own.
func addKind(schemas map[string]*huma.Schema, kind string, definition *apiextensionsv1.JSONSchemaProps) {
	schema := convert(definition)
	for _, part := range []string{"spec", "status"} {
		if schema.Properties[part] == nil {
			continue
		}
		name := kind + strings.ToUpper(part[:1]) + part[1:]
		schemas[name] = schema.Properties[part]
		description := schema.Properties[part].Description
		schema.Properties[part] = &huma.Schema{Ref: schemaPrefix + name, Description: description, ReadOnly: part == "status"}
	}
	schema.Properties["metadata"] = &huma.Schema{Ref: schemaPrefix + "ObjectMeta"}
	schema.Properties["apiVersion"] = &huma.Schema{Type: huma.TypeString, Enum: []any{v1alpha1.GroupVersion.String()}}
	schema.Properties["kind"] = &huma.Schema{Type: huma.TypeString, Enum: []any{kind}}
	schemas[kind] = schema
}

// objectMeta is the part of Kubernetes' metadata that people see. Only the first few are theirs to write; the others may be sent
// back as they came.
func objectMeta() *huma.Schema {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	texts := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Description: description, AdditionalProperties: &huma.Schema{Type: huma.TypeString}}
	}
	shown := func(schema *huma.Schema) *huma.Schema { schema.ReadOnly = true; return schema }
	moment := func(description string) *huma.Schema {
		return shown(&huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true, Description: description})
	}
	return &huma.Schema{
		Type:        huma.TypeObject,
		Description: "ObjectMeta is the metadata of a Kubernetes object.",
		Properties: map[string]*huma.Schema{
			"name":                       text("name is unique among the objects of its kind in the project, and cannot be changed."),
			"generateName":               text("generateName is a prefix to which Kubernetes adds random characters, where there is no name."),
			"labels":                     texts("labels can be selected by."),
			"annotations":                texts("annotations are for tools."),
			"namespace":                  shown(text("namespace is that of the project on the master.")),
			"uid":                        shown(text("uid is never given to another object.")),
			"resourceVersion":            shown(text("resourceVersion changes with each change of the object; it is its ETag, too.")),
			"selfLink":                   shown(text("selfLink is empty.")),
			"generation":                 shown(&huma.Schema{Type: huma.TypeInteger, Format: "int64", Description: "generation counts the changes of the spec."}),
			"creationTimestamp":          moment("creationTimestamp is when the object was made."),
			"deletionTimestamp":          moment("deletionTimestamp is when somebody asked for its deletion; it goes when nothing keeps it."),
			"deletionGracePeriodSeconds": shown(&huma.Schema{Type: huma.TypeInteger, Format: "int64"}),
			"finalizers":                 shown(&huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Description: "finalizers keep the object until their owners are done."}),
			"ownerReferences":            shown(&huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}),
			"managedFields":              shown(&huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}),
		},
		AdditionalProperties: false,
	}
}

// serviceAccount is Kubernetes' own kind, of which nothing but the metadata is for people.
func serviceAccount() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: "ServiceAccount is an account for programs of a project.", AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"apiVersion": {Type: huma.TypeString, Enum: []any{"v1"}},
			"kind":       {Type: huma.TypeString, Enum: []any{"ServiceAccount"}},
			"metadata":   {Ref: schemaPrefix + "ObjectMeta"},
		},
	}
}

// convert turns a schema of a CustomResourceDefinition into one of the document. Unlike there, unknown fields are an error.
func convert(in *apiextensionsv1.JSONSchemaProps) *huma.Schema {
	if in == nil {
		return nil
	}
	out := &huma.Schema{
		Type: in.Type, Description: in.Description, Format: in.Format, Nullable: in.Nullable, Pattern: in.Pattern,
		Minimum: in.Minimum, Maximum: in.Maximum, MinLength: number(in.MinLength), MaxLength: number(in.MaxLength),
		MinItems: number(in.MinItems), MaxItems: number(in.MaxItems), MinProperties: number(in.MinProperties), MaxProperties: number(in.MaxProperties),
		Required: in.Required, UniqueItems: in.UniqueItems,
	}
	if in.XIntOrString {
		out.AnyOf, out.Pattern = []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString, Pattern: in.Pattern}}, ""
	}
	if in.Default != nil {
		out.Default = decoded(in.Default.Raw)
	}
	for _, value := range in.Enum {
		out.Enum = append(out.Enum, decoded(value.Raw))
	}
	if in.Items != nil {
		out.Items = convert(in.Items.Schema)
	}
	if in.Type != huma.TypeObject {
		return out
	}
	out.Properties = map[string]*huma.Schema{}
	for _, name := range slices.Sorted(maps.Keys(in.Properties)) {
		property := in.Properties[name]
		out.Properties[name] = convert(&property)
	}
	switch {
	case in.AdditionalProperties != nil && in.AdditionalProperties.Schema != nil:
		out.AdditionalProperties = convert(in.AdditionalProperties.Schema)
	default:
		out.AdditionalProperties = in.XPreserveUnknownFields != nil && *in.XPreserveUnknownFields
	}
	return out
}

func decoded(raw []byte) any {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		panic(fmt.Sprintf("a CustomResourceDefinition of ours has %q: %v", raw, err)) // it is in the binary
	}
	return value
}

func number(n *int64) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}
