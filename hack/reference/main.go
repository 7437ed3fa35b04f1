// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command reference writes a page for each of Canopy's kinds, one that lists them, and one of what the master may do on seeds. It runs in `make generate`, reads
// the CRDs in a folder, and writes Markdown to another.
//
//	reference deploy/chart/files/crds docs/reference
package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"
)

const header = "<!-- Written by hack/reference from the kinds' types. DO NOT EDIT. -->\n\n"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: reference <folder of CRDs> <folder of pages>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "writing the reference:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*canopy.dev_*.yaml"))
	if err != nil {
		return err
	}
	var crds []apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		crds = append(crds, crd)
	}
	if err := os.RemoveAll(to); err != nil { // a kind that is gone has no page
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, crd := range crds {
		if err := os.WriteFile(filepath.Join(to, page(crd)), []byte(render(crd)), 0o644); err != nil {
			return err
		}
	}
	content, err := permissions(context.Background())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, "permissions.md"), []byte(content), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "README.md"), []byte(index(crds)), 0o644)
}

func page(crd apiextensionsv1.CustomResourceDefinition) string {
	return strings.ToLower(crd.Spec.Names.Kind) + ".md"
}

func index(crds []apiextensionsv1.CustomResourceDefinition) string {
	var b strings.Builder
	b.WriteString(header + "# Kinds\n\nThe kinds of `canopy.dev` live on the master, those of `hosting.canopy.dev` on seeds.\n\n| kind | group | scope | what it is |\n|---|---|---|---|\n")
	slices.SortFunc(crds, func(x, y apiextensionsv1.CustomResourceDefinition) int {
		return cmp.Or(strings.Compare(x.Spec.Group, y.Spec.Group), strings.Compare(x.Spec.Names.Kind, y.Spec.Names.Kind))
	})
	for _, crd := range crds {
		version := crd.Spec.Versions[0]
		fmt.Fprintf(&b, "| [%s](%s) | `%s/%s` | %s | %s |\n", crd.Spec.Names.Kind, page(crd), crd.Spec.Group, version.Name,
			strings.ToLower(string(crd.Spec.Scope)), cell(version.Schema.OpenAPIV3Schema.Description))
	}
	b.WriteString("\nWhat the master may do on seeds is in [permissions.md](permissions.md).\n")
	return b.String()
}

func render(crd apiextensionsv1.CustomResourceDefinition) string {
	version := crd.Spec.Versions[0]
	schema := version.Schema.OpenAPIV3Schema
	var b strings.Builder
	fmt.Fprintf(&b, "%s# %s\n\n%s\n\n", header, crd.Spec.Names.Kind, text(schema.Description))
	fmt.Fprintf(&b, "`apiVersion: %s/%s`, `kind: %s`; %s; `kubectl get %s`\n", crd.Spec.Group, version.Name, crd.Spec.Names.Kind,
		strings.ToLower(string(crd.Spec.Scope)), strings.Join(append([]string{crd.Spec.Names.Plural}, crd.Spec.Names.ShortNames...), "`, `kubectl get "))
	writeRules(&b, *schema)
	for _, part := range []string{"spec", "status"} {
		if props, ok := schema.Properties[part]; ok {
			fmt.Fprintf(&b, "\n## %s\n\n", part)
			if props.Description != "" {
				b.WriteString(text(props.Description) + "\n\n")
			}
			b.WriteString("| field | type | default | what it is |\n|---|---|---|---|\n")
			writeFields(&b, part, props)
		}
	}
	return b.String()
}

// writeRules lists what is said of the object as a whole.
func writeRules(b *strings.Builder, schema apiextensionsv1.JSONSchemaProps) {
	if len(schema.XValidations) == 0 {
		return
	}
	b.WriteString("\nRules:\n\n")
	for _, rule := range schema.XValidations {
		fmt.Fprintf(b, "* %s\n", text(rule.Message))
	}
}

// writeFields writes a line for each field of an object and what is inside of it, in alphabetical order.
func writeFields(b *strings.Builder, path string, schema apiextensionsv1.JSONSchemaProps) {
	required := sets.New(schema.Required...)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field, at := schema.Properties[name], path+"."+name
		inner, suffix := field, ""
		switch {
		case field.Items != nil && field.Items.Schema != nil:
			inner, suffix = *field.Items.Schema, "[]"
		case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
			inner = *field.AdditionalProperties.Schema
		}
		fallback := ""
		if field.Default != nil && string(field.Default.Raw) != "{}" {
			fallback = "`" + string(field.Default.Raw) + "`"
		}
		if required.Has(name) {
			fallback = "required"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", at, typeOf(field), fallback, describe(field))
		if name != "conditions" && name != "metadata" { // the same everywhere, and not ours
			writeFields(b, at+suffix, inner)
		}
	}
}

func typeOf(field apiextensionsv1.JSONSchemaProps) string {
	switch {
	case field.XIntOrString:
		return "quantity"
	case field.Type == "array" && field.Items != nil && field.Items.Schema != nil:
		return "list of " + typeOf(*field.Items.Schema)
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return "map of " + typeOf(*field.AdditionalProperties.Schema)
	case field.Format != "" && field.Type == "string":
		return field.Format
	}
	return field.Type
}

// describe joins a field's description, the values that it may have, and its rules.
func describe(field apiextensionsv1.JSONSchemaProps) string {
	parts := []string{cell(field.Description)}
	if strings.HasPrefix(field.Description, "ObjectMeta is metadata") {
		parts = []string{"labels and annotations"}
	}
	if len(field.Enum) > 0 {
		values := make([]string, 0, len(field.Enum))
		for _, value := range field.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		parts = append(parts, "One of "+strings.Join(values, ", ")+".")
	}
	if field.Minimum != nil {
		parts = append(parts, fmt.Sprintf("At least %v.", *field.Minimum))
	}
	if field.Maximum != nil {
		parts = append(parts, fmt.Sprintf("At most %v.", *field.Maximum))
	}
	if field.MinProperties != nil && field.MaxProperties != nil && *field.MinProperties == 1 && *field.MaxProperties == 1 {
		parts = append(parts, "Exactly one of its fields.")
	}
	for _, rule := range field.XValidations {
		parts = append(parts, "Rule: "+cell(rule.Message)+".")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// text makes one paragraph of a description.
func text(description string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(description), " "), "<", `\<`)
}

// cell makes a description fit into a cell of a table.
func cell(description string) string {
	return strings.ReplaceAll(text(description), "|", `\|`)
}
