// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/deploy"
)

// shape is what a value looks like.
type shape int

const (
	text shape = iota
	integer
	boolean
	quantity // an amount, such as 500m or 2Gi: text of which there are several spellings
	list
	set
	dict
	object
)

// node is a value of a kind, as its CustomResourceDefinition describes it. From it follow the attribute in Terraform, and how its
// values become JSON and come from there.
type node struct {
	shape    shape
	elem     *node // of a list, a set, a dict
	fields   []field
	required bool
	// fixed says that it cannot be changed: something else takes its place.
	fixed bool
	// telling says that being there means something, even without members: one of several providers, for example.
	telling bool
	// preset is its default, as in JSON; nil: it has none.
	preset      any
	description string
}

// field is a member of an object: name in Terraform, and key in JSON.
type field struct {
	name, key string
	*node
}

// crd is a CustomResourceDefinition, as far as it matters here.
type crd struct {
	schema apiextensionsv1.JSONSchemaProps
}

// readCRD reads the definition of a kind from the chart, which is in the binary: what the platform checks is what Terraform knows.
func readCRD(plural string) (*crd, error) {
	content, err := fs.ReadFile(deploy.Chart(), "files/crds/canopy.dev_"+plural+".yaml")
	if err != nil {
		return nil, err
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(content, definition); err != nil {
		return nil, fmt.Errorf("reading the definition of %s: %w", plural, err)
	}
	if n := len(definition.Spec.Versions); n != 1 {
		return nil, fmt.Errorf("%s have %d versions, want one", plural, n)
	}
	return &crd{*definition.Spec.Versions[0].Schema.OpenAPIV3Schema}, nil
}

// spec returns what people say of the kind, without the fields that are somebody else's.
func (c *crd) spec(without ...string) (*node, error) {
	spec, err := nodeOf(c.schema.Properties["spec"])
	if err != nil {
		return nil, err
	}
	for _, path := range fixedPaths(c.schema.XValidations) {
		if n := spec.at(strings.Split(strings.TrimPrefix(path, "spec."), ".")); n != nil {
			n.fixed = true
		}
	}
	spec.fields = slices.DeleteFunc(spec.fields, func(f field) bool { return slices.Contains(without, f.key) })
	return spec, nil
}

// at returns the member that keys lead to, or nil.
func (n *node) at(keys []string) *node {
	for _, key := range keys {
		i := slices.IndexFunc(n.fields, func(f field) bool { return f.key == key })
		if i < 0 {
			return nil
		}
		n = n.fields[i].node
	}
	return n
}

var unchanged = regexp.MustCompile(`^self(?:\.([A-Za-z.]+))? == oldSelf(?:\.([A-Za-z.]+))?$`)

// fixedPaths returns what rules say that cannot be changed; the empty path is the value itself that has the rules.
func fixedPaths(rules apiextensionsv1.ValidationRules) []string {
	var paths []string
	for _, rule := range rules {
		for part := range strings.SplitSeq(strings.Join(strings.Fields(rule.Rule), " "), " && ") {
			match := unchanged.FindStringSubmatch(part)
			if match == nil || match[1] != match[2] { // the rule says more than that
				continue
			}
			paths = append(paths, match[1])
		}
	}
	return paths
}

func nodeOf(s apiextensionsv1.JSONSchemaProps) (*node, error) {
	n := &node{fixed: slices.Contains(fixedPaths(s.XValidations), "")}
	if s.Default != nil {
		if err := json.Unmarshal(s.Default.Raw, &n.preset); err != nil {
			return nil, err
		}
	}
	n.description = describe(s, n.preset)
	var elem *apiextensionsv1.JSONSchemaProps
	switch {
	case s.XIntOrString:
		n.shape = quantity
	case s.Type == "string":
		n.shape = text
	case s.Type == "integer":
		n.shape = integer
	case s.Type == "boolean":
		n.shape = boolean
	case s.Type == "array":
		n.shape, elem = list, s.Items.Schema
		if s.XListType != nil && *s.XListType == "set" {
			n.shape = set
		}
	case s.Type == "object" && s.AdditionalProperties != nil:
		n.shape, elem = dict, s.AdditionalProperties.Schema
	case s.Type == "object":
		n.shape = object
	default:
		return nil, fmt.Errorf("there is no attribute for the type %q", s.Type)
	}
	if elem != nil {
		var err error
		n.elem, err = nodeOf(*elem)
		return n, err
	}
	for key, property := range s.Properties {
		member, err := nodeOf(property)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		member.required = slices.Contains(s.Required, key)
		member.telling = member.required
		if key == "provider" {
			for _, choice := range member.fields {
				choice.telling = true
			}
		}
		n.fields = append(n.fields, field{nameOf(key), key, member})
	}
	slices.SortFunc(n.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return n, nil
}

// describe makes a paragraph of a description, with the default where it is a single value.
func describe(s apiextensionsv1.JSONSchemaProps, preset any) string {
	text := strings.Join(strings.Fields(s.Description), " ")
	switch preset.(type) {
	case string, bool, float64:
		text = strings.TrimSpace(fmt.Sprintf("%s Default: `%v`.", text, preset))
	}
	return text
}

// nameOf returns the name of an attribute for a key of JSON: podCIDR is pod_cidr. Terraform has a meaning of its own for provider.
func nameOf(key string) string {
	if key == "provider" {
		return "infrastructure"
	}
	var name strings.Builder
	runes := []rune(key)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			last := i+1 == len(runes) || i+2 == len(runes) && runes[i+1] == 's' // SANs is one word
			if unicode.IsLower(runes[i-1]) || !last && unicode.IsLower(runes[i+1]) {
				name.WriteByte('_')
			}
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

// filled returns the default of a value with those of its members filled in, or nil.
func (n *node) filled() any {
	members, ok := n.preset.(map[string]any)
	if !ok || n.shape != object {
		return n.preset
	}
	out := map[string]any{}
	for _, f := range n.fields {
		if value, there := members[f.key]; there {
			out[f.key] = value
		} else if value := f.filled(); value != nil {
			out[f.key] = value
		}
	}
	return out
}

// replaces says whether members that cannot be changed differ.
func (n *node) replaces(before, after map[string]tftypes.Value) bool {
	for _, f := range n.fields {
		a, b := before[f.name], after[f.name]
		if f.fixed && !a.Equal(b) {
			return true
		}
		var x, y map[string]tftypes.Value
		if f.shape == object && a.As(&x) == nil && b.As(&y) == nil && f.replaces(x, y) {
			return true
		}
	}
	return false
}
