// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/access"
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
	cluster, err := s.reachable(ctx, verbGet, "", at)
	if err != nil {
		return nil, err
	}
	config, err := kubeconfigOf(cluster, s.opts.PublicURL)
	if err != nil {
		return nil, err
	}
	return clientcmd.Write(*config)
}

// reachable returns the cluster of a path whose API can be reached, after it is known that the caller may do something with it.
func (s *Server) reachable(ctx context.Context, verb, subresource string, at place) (*v1alpha1.Cluster, error) {
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
		return nil, problem(CodeNotReady, "cluster %s has no API yet", at.Name)
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

// CertificateQuery is what somebody wants a certificate for.
type CertificateQuery struct {
	Role string `json:"role" enum:"admin,viewer" doc:"What it allows: everything, or to see everything but Secrets."`
	TTL  string `json:"ttl,omitempty" maxLength:"20" pattern:"^([0-9]+(h|m|s))+$" example:"1h" doc:"How long it is valid: between ten minutes and a day. Default: an hour."`
}

type certificateInput struct {
	Place place
	Body  CertificateQuery
}

// certificateTimeout is how long a cluster may take to sign.
const certificateTimeout = 25 * time.Second

// serveCertificates registers how somebody gets into a cluster with a certificate.
func serveCertificates(s *Server) {
	op := kubeconfigResponse(operation(http.MethodPost, "/projects/{project}/clusters/{name}/kubeconfig", "createClusterKubeconfig", "Make a kubeconfig with a short-lived certificate"),
		"A kubeconfig with a client certificate and its key, which are kept nowhere. It cannot be revoked.")
	op.Tags, op.DefaultStatus = []string{"clusters"}, http.StatusOK
	huma.Register(s.api, op, func(ctx context.Context, in *certificateInput) (*kubeconfigOutput, error) {
		var config []byte
		_, err := s.audited(ctx, act{verb: "create", resource: "clusters/" + in.Body.Role + "kubeconfig", place: in.Place, fields: []string{"role", "ttl"}}, func() (outcome, error) {
			request, made, err := s.certificate(ctx, in)
			config = made
			return outcome{http.StatusOK, request}, err
		})
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &kubeconfigOutput{ContentType: yamlType, Body: config}, nil
	})
}

// certificate makes a kubeconfig with a certificate and its key, and forgets both.
func (s *Server) certificate(ctx context.Context, in *certificateInput) (*v1alpha1.AccessRequest, []byte, error) {
	role := v1alpha1.CertificateViewer
	if in.Body.Role == "admin" {
		role = v1alpha1.CertificateAdmin
	}
	cluster, err := s.reachable(ctx, "create", strings.ToLower(string(role))+"kubeconfig", in.Place)
	if err != nil {
		return nil, nil, err
	}
	request, key, err := s.certified(ctx, cluster, role, cmp.Or(in.Body.TTL, "1h"))
	if err != nil {
		return nil, nil, err
	}
	config, err := kubeconfigOf(cluster, s.opts.PublicURL)
	if err != nil {
		return nil, nil, err
	}
	config.AuthInfos[config.CurrentContext] = &clientcmdapi.AuthInfo{ClientCertificateData: []byte(request.Status.Certificate), ClientKeyData: key}
	config.Clusters[config.CurrentContext].Extensions = nil
	content, err := clientcmd.Write(*config)
	return request, content, err
}

// certified makes a key, and has the cluster sign a certificate for it, by an AccessRequest in the caller's name.
func (s *Server) certified(ctx context.Context, cluster *v1alpha1.Cluster, role v1alpha1.CertificateRole, ttl string) (request *v1alpha1.AccessRequest, key []byte, err error) {
	caller := callOf(ctx).user
	spec := v1alpha1.AccessRequestSpec{Cluster: cluster.Name, User: caller.GetName(), Role: role, TTL: ttl}
	if role == v1alpha1.CertificatePerson {
		spec.Groups = slices.DeleteFunc(slices.Clone(caller.GetGroups()), func(group string) bool { return group == user.AllAuthenticated })
	}
	return s.requested(ctx, cluster.Namespace, spec)
}

// requested makes a key, and an AccessRequest for it in the caller's name, and waits until that has its certificate.
func (s *Server) requested(ctx context.Context, namespace string, spec v1alpha1.AccessRequestSpec) (request *v1alpha1.AccessRequest, key []byte, err error) {
	csr, key, err := access.NewRequest(access.RequestOf(spec))
	if err != nil {
		return nil, nil, err
	}
	spec.Request = string(csr)
	request = &v1alpha1.AccessRequest{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: spec.Cluster + "-"}, Spec: spec}
	if err := s.requests(WriteQuery{}).Create(ctx, request); err != nil {
		return nil, nil, err
	}
	if err := s.signed(ctx, request); err != nil {
		return nil, nil, err
	}
	return request, key, nil
}

// signed waits until a request has its certificate, and says what it waits for if it takes too long.
func (s *Server) signed(ctx context.Context, request *v1alpha1.AccessRequest) error {
	ctx, cancel := context.WithTimeout(ctx, certificateTimeout)
	defer cancel()
	watcher, err := s.asCaller.Watch(ctx, &v1alpha1.AccessRequestList{}, client.InNamespace(request.Namespace),
		client.MatchingFields{"metadata.name": request.Name}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: request.ResourceVersion}})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		seen, ok := event.Object.(*v1alpha1.AccessRequest)
		if !ok {
			continue
		}
		if *request = *seen; request.Status.Certificate != "" {
			return nil
		}
	}
	p := problem(CodeUnavailable, "the cluster has not signed the certificate in time")
	if condition := meta.FindStatusCondition(request.Status.Conditions, v1alpha1.ConditionReady); condition != nil {
		p.Detail = condition.Message
	}
	return p
}
