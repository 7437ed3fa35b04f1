// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	datasource "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/boolplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// attribute is how the value is written in a resource. What has a default is computed, and its default is part of the plan, so
// that what the server fills in is no difference.
func (n *node) attribute() schema.Attribute {
	optional, computed := !n.required, n.preset != nil
	switch n.shape {
	case integer:
		a := schema.Int64Attribute{Required: n.required, Optional: optional, Computed: computed, MarkdownDescription: n.description}
		if computed {
			a.Default = int64default.StaticInt64(int64(n.preset.(float64)))
		}
		if n.fixed {
			a.PlanModifiers = []planmodifier.Int64{int64planmodifier.RequiresReplace()}
		}
		return a
	case boolean:
		a := schema.BoolAttribute{Required: n.required, Optional: optional, Computed: computed, MarkdownDescription: n.description}
		if computed {
			a.Default = booldefault.StaticBool(n.preset.(bool))
		}
		if n.fixed {
			a.PlanModifiers = []planmodifier.Bool{boolplanmodifier.RequiresReplace()}
		}
		return a
	case list, set, dict:
		return n.collection()
	case object:
		a := schema.SingleNestedAttribute{
			Required: n.required, Optional: optional, Computed: computed, MarkdownDescription: n.description, Attributes: n.attributes(),
		}
		if computed {
			a.Default = objectdefault.StaticValue(n.filledObject(a.GetType()))
		}
		if n.fixed {
			a.PlanModifiers = []planmodifier.Object{objectplanmodifier.RequiresReplace()}
		}
		return a
	}
	a := schema.StringAttribute{Required: n.required, Optional: optional, Computed: computed, MarkdownDescription: n.description}
	if computed {
		a.Default = stringdefault.StaticString(fmt.Sprint(n.preset))
	}
	if n.fixed {
		a.PlanModifiers = []planmodifier.String{stringplanmodifier.RequiresReplace()}
	}
	return a
}

// collection is how lists, sets and dictionaries are written. No kind has a default for one.
func (n *node) collection() schema.Attribute {
	if n.elem.shape == object {
		nested := schema.NestedAttributeObject{Attributes: n.elem.attributes()}
		if n.shape == dict {
			return schema.MapNestedAttribute{Required: n.required, Optional: !n.required, MarkdownDescription: n.description, NestedObject: nested}
		}
		return schema.ListNestedAttribute{Required: n.required, Optional: !n.required, MarkdownDescription: n.description, NestedObject: nested}
	}
	elem := n.elem.attribute().GetType()
	switch n.shape {
	case set:
		return schema.SetAttribute{Required: n.required, Optional: !n.required, MarkdownDescription: n.description, ElementType: elem}
	case dict:
		return schema.MapAttribute{Required: n.required, Optional: !n.required, MarkdownDescription: n.description, ElementType: elem}
	}
	return schema.ListAttribute{Required: n.required, Optional: !n.required, MarkdownDescription: n.description, ElementType: elem}
}

// attributes are those of an object.
func (n *node) attributes() map[string]schema.Attribute {
	out := map[string]schema.Attribute{}
	for _, f := range n.fields {
		out[f.name] = f.attribute()
	}
	return out
}

// filledObject is the default of an object.
func (n *node) filledObject(of attr.Type) types.Object {
	ctx := context.Background()
	raw, err := n.fromJSON(n.filled(), tftypes.NewValue(of.TerraformType(ctx), nil))
	if err != nil {
		panic(err) // the definition is in the binary
	}
	value, err := of.ValueFromTerraform(ctx, raw)
	if err != nil {
		panic(err)
	}
	return value.(types.Object)
}

// shown is how the value is written in a data source, where nobody says it.
func (n *node) shown() datasource.Attribute {
	switch n.shape {
	case integer:
		return datasource.Int64Attribute{Computed: true, MarkdownDescription: n.description}
	case boolean:
		return datasource.BoolAttribute{Computed: true, MarkdownDescription: n.description}
	case object:
		return datasource.SingleNestedAttribute{Computed: true, MarkdownDescription: n.description, Attributes: n.shownAttributes()}
	case list, set, dict:
		if n.elem.shape == object {
			nested := datasource.NestedAttributeObject{Attributes: n.elem.shownAttributes()}
			if n.shape == dict {
				return datasource.MapNestedAttribute{Computed: true, MarkdownDescription: n.description, NestedObject: nested}
			}
			return datasource.ListNestedAttribute{Computed: true, MarkdownDescription: n.description, NestedObject: nested}
		}
		elem := n.elem.shown().GetType()
		switch n.shape {
		case set:
			return datasource.SetAttribute{Computed: true, MarkdownDescription: n.description, ElementType: elem}
		case dict:
			return datasource.MapAttribute{Computed: true, MarkdownDescription: n.description, ElementType: elem}
		}
		return datasource.ListAttribute{Computed: true, MarkdownDescription: n.description, ElementType: elem}
	}
	return datasource.StringAttribute{Computed: true, MarkdownDescription: n.description}
}

func (n *node) shownAttributes() map[string]datasource.Attribute {
	out := map[string]datasource.Attribute{}
	for _, f := range n.fields {
		out[f.name] = f.shown()
	}
	return out
}
