// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
)

// memberResource is somebody in a project. It is no kind: the Project has all of them, and this changes one without the others.
type memberResource struct{ platform *installation }

var (
	_ resource.ResourceWithConfigure   = (*memberResource)(nil)
	_ resource.ResourceWithImportState = (*memberResource)(nil)
)

// member are the attributes.
type member struct {
	ID      types.String `tfsdk:"id"`
	Project types.String `tfsdk:"project"`
	Kind    types.String `tfsdk:"kind"`
	Name    types.String `tfsdk:"name"`
	Role    types.String `tfsdk:"role"`
}

// listed is a member as the API lists it.
type listed struct {
	ID   string `json:"id"`
	Role string `json:"role"`
}

// Metadata names the resource.
func (r *memberResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_member"
}

// Configure takes over the connection.
func (r *memberResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (r *memberResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Somebody in a project, with a role there and in its clusters. Who is a member otherwise stays one.",
		Attributes: map[string]schema.Attribute{
			"project": named("The project."),
			"name":    named("E-mail address of a user, name of a group at the login's issuer, or name of a service account of the project."),
			"kind": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(string(v1alpha1.MemberUser)),
				MarkdownDescription: "`User`, `Group` or `ServiceAccount`.", PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"role": schema.StringAttribute{Required: true, MarkdownDescription: "`Owner`, `Editor`, `Viewer`, or the name of a role that an administrator has made."},
			"id": schema.StringAttribute{
				Computed: true, MarkdownDescription: "`project/kind:name`, by which it can be imported.",
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			},
		},
	}
}

// key names the member in the API's paths.
func (m member) key() string {
	if m.Kind.ValueString() == string(v1alpha1.MemberServiceAccount) {
		return m.Kind.ValueString() + ":" + v1alpha1.ProjectNamespacePrefix + m.Project.ValueString() + ":" + m.Name.ValueString()
	}
	return m.Kind.ValueString() + ":" + m.Name.ValueString()
}

func (m member) path() string {
	return api.Path("projects", m.Project.ValueString(), "members", m.key())
}

// Create adds the member, or takes over one who is there.
func (r *memberResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	r.put(ctx, req.Plan, &resp.State, &resp.Diagnostics)
}

// Update changes the role.
func (r *memberResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	r.put(ctx, req.Plan, &resp.State, &resp.Diagnostics)
}

func (r *memberResource) put(ctx context.Context, plan tfsdk.Plan, state *tfsdk.State, diags *diag.Diagnostics) {
	var m member
	diags.Append(plan.Get(ctx, &m)...)
	if diags.HasError() {
		return
	}
	request := api.Request{Method: http.MethodPut, Path: m.path(), Body: map[string]any{"role": m.Role.ValueString()}}
	operation, err := r.platform.send(ctx, request)
	if err == nil { // until the member has the rights that go with the role: what comes next may need them
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, usualTimeout)
		defer cancel()
		err = r.platform.await(ctx, &project, place{name: m.Project.ValueString()}, operation)
	}
	if err != nil {
		project.explain(diags, "The platform refuses it", err)
		return
	}
	m.ID = types.StringValue(m.Project.ValueString() + "/" + m.Kind.ValueString() + ":" + m.Name.ValueString())
	diags.Append(state.Set(ctx, m)...)
}

// Read finds out which role the member has.
func (r *memberResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m member
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var found struct {
		Items []listed `json:"items"`
	}
	err := r.platform.client.Into(ctx, api.Request{Path: api.Path("projects", m.Project.ValueString(), "members")}, &found)
	if err != nil && !api.IsNotFound(err) {
		project.explain(&resp.Diagnostics, "It cannot be read", err)
		return
	}
	i := slices.IndexFunc(found.Items, func(item listed) bool { return item.ID == m.key() })
	if i < 0 {
		resp.State.RemoveResource(ctx)
		return
	}
	m.Role = types.StringValue(found.Items[i].Role)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// Delete takes the member out of the project.
func (r *memberResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m member
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	err := r.platform.client.Into(ctx, api.Request{Method: http.MethodDelete, Path: m.path()}, nil)
	if err != nil && !api.IsNotFound(err) {
		project.explain(&resp.Diagnostics, "It is not deleted", err)
	}
}

// ImportState takes over a member who is there.
func (r *memberResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	in, rest, ok := strings.Cut(req.ID, "/")
	kind, name, also := strings.Cut(rest, ":")
	if !ok || !also {
		resp.Diagnostics.AddError("This is no id of a canopy_member", fmt.Sprintf("%q is not project/kind:name, such as shop/User:ada@example.com", req.ID))
		return
	}
	for attribute, value := range map[string]string{"id": req.ID, "project": in, "kind": kind, "name": name} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(attribute), value)...)
	}
}
