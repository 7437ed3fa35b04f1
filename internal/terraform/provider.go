// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package terraform is the Terraform provider: projects, clusters and what belongs to them as resources. It runs as a process that
// Terraform starts, and calls the platform's API as whoever is logged in by the canopy command, or with a token of a service account.
// It reads what the command has left of a login, and writes no files.
package terraform

import (
	"context"
	"errors"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
)

// Address is how configurations name the provider.
const Address = "canopy.dev/canopy/canopy"

// canopy is the provider.
type canopy struct{ version string }

var _ provider.ProviderWithEphemeralResources = (*canopy)(nil)

// New returns the provider of a version.
func New(version string) (func() provider.Provider, error) {
	for _, k := range kinds {
		if err := k.load(); err != nil {
			return nil, err
		}
	}
	return func() provider.Provider { return &canopy{version} }, nil
}

// Metadata names the provider.
func (p *canopy) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "canopy", p.version
}

// Schema describes how the platform is found.
func (p *canopy) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Kubernetes clusters of a Canopy platform. Without any argument it is the platform, and the login, of the command `canopy`.",
		Attributes: map[string]schema.Attribute{
			"server": schema.StringAttribute{
				Optional: true, MarkdownDescription: "URL of the platform. Default: `$CANOPY_SERVER`, or that of the context.",
			},
			"token": schema.StringAttribute{
				Optional: true, Sensitive: true, MarkdownDescription: "Token of a service account. Default: `$CANOPY_TOKEN`, or what `canopy login` has left.",
			},
			"ca_certificate": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Authority of the platform's certificate, in PEM, if the machine does not know it. Default: the file `$CANOPY_CA_FILE`, or the context's.",
			},
			"context": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Which platform, as in `canopy context ls`. Default: `$CANOPY_CONTEXT`, or the one that is chosen there.",
			},
		},
	}
}

// settings are the attributes of the provider.
type settings struct {
	Server        types.String `tfsdk:"server"`
	Token         types.String `tfsdk:"token"`
	CACertificate types.String `tfsdk:"ca_certificate"`
	Context       types.String `tfsdk:"context"`
}

// Configure finds the platform. It calls nobody.
func (p *canopy) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var said settings
	resp.Diagnostics.Append(req.Config.Get(ctx, &said)...)
	if resp.Diagnostics.HasError() {
		return
	}
	for name, value := range map[string]types.String{"server": said.Server, "token": said.Token, "ca_certificate": said.CACertificate, "context": said.Context} {
		if value.IsUnknown() {
			resp.Diagnostics.AddAttributeError(path.Root(name), "The platform is not known yet", "The provider's "+name+" has to be known when Terraform plans.")
			return
		}
	}
	current, err := said.resolve()
	if err != nil {
		if errors.Is(err, config.ErrNoContext) {
			err = errors.New("nothing says which platform it is: log in with canopy login, set $CANOPY_SERVER and $CANOPY_TOKEN, or say server and token in the provider's block")
		}
		resp.Diagnostics.AddError("The platform is not found", err.Error())
		return
	}
	connection, err := credential.Connect(&current, "terraform-provider-canopy/"+p.version, nil)
	if err != nil {
		resp.Diagnostics.AddError("The platform cannot be called", err.Error())
		return
	}
	found := &installation{connection.Client}
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData = found, found, found
}

// resolve decides which platform it is: by what the configuration says, and then as the command does.
func (s settings) resolve() (config.Current, error) {
	var current config.Current
	if server := strings.TrimRight(s.Server.ValueString(), "/"); server != "" {
		current.Context = config.Context{Name: "terraform", Server: server}
	}
	known, err := config.Resolve(config.Overrides{Context: s.Context.ValueString()})
	switch {
	case current.Server == "" && err != nil:
		return config.Current{}, err
	case err == nil && (current.Server == "" || current.Server == known.Server):
		current = known
	}
	if token := s.Token.ValueString(); token != "" {
		current.Token = token
	}
	if ca := s.CACertificate.ValueString(); ca != "" {
		current.CertificateAuthorityData = []byte(ca)
	}
	return current, nil
}

// Resources are all kinds that can be changed, and what has no kind.
func (p *canopy) Resources(context.Context) []func() resource.Resource {
	made := []func() resource.Resource{
		func() resource.Resource { return &memberResource{} },
		func() resource.Resource { return &tokenResource{} },
	}
	for _, k := range kinds {
		if !k.readOnly {
			made = append(made, func() resource.Resource { return &kindResource{kind: k} })
		}
	}
	return made
}

// DataSources are one and all of each kind.
func (p *canopy) DataSources(context.Context) []func() datasource.DataSource {
	var made []func() datasource.DataSource
	for _, k := range kinds {
		made = append(made,
			func() datasource.DataSource { return &one{kind: k} },
			func() datasource.DataSource { return &all{kind: k} },
		)
	}
	return made
}

// EphemeralResources are credentials that are in no state.
func (p *canopy) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		func() ephemeral.EphemeralResource { return &kubeconfig{} },
		func() ephemeral.EphemeralResource { return &ephemeralToken{} },
	}
}
