// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"canopy.dev/canopy/internal/cli/api"
)

// kindResource is the resource of a kind. Everything that Terraform does with it follows from the kind.
type kindResource struct {
	*kind

	platform *installation
}

var (
	_ resource.ResourceWithConfigure   = (*kindResource)(nil)
	_ resource.ResourceWithImportState = (*kindResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*kindResource)(nil)
)

// Metadata names the resource.
func (r *kindResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.name
}

// Configure takes over the connection.
func (r *kindResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (r *kindResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := r.spec.attributes()
	if r.inProject {
		attributes["project"] = named("The project that it is in.")
	}
	attributes["name"] = named("Its name.")
	attributes["id"] = schema.StringAttribute{
		Computed: true, MarkdownDescription: "`" + r.form() + "`, by which it can be imported.",
		PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
	}
	attributes[labels] = schema.MapAttribute{
		Optional: true, ElementType: types.StringType, MarkdownDescription: "Labels to select it by. Those that others have given it stay.",
	}
	for _, f := range r.shown {
		attributes[f.name] = schema.StringAttribute{Computed: true, MarkdownDescription: f.description}
	}
	if r.waits {
		attributes["timeouts"] = timeouts.Attributes(ctx, timeouts.Opts{
			Create: true, Update: true, Delete: true,
			CreateDescription: waitDescription, UpdateDescription: waitDescription, DeleteDescription: waitDescription,
		})
	}
	resp.Schema = schema.Schema{MarkdownDescription: r.description, Attributes: attributes}
}

const (
	// labels are those of the object's metadata; a node pool has others, which are for its nodes.
	labels          = "metadata_labels"
	waitDescription = "How long to wait, such as `30m`. Default: 20 minutes."
	usualTimeout    = 20 * time.Minute
)

// named is an attribute that says where something is, which cannot be changed.
func named(description string) schema.StringAttribute {
	return schema.StringAttribute{
		Required: true, MarkdownDescription: description, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
	}
}

// ModifyPlan has the server check what is planned, as far as it is known: its rules, admission and quotas.
func (r *kindResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.platform == nil || req.Plan.Raw.IsNull() || req.Plan.Raw.Equal(req.State.Raw) || !req.Config.Raw.IsFullyKnown() {
		return
	}
	attributes := members(&resp.Diagnostics, req.Plan.Raw)
	var before map[string]tftypes.Value
	if !req.State.Raw.IsNull() {
		before = members(&resp.Diagnostics, req.State.Raw)
	}
	if resp.Diagnostics.HasError() || before != nil && (r.locate(before) != r.locate(attributes) || r.spec.replaces(before, attributes)) {
		return // what takes the place of another cannot be tried while that is there
	}
	_, err := r.write(ctx, attributes, before, url.Values{"dryRun": {"true"}})
	switch codeOf(err) {
	case "ERR_INVALID", "ERR_QUOTA_EXCEEDED", "ERR_REFUSED":
		r.explain(&resp.Diagnostics, "The platform would refuse this", err)
	}
	// All else may be different when it is applied: the project or the cluster may be made before.
}

// Create makes the thing and waits until it is there.
func (r *kindResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	r.apply(ctx, applied{plan: req.Plan, timeout: timeouts.Value.Create}, &resp.State, &resp.Diagnostics)
}

// Update changes the thing and waits until the change has arrived.
func (r *kindResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	before := members(&resp.Diagnostics, req.State.Raw)
	r.apply(ctx, applied{plan: req.Plan, before: before, timeout: timeouts.Value.Update}, &resp.State, &resp.Diagnostics)
}

// applied is a plan that is carried out.
type applied struct {
	plan tfsdk.Plan
	// before are the attributes of what exists; nil: nothing does.
	before  map[string]tftypes.Value
	timeout timeoutOf
}

// timeoutOf reads one of the attribute timeouts.
type timeoutOf = func(timeouts.Value, context.Context, time.Duration) (time.Duration, diag.Diagnostics)

func (r *kindResource) apply(ctx context.Context, a applied, state *tfsdk.State, diags *diag.Diagnostics) {
	attributes := members(diags, a.plan.Raw)
	if diags.HasError() {
		return
	}
	operation, err := r.write(ctx, attributes, a.before, nil)
	if err != nil {
		r.explain(diags, "The platform refuses it", err)
		return
	}
	// What exists is written down before it is waited for: whoever interrupts Terraform has it in the state.
	r.refresh(ctx, a.plan.Raw, state, diags)
	if !r.waits || diags.HasError() {
		return
	}
	ctx, cancel := within(ctx, a.plan.GetAttribute, a.timeout, diags)
	defer cancel()
	if diags.HasError() {
		return
	}
	if err := r.platform.await(ctx, r.kind, r.locate(attributes), operation); err != nil {
		r.explain(diags, "It is not ready", err)
	}
	r.refresh(context.WithoutCancel(ctx), a.plan.Raw, state, diags)
}

// within bounds how long it is waited, as the attribute timeouts says.
func within(ctx context.Context, get func(context.Context, path.Path, any) diag.Diagnostics, read timeoutOf, diags *diag.Diagnostics) (context.Context, context.CancelFunc) {
	var said timeouts.Value
	diags.Append(get(ctx, path.Root("timeouts"), &said)...)
	timeout, found := read(said, ctx, usualTimeout)
	diags.Append(found...)
	return context.WithTimeout(ctx, timeout)
}

// refresh writes what there is now to the state; nothing if it is gone.
func (r *kindResource) refresh(ctx context.Context, known tftypes.Value, state *tfsdk.State, diags *diag.Diagnostics) {
	attributes := members(diags, known)
	if diags.HasError() {
		return
	}
	at := r.locate(attributes)
	there, err := r.platform.client.Object(ctx, api.Request{Path: r.item(at)})
	if api.IsNotFound(err) {
		state.RemoveResource(ctx)
		return
	}
	if err == nil {
		state.Raw, err = r.toState(there.Object, at, attributes, known.Type())
	}
	if err != nil {
		r.explain(diags, "It cannot be read", err)
	}
}

// Read finds out how the thing is.
func (r *kindResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	r.refresh(ctx, req.State.Raw, &resp.State, &resp.Diagnostics)
}

// Delete takes the thing away and waits until it is gone.
func (r *kindResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	attributes := members(&resp.Diagnostics, req.State.Raw)
	if resp.Diagnostics.HasError() {
		return
	}
	at := r.locate(attributes)
	err := r.platform.client.Into(ctx, api.Request{Method: http.MethodDelete, Path: r.item(at), Header: http.Header{"If-Match": {"*"}}}, nil)
	if api.IsNotFound(err) {
		return
	}
	if err == nil && r.waits {
		var cancel context.CancelFunc
		ctx, cancel = within(ctx, req.State.GetAttribute, timeouts.Value.Delete, &resp.Diagnostics)
		defer cancel()
		err = r.platform.awaitGone(ctx, r.kind, at)
	}
	if err != nil {
		r.explain(&resp.Diagnostics, "It is not deleted", err)
	}
}

// ImportState takes over what exists. What its id says is enough to read all the rest.
func (r *kindResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	at, err := r.parse(req.ID)
	if err != nil {
		resp.Diagnostics.AddError("This is no id of a canopy_"+r.name, err.Error())
		return
	}
	for name, value := range map[string]string{"id": req.ID, "project": at.project, "cluster": at.cluster, "name": at.name} {
		if value != "" {
			resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
		}
	}
}

// members returns the attributes of a resource.
func members(diags *diag.Diagnostics, of tftypes.Value) map[string]tftypes.Value {
	attributes := map[string]tftypes.Value{}
	if err := of.As(&attributes); err != nil {
		diags.AddError("This is a defect of the provider", err.Error())
	}
	return attributes
}
