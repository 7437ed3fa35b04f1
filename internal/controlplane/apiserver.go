// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/pki"
)

// apiPort is where kube-apiserver listens, in a pod of its own.
const apiPort = 6443

// apiserverArgs are the flags of kube-apiserver.
func apiserverArgs(in Input) []string {
	spec := in.Cluster.Spec
	flags := map[string]string{
		"allow-privileged":                   "true",
		"authentication-config":              configDir + "/authentication.yaml",
		"authorization-mode":                 "Node,RBAC",
		"client-ca-file":                     keysDir + "/ca.crt",
		"egress-selector-config-file":        configDir + "/egress.yaml",
		"enable-admission-plugins":           "NodeRestriction",
		"enable-bootstrap-token-auth":        "true",
		"endpoint-reconciler-type":           "none", // the seed writes the endpoint of the Service "kubernetes"
		"etcd-servers":                       etcdURL,
		"kubelet-certificate-authority":      keysDir + "/ca.crt",
		"kubelet-client-certificate":         keysDir + "/kubelet-client.crt",
		"kubelet-client-key":                 keysDir + "/kubelet-client.key",
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"profiling":                          "false",
		"proxy-client-cert-file":             keysDir + "/front-proxy-client.crt",
		"proxy-client-key-file":              keysDir + "/front-proxy-client.key",
		"requestheader-allowed-names":        "front-proxy-client",
		"requestheader-client-ca-file":       keysDir + "/front-proxy-ca.crt",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"secure-port":                        strconv.Itoa(apiPort),
		"service-account-issuer":             Issuer(spec.Network),
		"service-account-key-file":           keysDir + "/sa.pub",
		"service-account-signing-key-file":   keysDir + "/sa.key",
		"service-cluster-ip-range":           spec.Network.ServiceCIDR,
		"tls-cert-file":                      keysDir + "/apiserver.crt",
		"tls-private-key-file":               keysDir + "/apiserver.key",
	}
	if in.Encryption.Encrypts() {
		flags[encryptionFlag] = keysDir + "/" + in.Encryption.File()
	}
	return args(flags, spec.APIServer.ExtraArgs)
}

// authentication is kube-apiserver's AuthenticationConfiguration. The seed has looked at the issuers.
func authentication(in Input) string {
	config, err := identity.Configuration(in.Cluster.Spec.Authentication.Issuers)
	if err != nil {
		panic(err) // strings and lists of them can be encoded
	}
	return config
}

// startedWith changes with the configuration that is only read when a process starts. kube-apiserver reads its
// AuthenticationConfiguration anew when that changes; what it was before there were issuers is still part of this, so that
// no cluster is restarted for nothing.
func startedWith(in Input) string {
	return checksum(withoutIssuers + egress(in))
}

const withoutIssuers = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// APIServerLeaf is the certificate that kube-apiserver shows.
func APIServerLeaf(in Input) (pki.Leaf, error) {
	first, err := ServiceAddress(in.Cluster.Spec.Network, 1)
	if err != nil {
		return pki.Leaf{}, err
	}
	names := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + in.Cluster.Spec.Network.DNSDomain,
		"localhost", "127.0.0.1", first, in.ServiceIP, ServiceHost(in.Cluster),
	}
	return pki.Leaf{CommonName: APIServer, Names: slices.Concat(names, in.Names, in.Cluster.Spec.APIServer.CertSANs)}, nil
}

// ServiceHost is the name by which other pods of the seed reach the API, on port 443.
func ServiceHost(cluster *v1alpha1.HostedCluster) string {
	return APIServer + "." + Namespace(cluster) + ".svc"
}

func configuration(in Input) []client.Object {
	return []client.Object{&corev1.ConfigMap{
		ObjectMeta: in.meta(Name, Name),
		Data:       map[string]string{"authentication.yaml": authentication(in), "egress.yaml": egress(in)},
	}}
}
