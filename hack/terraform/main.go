// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command terraform writes the reference of the Terraform provider to the file that it is given. It runs while files are generated and
// reads the provider that is in its own binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/terraform"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "writing the reference of the provider:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one file, got %d", len(args))
	}
	provider, err := terraform.New(deploy.Version())
	if err != nil {
		return err
	}
	schema, err := providerserver.NewProtocol6(provider())().GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return err
	}
	for _, d := range schema.Diagnostics {
		return errors.New(d.Summary + ": " + d.Detail)
	}
	var out strings.Builder
	write(&out, schema)
	return os.WriteFile(args[0], []byte(out.String()), 0o644)
}

func write(out io.Writer, s *tfprotov6.GetProviderSchemaResponse) {
	fmt.Fprintf(out, "# The Terraform provider\n\n`%s`. See [how to use it](../how-to/terraform.md).\n", terraform.Address)
	fmt.Fprint(out, "\nAn attribute of the platform's kinds has the name of its field, in snake case: `podCIDR` is `pod_cidr`. What is `provider` there, is\n`infrastructure` here, since Terraform has another meaning for that word.\n")
	section(out, "provider", "canopy", s.Provider)
	for _, name := range slices.Sorted(maps.Keys(s.ResourceSchemas)) {
		section(out, "resource", name, s.ResourceSchemas[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.EphemeralResourceSchemas)) {
		section(out, "ephemeral", name, s.EphemeralResourceSchemas[name])
	}
	fmt.Fprint(out, "\n## Data sources\n\nEach has the attributes of the resource, except `timeouts`, and each has a plural with all of a kind in a list of that name,\nwhich a `label_selector` narrows down.\n\n")
	for _, name := range slices.Sorted(maps.Keys(s.DataSourceSchemas)) {
		if _, plural := attribute(s.DataSourceSchemas[name], "label_selector"); !plural {
			fmt.Fprintf(out, "* `%s`\n", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.DataSourceSchemas)) {
		if _, known := s.ResourceSchemas[name]; known || strings.HasSuffix(name, "s") {
			continue
		}
		section(out, "data", name, s.DataSourceSchemas[name])
	}
}

func attribute(s *tfprotov6.Schema, name string) (*tfprotov6.SchemaAttribute, bool) {
	i := slices.IndexFunc(s.Block.Attributes, func(a *tfprotov6.SchemaAttribute) bool { return a.Name == name })
	if i < 0 {
		return nil, false
	}
	return s.Block.Attributes[i], true
}

func section(out io.Writer, what, name string, s *tfprotov6.Schema) {
	fmt.Fprintf(out, "\n## %s `%s`\n\n%s\n\n| attribute | type | |\n|---|---|---|\n", what, name, s.Block.Description)
	rows(out, "", s.Block.Attributes)
}

// rows writes what has to be said first, then what may be, then what the platform says.
func rows(out io.Writer, prefix string, attributes []*tfprotov6.SchemaAttribute) {
	rank := func(a *tfprotov6.SchemaAttribute) int {
		switch {
		case a.Required:
			return 0
		case a.Optional:
			return 1
		}
		return 2
	}
	attributes = slices.SortedStableFunc(slices.Values(attributes), func(a, b *tfprotov6.SchemaAttribute) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, a := range attributes {
		notes := []string{"required", "optional", "read-only"}[rank(a)]
		if a.Sensitive {
			notes += ", sensitive"
		}
		fmt.Fprintf(out, "| `%s%s` | %s | *%s.* %s |\n", prefix, a.Name, typeOf(a), notes, strings.ReplaceAll(a.Description, "|", `\|`))
		if a.NestedType != nil {
			rows(out, prefix+a.Name+".", a.NestedType.Attributes)
		}
	}
}

func typeOf(a *tfprotov6.SchemaAttribute) string {
	if a.NestedType != nil {
		return map[tfprotov6.SchemaObjectNestingMode]string{
			tfprotov6.SchemaObjectNestingModeSingle: "object", tfprotov6.SchemaObjectNestingModeList: "list of objects",
			tfprotov6.SchemaObjectNestingModeSet: "set of objects", tfprotov6.SchemaObjectNestingModeMap: "map of objects",
		}[a.NestedType.Nesting]
	}
	return strings.ToLower(strings.NewReplacer("tftypes.", "", "[", " of ", "]", "", "DynamicPseudoType", "any").Replace(a.Type.String()))
}
