// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package access gets people into user clusters. It runs in the canopy command, reads on the master which seed a cluster is
// on, and from that seed the cluster's endpoint and the seed's own way into it, and has the cluster itself sign a short-lived
// client certificate: no key ever leaves the place where it was made, and the cluster's API has a record of who was let in.
package access

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	capisecret "sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	canopyv1alpha1 "canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/usercluster"
)

// AdminGroup is the group that the cluster's own RBAC makes its administrators.
const AdminGroup = usercluster.AdminGroup

// MinTTL is the shortest lifetime that a cluster signs a certificate for.
const MinTTL = 10 * time.Minute

// Request says who wants in.
type Request struct {
	// Place is where the cluster is.
	Place Place
	// User and Groups are what the cluster will know the holder as.
	User   string
	Groups []string
	// TTL is how long the certificate is valid, MinTTL at the least.
	TTL time.Duration
}

// Kubeconfig returns a kubeconfig with a new client certificate. Its cluster, user and context are all named
// "canopy-<name>", with the place's name. It fails if the cluster does not exist or its API does not answer.
func Kubeconfig(ctx context.Context, req Request) (*clientcmdapi.Config, error) {
	if req.TTL < MinTTL {
		return nil, fmt.Errorf("a certificate lives %s at the least, not %s", MinTTL, req.TTL)
	}
	status, config, err := adminConfig(ctx, req.Place)
	if err != nil {
		return nil, err
	}
	request, key, err := NewRequest(req)
	if err != nil {
		return nil, err
	}
	cert, err := sign(ctx, config, req, request)
	if err != nil {
		return nil, err
	}
	name := "canopy-" + req.Place.Name
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{
		Server: status.Endpoint, TLSServerName: status.TLSServerName, CertificateAuthorityData: config.CAData,
	}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	return kubeconfig, nil
}

// adminConfig returns the status of the cluster, which has its endpoint, and how the seed manager gets in there.
func adminConfig(ctx context.Context, place Place) (v1alpha1.HostedClusterStatus, *rest.Config, error) {
	hc := &v1alpha1.HostedCluster{}
	if err := place.Seed.Get(ctx, client.ObjectKey{Namespace: place.Namespace(), Name: place.ID}, hc); apierrors.IsNotFound(err) {
		return hc.Status, nil, fmt.Errorf("cluster %s is not on its seed yet: kubectl get clusters -A -o wide says what it waits for", place.Name)
	} else if err != nil {
		return hc.Status, nil, fmt.Errorf("reading the cluster %s: %w", place.Name, err)
	}
	secret := &corev1.Secret{}
	err := place.Seed.Get(ctx, client.ObjectKey{Namespace: place.Namespace(), Name: capisecret.Name(place.ID, capisecret.Kubeconfig)}, secret)
	if apierrors.IsNotFound(err) || hc.Status.Endpoint == "" {
		return hc.Status, nil, fmt.Errorf("cluster %s has no API yet: kubectl get clusters,hostedclusters -A -o wide says what it waits for", place.Name)
	}
	if err != nil {
		return hc.Status, nil, fmt.Errorf("reading the seed's way into the cluster %s: %w", place.Name, err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data[capisecret.KubeconfigDataName])
	if err != nil {
		return hc.Status, nil, fmt.Errorf("reading the seed's way into the cluster %s: %w", place.Name, err)
	}
	config.Host, config.ServerName = hc.Status.Endpoint, hc.Status.TLSServerName // the Secret has the address that only pods of the seed reach
	config.Timeout = 30 * time.Second
	return hc.Status, config, nil
}

// Sign has the cluster at place sign a certificate request for whoever wants in. CheckRequest has looked at it.
func Sign(ctx context.Context, place Place, req Request, request []byte) ([]byte, error) {
	_, config, err := adminConfig(ctx, place)
	if err != nil {
		return nil, err
	}
	req.Place = place
	return sign(ctx, config, req, request)
}

func sign(ctx context.Context, config *rest.Config, req Request, request []byte) ([]byte, error) {
	inside, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	cert, err := approved(ctx, inside, req, request)
	if err != nil {
		return nil, fmt.Errorf("having the cluster %s sign a certificate for %s: %w", req.Place.Name, req.User, err)
	}
	return cert, nil
}

func approved(ctx context.Context, inside kubernetes.Interface, req Request, request []byte) ([]byte, error) {
	csrs := inside.CertificatesV1().CertificateSigningRequests()
	csr, err := csrs.Create(ctx, &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "canopy-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: request, SignerName: certificatesv1.KubeAPIServerClientSignerName,
			ExpirationSeconds: new(int32(req.TTL.Seconds())), Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "CanopyKubeconfig", Message: "asked for with canopy kubeconfig",
	})
	if csr, err = csrs.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{}); err != nil {
		return nil, err
	}
	return waitForCertificate(ctx, inside, csr)
}

// RequestOf returns who gets in by an AccessRequest. A viewer's name is not the user's own, by which the user may have more
// rights in the cluster; no issuer can give it, nor a machine's.
func RequestOf(spec canopyv1alpha1.AccessRequestSpec) Request {
	switch spec.Role {
	case canopyv1alpha1.CertificateAdmin:
		return Request{User: spec.User, Groups: []string{AdminGroup}}
	case canopyv1alpha1.CertificatePerson:
		return Request{User: spec.User, Groups: spec.Groups}
	case canopyv1alpha1.CertificateMachine:
		return Request{User: usercluster.MachineUserPrefix + spec.Machine, Groups: []string{usercluster.BootstrapGroup}}
	default:
		return Request{User: "canopy:viewer:" + spec.User, Groups: []string{usercluster.ViewerGroup}}
	}
}

// CheckRequest says why a certificate request is not one for just the user and the groups of req.
func CheckRequest(request []byte, req Request) error {
	block, rest := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("it is not one PEM-encoded certificate request")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || parsed.CheckSignature() != nil {
		return errors.New("it is no certificate request that is signed with its own key")
	}
	want := pkix.Name{CommonName: req.User, Organization: req.Groups}
	// Their order is the encoding's. Nothing but these is in the name.
	same := parsed.Subject.CommonName == req.User && len(parsed.Subject.Names) == len(req.Groups)+1 &&
		slices.Equal(slices.Sorted(slices.Values(parsed.Subject.Organization)), slices.Sorted(slices.Values(req.Groups)))
	if !same || len(parsed.DNSNames)+len(parsed.EmailAddresses)+len(parsed.IPAddresses)+len(parsed.URIs) > 0 {
		return fmt.Errorf("it is for %q and must be for %q and nothing else", parsed.Subject, want)
	}
	return nil
}

// NewRequest returns a certificate request for the user and the groups of req, and its key, both PEM.
func NewRequest(req Request) (request, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: req.User, Organization: req.Groups}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func waitForCertificate(ctx context.Context, inside kubernetes.Interface, csr *certificatesv1.CertificateSigningRequest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	watcher, err := inside.CertificatesV1().CertificateSigningRequests().Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + csr.Name, ResourceVersion: csr.ResourceVersion,
	})
	if err != nil {
		return nil, err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if event.Type == watch.Error {
			return nil, apierrors.FromObject(event.Object)
		}
		csr, ok := event.Object.(*certificatesv1.CertificateSigningRequest)
		if !ok {
			continue
		}
		if len(csr.Status.Certificate) > 0 {
			return csr.Status.Certificate, nil
		}
		for _, c := range csr.Status.Conditions {
			if c.Type == certificatesv1.CertificateDenied || c.Type == certificatesv1.CertificateFailed {
				return nil, fmt.Errorf("%s: %s", c.Reason, c.Message)
			}
		}
	}
	return nil, errors.New("the cluster's controller manager has not signed it within 30 seconds: see the status of kube-controller-manager in the HostedCluster")
}
