// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

const (
	yamlType = "application/yaml"
	// execExtension is where kubectl looks for what it hands on to the command that it runs for a credential.
	execExtension = "client.authentication.k8s.io/exec"
)

type kubeconfigInput struct{ Place place }

type kubeconfigOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// kubeconfigResponse documents a kubeconfig as an answer.
func kubeconfigResponse(op huma.Operation, description string) huma.Operation {
	op.Responses = map[string]*huma.Response{"200": {
		Description: description,
		Content:     map[string]*huma.MediaType{yamlType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	return op
}

// serveKubeconfig registers how people get into a cluster.
func serveKubeconfig(s *Server) {
	op := kubeconfigResponse(operation(http.MethodGet, "/projects/{project}/clusters/{name}/kubeconfig", "getClusterKubeconfig", "Get a kubeconfig for a cluster"),
		"A kubeconfig without secrets: kubectl asks the command canopy for your own token.")
	op.Tags = []string{"clusters"}
	huma.Register(s.api, op, func(ctx context.Context, in *kubeconfigInput) (*kubeconfigOutput, error) {
		config, err := s.kubeconfig(ctx, in.Place)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &kubeconfigOutput{ContentType: yamlType, Body: config}, nil
	})
}

// kubeconfig returns one that names nobody: whoever may see the cluster gets it, and gets in as whoever that is.
func (s *Server) kubeconfig(ctx context.Context, at place) ([]byte, error) {
	cluster, err := s.cluster(ctx, verbGet, "", at)
	if err != nil {
		return nil, err
	}
	config, err := kubeconfigOf(cluster, s.opts.PublicURL)
	if err != nil {
		return nil, err
	}
	return clientcmd.Write(*config)
}

// cluster returns the cluster of a path whose API can be reached, after it is known that the caller may do something with it.
func (s *Server) cluster(ctx context.Context, verb, subresource string, at place) (*v1alpha1.Cluster, error) {
	question := Question{
		Verb: verb, Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Subresource: subresource,
		Namespace: v1alpha1.ProjectNamespacePrefix + at.Project, Name: at.Name,
	}
	if err := s.access.Check(ctx, question); err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{}
	if err := s.cache.Get(ctx, client.ObjectKey{Namespace: question.Namespace, Name: at.Name}, cluster); err != nil {
		return nil, err
	}
	if cluster.Status.Endpoint == "" || cluster.Status.CertificateAuthority == "" {
		p := problem(CodeConflict, "cluster %s has no API yet", at.Name)
		p.Hint = "Its condition Ready says what it waits for; ask again then."
		return nil, p
	}
	return cluster, nil
}

// kubeconfigOf has one context, canopy-<project>/<cluster>, whose user is whoever the command canopy is logged in as.
func kubeconfigOf(cluster *v1alpha1.Cluster, publicURL string) (*clientcmdapi.Config, error) {
	project := strings.TrimPrefix(cluster.Namespace, v1alpha1.ProjectNamespacePrefix)
	extension, err := json.Marshal(map[string]string{"api": publicURL, "project": project, "cluster": cluster.Name, "clusterID": cluster.Status.ID})
	if err != nil {
		return nil, err
	}
	name := "canopy-" + project + "/" + cluster.Name
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: cluster.Status.Endpoint, TLSServerName: cluster.Status.TLSServerName, CertificateAuthorityData: []byte(cluster.Status.CertificateAuthority),
		Extensions: map[string]runtime.Object{execExtension: &runtime.Unknown{Raw: extension, ContentType: runtime.ContentTypeJSON}},
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: "canopy", Args: []string{"exec-credential"},
		InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode, ProvideClusterInfo: true,
		InstallHint: "The command canopy is needed to log in to this cluster: ask whoever runs " + publicURL + " for it.",
	}}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return config, nil
}
