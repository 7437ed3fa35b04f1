// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ParseKubeconfig takes kubeconfigs of clusters, as people give them to us, that hold all they need: no command is run and no file
// is read here because of one. Its errors do not repeat the content.
func ParseKubeconfig(content []byte) (*clientcmdapi.Config, *rest.Config, error) {
	errUnusable := errors.New("it is not a kubeconfig with a current context, a server and credentials")
	kubeconfig, err := clientcmd.Load(content)
	if err != nil {
		return nil, nil, errUnusable
	}
	errFiles := errors.New("it names files: use one that holds their content (kubectl config view --flatten --minify)")
	for _, cluster := range kubeconfig.Clusters {
		if cluster.CertificateAuthority != "" {
			return nil, nil, errFiles
		}
	}
	for _, user := range kubeconfig.AuthInfos {
		if user.Exec != nil || user.AuthProvider != nil {
			return nil, nil, errors.New("it wants a command or plugin to be run for its credentials: use the token of a service account, or a client certificate")
		}
		if user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "" {
			return nil, nil, errFiles
		}
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	if err != nil {
		return nil, nil, errUnusable
	}
	return kubeconfig, config, nil
}
