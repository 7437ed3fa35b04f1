// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// ownVersion is that of this command.
func ownVersion() string { return deploy.Version() }

func userAgent() string {
	return fmt.Sprintf("canopy/%s (%s/%s)", ownVersion(), runtime.GOOS, runtime.GOARCH)
}

// newVersionCommand returns "canopy version".
func newVersionCommand() *cobra.Command {
	var (
		f          clientFlags
		o          output.Options
		clientOnly bool
	)
	cmd := &cobra.Command{
		Use: "version", Short: "Show the versions of this command and of the platform", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			versions := map[string]any{"client": ownVersion()}
			if !clientOnly {
				s, err := f.open(cmd)
				if err != nil {
					return err
				}
				var server struct {
					Version string `json:"version"`
				}
				if err := s.anonymous.Into(cmd.Context(), api.Request{Path: api.Path("version")}, &server); err != nil {
					return explain("asking "+s.current.Server+" for its version", err)
				}
				versions["server"] = server.Version
				if server.Version != ownVersion() {
					s.say("%s the platform has another version than this command; what is new in one of them may be missing.\n", s.style.Waiting("Warning:"))
				}
			}
			if o.Machine() {
				return o.PrintDocument(cmd.OutOrStdout(), versions)
			}
			for _, name := range []string{"client", "server"} {
				if version, ok := versions[name]; ok {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %v\n", name, version)
				}
			}
			return nil
		},
	}
	f.add(cmd)
	o.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&clientOnly, "client", false, "of this command only")
	return cmd
}

// newExplainCommand returns "canopy explain": the fields of the kinds.
func newExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain KIND[.FIELD...]", Short: "Explain a kind of document, or one of its fields", Args: cobra.ExactArgs(1),
		Example: "  canopy explain cluster\n  canopy explain cluster.spec.network\n  canopy explain nodepool.spec.taints",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, fields, _ := strings.Cut(args[0], ".")
			n, err := findNoun(kind)
			if err != nil {
				return err
			}
			if n.kind == "" {
				return output.Usage("%s are no documents that are written: canopy describe %s shows what they are", n.plural, n.name)
			}
			schema, err := schemaOf(n.kind)
			if err != nil {
				return err
			}
			at := n.name
			for field := range strings.SplitSeq(fields, ".") {
				if field == "" {
					continue
				}
				parent := schema
				if schema = child(schema, field); schema == nil {
					return output.Usage("%s has no field %q; it has %s", at, field, strings.Join(fieldNames(parent), ", "))
				}
				at += "." + field
			}
			printSchema(cmd, at, schema)
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, n := range nouns {
				if n.kind != "" {
					names = append(names, n.name)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
	}
}

// schemaOf returns the schema of a kind, which is in this command as it is on the platform.
func schemaOf(kind string) (*apiextensionsv1.JSONSchemaProps, error) {
	files, err := fs.Glob(deploy.Chart(), path.Join("files", "crds", v1alpha1.GroupVersion.Group+"_*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		content, err := fs.ReadFile(deploy.Chart(), name)
		if err != nil {
			return nil, err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(content, crd); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if crd.Spec.Names.Kind == kind {
			return crd.Spec.Versions[0].Schema.OpenAPIV3Schema, nil
		}
	}
	return nil, fmt.Errorf("there is no schema of the kind %s", kind)
}

// fieldsOf returns what has the fields: the schema itself, that of the items of a list, or of the values of a map.
func fieldsOf(schema *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	switch {
	case schema.Items != nil && schema.Items.Schema != nil:
		return fieldsOf(schema.Items.Schema)
	case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		return fieldsOf(schema.AdditionalProperties.Schema)
	}
	return schema
}

func child(schema *apiextensionsv1.JSONSchemaProps, field string) *apiextensionsv1.JSONSchemaProps {
	if found, ok := fieldsOf(schema).Properties[field]; ok {
		return &found
	}
	return nil
}

func fieldNames(schema *apiextensionsv1.JSONSchemaProps) []string {
	var names []string
	for name := range fieldsOf(schema).Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// typeName says what a value is, as people write it.
func typeName(schema *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case schema.XIntOrString:
		return "number or string"
	case schema.Items != nil && schema.Items.Schema != nil:
		return "list of " + typeName(schema.Items.Schema)
	case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		return "map of " + typeName(schema.AdditionalProperties.Schema)
	}
	return cmp.Or(schema.Type, "anything")
}

func printSchema(cmd *cobra.Command, at string, schema *apiextensionsv1.JSONSchemaProps) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s <%s>\n", at, typeName(schema))
	if schema.Description != "" {
		fmt.Fprintf(out, "\n  %s\n", strings.ReplaceAll(schema.Description, "\n", "\n  "))
	}
	var rules []string
	if schema.Default != nil {
		rules = append(rules, "default: "+string(schema.Default.Raw))
	}
	for _, value := range schema.Enum {
		rules = append(rules, "may be: "+string(value.Raw))
	}
	if schema.Pattern != "" {
		rules = append(rules, "pattern: "+schema.Pattern)
	}
	for _, rule := range schema.XValidations {
		rules = append(rules, "rule: "+cmp.Or(rule.Message, rule.Rule))
	}
	for _, rule := range rules {
		fmt.Fprintf(out, "  • %s\n", rule)
	}
	names := fieldNames(schema)
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(out, "\nFields:\n")
	for _, name := range names {
		field := child(schema, name)
		needed := ""
		if slices.Contains(fieldsOf(schema).Required, name) {
			needed = ", required"
		}
		fmt.Fprintf(out, "  %s <%s%s>\n", name, typeName(field), needed)
		if first, _, _ := strings.Cut(field.Description, "\n"); first != "" {
			fmt.Fprintf(out, "      %s\n", first)
		}
	}
}
