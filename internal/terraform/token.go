// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	ephemeralschema "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"canopy.dev/canopy/internal/cli/api"
)

// token are the attributes of a token of a service account.
type token struct {
	Project        types.String `tfsdk:"project"`
	ServiceAccount types.String `tfsdk:"service_account"`
	Description    types.String `tfsdk:"description"`
	TTL            types.String `tfsdk:"ttl"`
	ID             types.String `tfsdk:"id"`
	Expires        types.String `tfsdk:"expires"`
	Token          types.String `tfsdk:"token"`
}

// issued is a token as the API shows it.
type issued struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
	Token   string    `json:"token"`
}

// What is said of the attributes, as a resource and without a state.
const (
	tokenProject     = "The project."
	tokenAccount     = "The service account of the project."
	tokenPurpose     = "What it is for."
	tokenTTL         = "How long it is valid, such as `720h`; more than a day only where the project allows it. Default: an hour."
	tokenID          = "By which it is listed, and revoked."
	tokenExpires     = "Until when it is valid."
	tokenToken       = "What lets its holder in."
	tokenDescription = "A token of a service account. "
)

// issue makes the token and fills in what came of it.
func (p *installation) issue(ctx context.Context, t *token) error {
	body := map[string]any{}
	for name, value := range map[string]types.String{"description": t.Description, "ttl": t.TTL} {
		if value.ValueString() != "" {
			body[name] = value.ValueString()
		}
	}
	var made issued
	if err := p.client.Into(ctx, api.Request{Method: http.MethodPost, Path: t.list(), Body: body}, &made); err != nil {
		return err
	}
	t.ID, t.Token = types.StringValue(made.ID), types.StringValue(made.Token)
	t.Expires = types.StringValue(made.Expires.UTC().Format(time.RFC3339))
	return nil
}

// revoke ends a token. One that has ended is no error.
func (p *installation) revoke(ctx context.Context, path string) error {
	err := p.client.Into(ctx, api.Request{Method: http.MethodDelete, Path: path}, nil)
	if api.IsNotFound(err) {
		return nil
	}
	return err
}

func (t *token) path() string { return t.list() + "/" + t.ID.ValueString() }

func (t *token) list() string {
	return api.Path("projects", t.Project.ValueString(), "serviceaccounts", t.ServiceAccount.ValueString(), "tokens")
}

// tokenResource keeps a token in the state, for something that needs one that lasts.
type tokenResource struct{ platform *installation }

var _ resource.ResourceWithConfigure = (*tokenResource)(nil)

// Metadata names the resource.
func (r *tokenResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_service_account_token"
}

// Configure takes over the connection.
func (r *tokenResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes. A token cannot be changed: another takes its place.
func (r *tokenResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	said := func(description string) schema.StringAttribute {
		return schema.StringAttribute{
			Optional: true, MarkdownDescription: description, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
		}
	}
	shown := func(description string, sensitive bool) schema.StringAttribute {
		return schema.StringAttribute{
			Computed: true, Sensitive: sensitive, MarkdownDescription: description,
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: tokenDescription + "It is in the state: where nothing has to keep it, use the ephemeral resource of the same name. When it has expired, the next plan makes another.",
		Attributes: map[string]schema.Attribute{
			"project": named(tokenProject), "service_account": named(tokenAccount), "description": said(tokenPurpose), "ttl": said(tokenTTL),
			"id": shown(tokenID, false), "expires": shown(tokenExpires, false), "token": shown(tokenToken, true),
		},
	}
}

// Create makes the token.
func (r *tokenResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var t token
	resp.Diagnostics.Append(req.Plan.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := r.platform.issue(ctx, &t); err != nil {
		serviceAccount.explain(&resp.Diagnostics, "The platform makes no token", err)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, t)...)
}

// Read finds out whether the token is still valid.
func (r *tokenResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var t token
	resp.Diagnostics.Append(req.State.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var found struct {
		Items []issued `json:"items"`
	}
	err := r.platform.client.Into(ctx, api.Request{Path: t.list()}, &found)
	if err != nil && !api.IsNotFound(err) {
		serviceAccount.explain(&resp.Diagnostics, "It cannot be read", err)
		return
	}
	valid := func(i issued) bool { return i.ID == t.ID.ValueString() && i.Expires.After(time.Now()) }
	if !slices.ContainsFunc(found.Items, valid) {
		resp.State.RemoveResource(ctx)
	}
}

// Update is never called: every change makes another token.
func (r *tokenResource) Update(_ context.Context, _ resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.Diagnostics.AddError("This is a defect of the provider", "a token cannot be changed")
}

// Delete revokes the token.
func (r *tokenResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var t token
	resp.Diagnostics.Append(req.State.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := r.platform.revoke(ctx, t.path()); err != nil {
		serviceAccount.explain(&resp.Diagnostics, "It is not revoked", err)
	}
}

// ephemeralToken is a token for as long as Terraform runs. It is in no state, and revoked in the end.
type ephemeralToken struct{ platform *installation }

var (
	_ ephemeral.EphemeralResourceWithConfigure = (*ephemeralToken)(nil)
	_ ephemeral.EphemeralResourceWithClose     = (*ephemeralToken)(nil)
)

// Metadata names the ephemeral resource.
func (e *ephemeralToken) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_service_account_token"
}

// Configure takes over the connection.
func (e *ephemeralToken) Configure(_ context.Context, req ephemeral.ConfigureRequest, _ *ephemeral.ConfigureResponse) {
	e.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (e *ephemeralToken) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = ephemeralschema.Schema{
		MarkdownDescription: tokenDescription + "It is in no state, and revoked when Terraform ends.",
		Attributes: map[string]ephemeralschema.Attribute{
			"project":         ephemeralschema.StringAttribute{Required: true, MarkdownDescription: tokenProject},
			"service_account": ephemeralschema.StringAttribute{Required: true, MarkdownDescription: tokenAccount},
			"description":     ephemeralschema.StringAttribute{Optional: true, MarkdownDescription: tokenPurpose},
			"ttl":             ephemeralschema.StringAttribute{Optional: true, MarkdownDescription: tokenTTL},
			"id":              ephemeralschema.StringAttribute{Computed: true, MarkdownDescription: tokenID},
			"expires":         ephemeralschema.StringAttribute{Computed: true, MarkdownDescription: tokenExpires},
			"token":           ephemeralschema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: tokenToken},
		},
	}
}

// Open makes the token.
func (e *ephemeralToken) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var t token
	resp.Diagnostics.Append(req.Config.Get(ctx, &t)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := e.platform.issue(ctx, &t); err != nil {
		serviceAccount.explain(&resp.Diagnostics, "The platform makes no token", err)
		return
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, t)...)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, revocation, []byte(`"`+t.path()+`"`))...)
}

// revocation is where it is kept what Close has to revoke.
const revocation = "revocation"

// Close revokes the token.
func (e *ephemeralToken) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	content, found := req.Private.GetKey(ctx, revocation)
	resp.Diagnostics.Append(found...)
	if len(content) < 2 {
		return
	}
	path := string(content[1 : len(content)-1])
	if err := e.platform.revoke(ctx, path); err != nil {
		serviceAccount.explain(&resp.Diagnostics, "The token is not revoked", err)
	}
}
