// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package controlplane turns a HostedCluster into the objects of its control plane on the seed. It is pure: no I/O, no
// clock, no randomness. A component (one file each) says what it is: image, flags, volumes, health; a profile
// (profiles.go) says how the components are laid out in pods; observe.go reads the components' health from what lives.
package controlplane

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Names of the components. Each is the file, object, label and metric name as well.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Name is the name of the StatefulSet and the pod prefix of a compact control plane.
const Name = "control-plane"

// Names of the Secrets that the control plane's pods mount. They are made by the seed, not here.
const (
	SecretCA              = "ca"              // tls.crt, tls.key: signs the certificates of the API, its clients and the nodes
	SecretFrontProxyCA    = "front-proxy-ca"  // tls.crt, tls.key: signs the client certificate for aggregated APIs
	SecretServiceAccounts = "service-account" // tls.key, tls.pub: signs service-account tokens
	SecretCertificates    = "control-plane"   // the leaf certificates, by the names of files
	SecretOpenVPNCA       = "openvpn-ca"      // tls.crt, tls.key, tls-crypt-v2.key: signs the certificates of the tunnel
	SecretOpenVPN         = "openvpn"         // ca.crt, server.crt, server.key, tls-crypt-v2.key: what the tunnel's server has
)

// Names of the ports that people and nodes reach.
const (
	PortAPI    = "https"
	PortTunnel = "tunnel"
	// PortMetrics is the port at which a component shows its metrics, where it has one for them.
	PortMetrics = "metrics"
	portRelay   = "relay" // for kube-apiserver only
)

// Input is everything that the objects are made from.
type Input struct {
	Cluster *v1alpha1.HostedCluster
	// KubernetesImage is the image of the multi-call binary of the wanted version.
	KubernetesImage string
	// Names are the names and addresses under which people and nodes reach the API (Exposure.Names).
	Names []string
	// ServiceIP is the address of the API's Service on the seed.
	ServiceIP string
	// OpenVPNImage is the image of both ends of the tunnel; it is compiled from this repository.
	OpenVPNImage string
	// ClusterAutoscalerImage is of the minor of the wanted version.
	ClusterAutoscalerImage string
	// OpenVPNChecksum changes with the keys of the tunnel's server.
	OpenVPNChecksum string
	// KeysChecksum changes with what is only read when a process starts: the authorities, the service-account key, and the
	// certificates that say so.
	KeysChecksum string
	// CloudControllerChecksum changes with what the cloud controller manager is told of its cloud; empty: there is nothing to tell,
	// and so none.
	CloudControllerChecksum string
	// Encryption is how Secrets are stored.
	Encryption Encryption
	// Alertmanager is the host and port of the seed's Alertmanager; empty: alerts are sent to nobody.
	Alertmanager string
}

// Objects returns the objects of the control plane, sorted by kind and name.
func Objects(in Input) []client.Object {
	return sorted(slices.Concat(
		configuration(in),
		compact(in),
		networkPolicies(in),
	))
}

func sorted(objs []client.Object) []client.Object {
	slices.SortFunc(objs, func(a, b client.Object) int {
		return cmp.Or(cmp.Compare(kind(a), kind(b)), cmp.Compare(a.GetName(), b.GetName()))
	})
	return objs
}

func kind(obj client.Object) string { return reflect.TypeOf(obj).Elem().Name() }

// Namespace is where the control plane of cluster lives.
func Namespace(cluster *v1alpha1.HostedCluster) string {
	return v1alpha1.NamespacePrefix + cluster.Name
}

// Issuer is the issuer of the user cluster's service-account tokens.
func Issuer(network v1alpha1.Network) string {
	return "https://kubernetes.default.svc." + network.DNSDomain
}

// ServiceAddress returns the nth address of the range of services: the first is the API's, the tenth the DNS server's.
func ServiceAddress(network v1alpha1.Network, n int) (string, error) {
	prefix, err := netip.ParsePrefix(network.ServiceCIDR)
	if err != nil {
		return "", fmt.Errorf("network.serviceCIDR: %w", err)
	}
	addr := prefix.Masked().Addr()
	for range n {
		addr = addr.Next()
	}
	return addr.String(), nil
}

func (in Input) meta(name, component string) metav1.ObjectMeta {
	labels := map[string]string{v1alpha1.LabelCluster: in.Cluster.Name}
	if component != "" {
		labels[v1alpha1.LabelComponent] = component
	}
	return metav1.ObjectMeta{Name: name, Namespace: Namespace(in.Cluster), Labels: labels}
}
