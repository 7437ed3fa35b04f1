// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/client-go/tools/clientcmd"

	"canopy.dev/canopy/internal/cli/api"
)

// kubeconfig is a short-lived certificate for a cluster, for as long as Terraform runs.
type kubeconfig struct{ platform *installation }

var _ ephemeral.EphemeralResourceWithConfigure = (*kubeconfig)(nil)

// access are the attributes.
type access struct {
	Project           types.String `tfsdk:"project"`
	Cluster           types.String `tfsdk:"cluster"`
	Role              types.String `tfsdk:"role"`
	TTL               types.String `tfsdk:"ttl"`
	Raw               types.String `tfsdk:"raw"`
	Host              types.String `tfsdk:"host"`
	TLSServerName     types.String `tfsdk:"tls_server_name"`
	CACertificate     types.String `tfsdk:"cluster_ca_certificate"`
	ClientCertificate types.String `tfsdk:"client_certificate"`
	ClientKey         types.String `tfsdk:"client_key"`
}

// Metadata names the ephemeral resource.
func (k *kubeconfig) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_kubeconfig"
}

// Configure takes over the connection.
func (k *kubeconfig) Configure(_ context.Context, req ephemeral.ConfigureRequest, _ *ephemeral.ConfigureResponse) {
	k.platform, _ = req.ProviderData.(*installation) // nil before the provider is configured
}

// Schema describes the attributes.
func (k *kubeconfig) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	shown := func(description string, sensitive bool) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, Sensitive: sensitive, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A client certificate for a cluster, for other providers. It is in no state. It cannot be revoked, and that it was asked for is recorded.",
		Attributes: map[string]schema.Attribute{
			"project":                schema.StringAttribute{Required: true, MarkdownDescription: "The project."},
			"cluster":                schema.StringAttribute{Required: true, MarkdownDescription: "The cluster."},
			"role":                   schema.StringAttribute{Optional: true, MarkdownDescription: "`admin` may do everything in the cluster, `viewer` see all but Secrets. Default: `admin`."},
			"ttl":                    schema.StringAttribute{Optional: true, MarkdownDescription: "How long it is valid, between ten minutes and a day. Default: an hour."},
			"raw":                    shown("The whole kubeconfig, in YAML.", true),
			"host":                   shown("Where the cluster's API is.", false),
			"tls_server_name":        shown("The name that clients have to say in TLS; empty: that of the host.", false),
			"cluster_ca_certificate": shown("The certificate by which the cluster is known, in PEM.", false),
			"client_certificate":     shown("The certificate, in PEM.", true),
			"client_key":             shown("Its key, in PEM.", true),
		},
	}
}

// Open has the cluster sign a certificate.
func (k *kubeconfig) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var a access
	resp.Diagnostics.Append(req.Config.Get(ctx, &a)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := k.open(ctx, &a); err != nil {
		cluster.explain(&resp.Diagnostics, "There is no access to the cluster", err)
		return
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, a)...)
}

func (k *kubeconfig) open(ctx context.Context, a *access) error {
	answer, err := k.platform.client.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("projects", a.Project.ValueString(), "clusters", a.Cluster.ValueString(), "kubeconfig"),
		Body:   map[string]any{"role": cmp.Or(a.Role.ValueString(), "admin"), "ttl": cmp.Or(a.TTL.ValueString(), "1h")},
		Header: http.Header{"Accept": {"*/*"}},
	})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	chosen := config.Contexts[config.CurrentContext]
	if chosen == nil || config.Clusters[chosen.Cluster] == nil || config.AuthInfos[chosen.AuthInfo] == nil {
		return errors.New("the kubeconfig has no context")
	}
	there, user := config.Clusters[chosen.Cluster], config.AuthInfos[chosen.AuthInfo]
	a.Raw, a.Host, a.TLSServerName = types.StringValue(string(content)), types.StringValue(there.Server), types.StringValue(there.TLSServerName)
	a.CACertificate = types.StringValue(string(there.CertificateAuthorityData))
	a.ClientCertificate, a.ClientKey = types.StringValue(string(user.ClientCertificateData)), types.StringValue(string(user.ClientKeyData))
	return nil
}
