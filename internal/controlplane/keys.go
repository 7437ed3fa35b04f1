// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/usercluster"
)

// Certificate is one leaf certificate of the control plane. Its files are <Name>.crt and <Name>.key.
type Certificate struct {
	Name string
	pki.Leaf
	// Authority is the name of the Secret of the authority that signs it.
	Authority string
	// ReadOnce says that it is read only when a process starts, which therefore has to start anew when it is renewed.
	ReadOnce bool
}

// certificateEgress is the name of the certificate with which kube-apiserver is let into the tunnel.
const certificateEgress = "egress-client"

// Certificates returns the leaf certificates of the control plane.
func Certificates(in Input) ([]Certificate, error) {
	server, err := APIServerLeaf(in)
	if err != nil {
		return nil, err
	}
	certificates := []Certificate{
		{Name: "apiserver", Leaf: server, Authority: SecretCA},
		{Name: "kubelet-client", Leaf: pki.Leaf{CommonName: "kube-apiserver-kubelet-client"}, Authority: SecretCA},
		{Name: "front-proxy-client", Leaf: pki.Leaf{CommonName: "front-proxy-client"}, Authority: SecretFrontProxyCA},
		{Name: "controller-manager", Leaf: pki.Leaf{CommonName: "system:kube-controller-manager"}, Authority: SecretCA},
		{Name: "scheduler", Leaf: pki.Leaf{CommonName: "system:kube-scheduler"}, Authority: SecretCA},
	}
	if in.Cluster.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		return append(certificates,
			Certificate{Name: KonnectivityServer, Leaf: konnectivityLeaf(in), Authority: SecretCA, ReadOnce: true},
			Certificate{Name: konnectivityClient, Leaf: pki.Leaf{CommonName: usercluster.KonnectivityAudience}, Authority: SecretCA},
		), nil
	}
	return append(certificates, Certificate{Name: certificateEgress, Leaf: pki.Leaf{CommonName: APIServer}, Authority: SecretOpenVPNCA, ReadOnce: true}), nil
}

// Kubeconfigs returns the configurations with which the components reach the API, by file name. They name the files of
// the client certificates, so that a renewed certificate is read without a restart.
func Kubeconfigs(in Input) map[string]string {
	files := map[string]string{
		"controller-manager.conf": kubeconfig(localAPI, keysDir, "controller-manager"),
		"scheduler.conf":          kubeconfig(localAPI, keysDir, "scheduler"),
	}
	if in.Cluster.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		files[KonnectivityServer+".conf"] = kubeconfig(localAPI, keysDir, konnectivityClient)
	}
	return files
}

var localAPI = fmt.Sprintf("https://127.0.0.1:%d", apiPort)

// kubeconfig names the client certificate and its authority as files in dir.
func kubeconfig(server, dir, certificate string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster:
    server: %s
    certificate-authority: %[2]s/ca.crt
users:
- name: user
  user:
    client-certificate: %[2]s/%[3]s.crt
    client-key: %[2]s/%[3]s.key
contexts:
- name: default
  context: {cluster: cluster, user: user}
current-context: default
`, server, dir, certificate)
}
