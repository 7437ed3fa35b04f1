// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/tunnel"
)

// egress tells kube-apiserver to reach kubelets, pods and Services through the tunnel, and nothing else through it.
func egress(in Input) string {
	connection := fmt.Sprintf(`    proxyProtocol: HTTPConnect
    transport:
      tcp:
        url: https://%s:%d
        tlsConfig:
          caBundle: %[3]s/%[4]s
          clientCert: %[3]s/%[5]s.crt
          clientKey: %[3]s/%[5]s.key
`, openVPNHost(in.Cluster), tunnel.RelayPort, keysDir, openVPNCAFile, certificateEgress)
	if in.Cluster.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		connection = fmt.Sprintf(`    proxyProtocol: GRPC
    transport:
      uds:
        udsName: %s
`, konnectivitySocket)
	}
	return `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
` + connection
}

// openVPNCAFile is the authority of the tunnel's server, among the keys of the control plane.
const openVPNCAFile = "openvpn-ca.crt"

// egressKeys are what kube-apiserver trusts in the tunnel's server with, beside its own certificate.
func egressKeys(in Input) []corev1.VolumeProjection {
	if in.Cluster.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		return nil
	}
	return []corev1.VolumeProjection{secretFiles(SecretOpenVPNCA, corev1.KeyToPath{Key: corev1.TLSCertKey, Path: openVPNCAFile})}
}

// Companions returns what stands beside a control plane and needs it to run first: the tunnel's server, where that is not in the
// control plane's own pod, the cloud controller manager, and cluster-autoscaler.
func Companions(in Input) []client.Object {
	companions := append(cloudController(in), clusterAutoscaler(in)...)
	if in.Cluster.Spec.Network.Tunnel != v1alpha1.TunnelKonnectivity {
		companions = append(companions, openVPN(in)...)
	}
	return sorted(companions)
}

// TunnelServer is the name of the component that is the server of the cluster's tunnel.
func TunnelServer(cluster *v1alpha1.HostedCluster) string {
	if cluster.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		return KonnectivityServer
	}
	return openvpn.Server
}
