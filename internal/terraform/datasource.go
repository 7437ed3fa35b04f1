// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"net/url"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
)

// known are the attributes of something that exists. Its place is said, or found out as well.
func (k *kind) known(placed schema.StringAttribute) map[string]schema.Attribute {
	attributes := k.spec.shownAttributes()
	for _, f := range k.shown {
		attributes[f.name] = schema.StringAttribute{Computed: true, MarkdownDescription: f.description}
	}
	attributes["id"] = schema.StringAttribute{Computed: true, MarkdownDescription: "`" + k.form() + "`."}
	attributes[labels] = schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Its labels."}
	for part := range strings.SplitSeq(k.form(), "/") {
		placed.MarkdownDescription = "Its " + part + "."
		attributes[part] = placed
	}
	return attributes
}

// one is the data source of a thing that is named.
type one struct {
	*kind

	platform *installation
}

var _ datasource.DataSourceWithConfigure = (*one)(nil)

// Metadata names the data source.
func (d *one) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + d.name
}

// Configure takes over the connection.
func (d *one) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (d *one) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{MarkdownDescription: d.description, Attributes: d.known(schema.StringAttribute{Required: true})}
}

// Read asks the platform.
func (d *one) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	at := d.locate(members(&resp.Diagnostics, req.Config.Raw))
	there, err := d.platform.client.Object(ctx, api.Request{Path: d.item(at)})
	if err != nil {
		d.explain(&resp.Diagnostics, "canopy_"+d.name+" "+d.id(at)+" cannot be read", err)
		return
	}
	typ := req.Config.Raw.Type().(tftypes.Object)
	values, err := d.values(there.Object, at, typ, nil)
	if err != nil {
		d.explain(&resp.Diagnostics, "The platform's answer cannot be understood", err)
		return
	}
	resp.State.Raw = tftypes.NewValue(typ, values)
}

// all is the data source of all things of a kind.
type all struct {
	*kind

	platform *installation
}

var _ datasource.DataSourceWithConfigure = (*all)(nil)

// Metadata names the data source.
func (d *all) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + d.plural
}

// Configure takes over the connection.
func (d *all) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (d *all) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"label_selector": schema.StringAttribute{Optional: true, MarkdownDescription: "Only those with these labels, such as `team=shop`."},
		d.plural: schema.ListNestedAttribute{
			Computed: true, MarkdownDescription: "All of them that you may see.",
			NestedObject: schema.NestedAttributeObject{Attributes: d.known(schema.StringAttribute{Computed: true})},
		},
	}
	if d.inProject {
		attributes["project"] = schema.StringAttribute{Required: !d.everywhere(), Optional: d.everywhere(), MarkdownDescription: "The project that they are in."}
	}
	if d.inCluster {
		attributes["cluster"] = schema.StringAttribute{Required: true, MarkdownDescription: "The cluster that they are of."}
	}
	resp.Schema = schema.Schema{MarkdownDescription: d.description, Attributes: attributes}
}

// everywhere says whether there is one list over all projects.
func (k *kind) everywhere() bool { return k == &cluster }

// Read asks the platform.
func (d *all) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	attributes := members(&resp.Diagnostics, req.Config.Raw)
	at := d.locate(attributes)
	query := url.Values{}
	if selector := stringOf(attributes["label_selector"]); selector != "" {
		query.Set("labelSelector", selector)
	}
	list, err := d.platform.client.List(ctx, d.list(at), query)
	if err != nil {
		d.explain(&resp.Diagnostics, "canopy_"+d.plural+" cannot be read", err)
		return
	}
	typ := req.Config.Raw.Type().(tftypes.Object)
	listType := typ.AttributeTypes[d.plural].(tftypes.List)
	items := make([]tftypes.Value, 0, len(list.Items))
	for i := range list.Items {
		values, err := d.values(list.Items[i].Object, placeOf(&list.Items[i], at), listType.ElementType.(tftypes.Object), nil)
		if err != nil {
			d.explain(&resp.Diagnostics, "The platform's answer cannot be understood", err)
			return
		}
		items = append(items, tftypes.NewValue(listType.ElementType, values))
	}
	attributes[d.plural] = tftypes.NewValue(listType, items)
	resp.State.Raw = tftypes.NewValue(typ, attributes)
}

// placeOf says where an item of a list is.
func placeOf(u *unstructured.Unstructured, in place) place {
	in.name = u.GetName()
	if name, ok := strings.CutPrefix(u.GetNamespace(), v1alpha1.ProjectNamespacePrefix); ok {
		in.project = name
	}
	return in
}
