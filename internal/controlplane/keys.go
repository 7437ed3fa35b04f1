// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"

	"canopy.dev/canopy/internal/pki"
)

// Certificate is one leaf certificate of the control plane. Its files are <Name>.crt and <Name>.key.
type Certificate struct {
	Name string
	pki.Leaf
	// FrontProxy says that the front-proxy authority signs it, not the cluster's.
	FrontProxy bool
}

// Certificates returns the leaf certificates of the control plane.
func Certificates(in Input) ([]Certificate, error) {
	server, err := APIServerLeaf(in)
	if err != nil {
		return nil, err
	}
	return []Certificate{
		{Name: "apiserver", Leaf: server},
		{Name: "kubelet-client", Leaf: pki.Leaf{CommonName: "kube-apiserver-kubelet-client"}},
		{Name: "front-proxy-client", Leaf: pki.Leaf{CommonName: "front-proxy-client"}, FrontProxy: true},
		{Name: "controller-manager", Leaf: pki.Leaf{CommonName: "system:kube-controller-manager"}},
		{Name: "scheduler", Leaf: pki.Leaf{CommonName: "system:kube-scheduler"}},
	}, nil
}

// Kubeconfigs returns the configurations with which the components reach the API, by file name. They name the files of
// the client certificates, so that a renewed certificate is read without a restart.
func Kubeconfigs(in Input) map[string]string {
	return map[string]string{
		"controller-manager.conf": kubeconfig(localAPI(in), keysDir, "controller-manager"),
		"scheduler.conf":          kubeconfig(localAPI(in), keysDir, "scheduler"),
	}
}

func localAPI(in Input) string { return fmt.Sprintf("https://127.0.0.1:%d", in.Port) }

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
