// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	capisecret "sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/usercluster"
)

// authorities are the keys that a cluster keeps for its life.
type authorities struct {
	ca, frontProxy        pki.KeyPair
	tokenKey, tokenPublic []byte
	// openVPN and tlsCrypt are empty where the tunnel is another.
	openVPN  pki.KeyPair
	tlsCrypt []byte
}

// of returns the authority that is stored in the Secret called name.
func (a authorities) of(name string) pki.KeyPair {
	switch name {
	case controlplane.SecretFrontProxyCA:
		return a.frontProxy
	case controlplane.SecretOpenVPNCA:
		return a.openVPN
	default:
		return a.ca
	}
}

// checksum changes when any of the keys does.
func (a authorities) checksum() string {
	return checksum(a.ca.Cert, a.frontProxy.Cert, a.tokenPublic, a.openVPN.Cert)
}

// ensureAuthorities returns the cluster's authorities and makes those that do not exist. They are only ever created,
// never overwritten: whoever comes second reads what the first made.
func (r *HostedClusterReconciler) ensureAuthorities(ctx context.Context, hc *v1alpha1.HostedCluster) (authorities, error) {
	var a authorities
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		a.ca, err = r.ensureCA(ctx, hc, controlplane.SecretCA, "canopy-"+hc.Name)
		return err
	})
	group.Go(func() (err error) {
		a.frontProxy, err = r.ensureCA(ctx, hc, controlplane.SecretFrontProxyCA, "canopy-front-proxy-"+hc.Name)
		return err
	})
	group.Go(func() error {
		data, err := r.ensureSecret(ctx, hc, secretSpec{name: controlplane.SecretServiceAccounts, generate: func() (map[string][]byte, error) {
			private, public, err := pki.NewKey()
			return map[string][]byte{"tls.key": private, "tls.pub": public}, err
		}})
		a.tokenKey, a.tokenPublic = data["tls.key"], data["tls.pub"]
		return err
	})
	group.Go(func() (err error) {
		a.openVPN, a.tlsCrypt, err = r.ensureOpenVPNAuthority(ctx, hc)
		return err
	})
	return a, group.Wait()
}

func (r *HostedClusterReconciler) ensureCA(ctx context.Context, hc *v1alpha1.HostedCluster, name, commonName string) (pki.KeyPair, error) {
	data, err := r.ensureSecret(ctx, hc, secretSpec{name: name, generate: func() (map[string][]byte, error) {
		pair, err := pki.NewCA(commonName, r.Clock.Now())
		return map[string][]byte{corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key}, err
	}})
	return pki.KeyPair{Cert: data[corev1.TLSCertKey], Key: data[corev1.TLSPrivateKeyKey]}, err
}

// secretSpec is a Secret that is made once.
type secretSpec struct {
	name     string
	generate func() (map[string][]byte, error)
	// replaceable says that a cluster that runs can go on with new content.
	replaceable bool
}

func (r *HostedClusterReconciler) ensureSecret(ctx context.Context, hc *v1alpha1.HostedCluster, spec secretSpec) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: hc.Namespace, Name: spec.name}
	if err := r.Get(ctx, key, secret); err == nil {
		return secret.Data, nil
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	if hc.Status.Version != "" && !spec.replaceable {
		return nil, kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("Secret %s is gone; without it no certificate or token of this running cluster can be renewed or checked: restore it from a backup of the seed", key), 0)
	}
	data, err := spec.generate()
	if err != nil {
		return nil, fmt.Errorf("making the keys of Secret %s: %w", key, err)
	}
	secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: spec.name, Namespace: hc.Namespace, Labels: clusterLabels(hc)},
		Data:       data,
		Immutable:  new(true),
	}
	if err := kube.Create(ctx, r.Client, hc, secret); !apierrors.IsAlreadyExists(err) {
		return data, err
	}
	// The cache is behind: it was made a moment ago.
	if err := r.APIReader.Get(ctx, key, secret); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	return secret.Data, nil
}

// certificates returns the Secret with the control plane's leaf certificates, those of the tunnel, and the one with the seed
// manager's own kubeconfig. What is current is kept as it is; the rest is issued anew. in gets to know what changed.
func (r *HostedClusterReconciler) certificates(ctx context.Context, in *controlplane.Input, a authorities) ([]client.Object, error) {
	hc := in.Cluster
	leaves, err := controlplane.Certificates(*in)
	if err != nil {
		return nil, err
	}
	certificates, err := r.leafSecret(ctx, hc, controlplane.SecretCertificates, a, leaves, controlplane.Kubeconfigs(*in))
	if err != nil {
		return nil, err
	}
	for _, leaf := range leaves {
		if leaf.ReadOnce {
			in.KeysChecksum += "-" + checksum(certificates.Data[leaf.Name+".crt"])
		}
	}
	kubeconfig, err := r.managerKubeconfig(ctx, *in, a.ca)
	if err != nil {
		return nil, err
	}
	tunnelSecrets, err := r.openVPNSecrets(ctx, hc, a)
	if err != nil {
		return nil, err
	}
	metricsServer, err := r.metricsServerSecret(ctx, hc, a)
	if err != nil {
		return nil, err
	}
	autoscaler, err := r.autoscalerSecret(ctx, *in, a)
	if err != nil {
		return nil, err
	}
	secrets := append([]client.Object{certificates, kubeconfig, metricsServer}, autoscaler...)
	cloudController, err := r.cloudControllerSecret(ctx, in, a)
	if err != nil {
		return nil, err
	}
	if cloudController != nil {
		secrets = append(secrets, cloudController)
	}
	for _, secret := range tunnelSecrets {
		if secret.Name == controlplane.SecretOpenVPN {
			in.OpenVPNChecksum = checksum(secret.Data[openvpn.FileCA], secret.Data[openvpn.FileTLSCrypt], secret.Data["server.crt"])
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// leafSecret returns the Secret with leaf certificates and files. What is current in the live one is kept.
func (r *HostedClusterReconciler) leafSecret(ctx context.Context, hc *v1alpha1.HostedCluster, secret string, a authorities, leaves []controlplane.Certificate, files map[string]string) (*corev1.Secret, error) {
	live, err := r.liveData(ctx, hc, secret)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for name, content := range files {
		data[name] = []byte(content)
	}
	for _, leaf := range leaves {
		pair, err := issue(a.of(leaf.Authority), live, leaf.Name, leaf.Leaf, r.Clock.Now())
		if err != nil {
			return nil, err
		}
		data[leaf.Name+".crt"], data[leaf.Name+".key"] = pair.Cert, pair.Key
	}
	return clusterSecret(hc, secret, data), nil
}

// metricsServerSecret is kept here and copied into the user cluster.
func (r *HostedClusterReconciler) metricsServerSecret(ctx context.Context, hc *v1alpha1.HostedCluster, a authorities) (client.Object, error) {
	live, err := r.liveData(ctx, hc, usercluster.MetricsServer)
	if err != nil {
		return nil, err
	}
	pair, err := issue(a.ca, live, "tls", usercluster.MetricsServerLeaf(), r.Clock.Now())
	secret := clusterSecret(hc, usercluster.MetricsServer, map[string][]byte{corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key})
	secret.Type = corev1.SecretTypeTLS
	return secret, err
}

// insideKeys are what components inside the user cluster need.
type insideKeys struct {
	ca                            []byte // the cluster's authority, PEM
	openVPNClients, metricsServer map[string][]byte
}

// newInsideKeys finds the keys among the Secrets that are kept for the cluster.
func newInsideKeys(a authorities, secrets []client.Object) insideKeys {
	keys := insideKeys{ca: a.ca.Cert}
	for _, obj := range secrets {
		switch obj.GetName() {
		case openvpn.Client:
			keys.openVPNClients = obj.(*corev1.Secret).Data
		case usercluster.MetricsServer:
			keys.metricsServer = obj.(*corev1.Secret).Data
		}
	}
	return keys
}

// managerKubeconfig returns the Secret with which the seed manager reaches the cluster, in the form that Cluster API
// reads. Its certificate is a cluster administrator's, because the manager also writes the first RBAC rules.
// It names the Service's address, not its name, so that nothing waits for DNS.
func (r *HostedClusterReconciler) managerKubeconfig(ctx context.Context, in controlplane.Input, ca pki.KeyPair) (client.Object, error) {
	hc, name := in.Cluster, capisecret.Name(in.Cluster.Name, capisecret.Kubeconfig)
	live, err := r.liveData(ctx, hc, name)
	if err != nil {
		return nil, err
	}
	pair, err := issue(ca, live, "client", pki.Leaf{CommonName: "canopy:seed", Organizations: []string{"system:masters"}}, r.Clock.Now())
	if err != nil {
		return nil, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[hc.Name] = &clientcmdapi.Cluster{Server: "https://" + in.ServiceIP, CertificateAuthorityData: ca.Cert}
	config.AuthInfos[hc.Name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	config.Contexts[hc.Name] = &clientcmdapi.Context{Cluster: hc.Name, AuthInfo: hc.Name}
	config.CurrentContext = hc.Name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encoding the kubeconfig: %w", err)
	}
	secret := clusterSecret(hc, name, map[string][]byte{capisecret.KubeconfigDataName: content, "client.crt": pair.Cert, "client.key": pair.Key})
	secret.Labels[clusterv1.ClusterNameLabel] = hc.Name
	secret.Type = clusterv1.ClusterSecretType
	return secret, nil
}

// liveData returns what a Secret of the cluster holds, nil if there is none.
func (r *HostedClusterReconciler) liveData(ctx context.Context, hc *v1alpha1.HostedCluster, name string) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: name}, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", hc.Namespace, name, err)
	}
	return secret.Data, nil
}

func clusterSecret(hc *v1alpha1.HostedCluster, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: hc.Namespace, Labels: clusterLabels(hc)}, Data: data}
}

// issue returns the pair that data holds under name if it is current, a new one otherwise.
func issue(ca pki.KeyPair, data map[string][]byte, name string, leaf pki.Leaf, now time.Time) (pki.KeyPair, error) {
	pair := pki.KeyPair{Cert: data[name+".crt"], Key: data[name+".key"]}
	if ca.Current(pair, leaf, now) {
		return pair, nil
	}
	return ca.Issue(leaf, now)
}

// checksum changes with any of the parts.
func checksum(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func clusterLabels(hc *v1alpha1.HostedCluster) map[string]string {
	return map[string]string{v1alpha1.LabelCluster: hc.Name}
}
