// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/tunnel"
)

// openVPNClient are the VPN's clients: each with a name, a certificate and an address of its own, and beside it the agent
// that opens connections in the cluster's network. They are not on the nodes' own network, so all that their capability
// reaches is their own pod's.
func openVPNClient(in Input) []client.Object {
	addresses, err := tunnel.NewAddresses(in.Network.TunnelCIDR)
	if err != nil {
		return nil // the range was checked when the cluster was made
	}
	image := in.Tunnel.OpenVPNImage
	vpn := openvpn.Container(image,
		"--client", "--nobind", "--proto", "tcp-client", "--remote", in.Tunnel.Host, strconv.Itoa(int(in.Tunnel.Port)),
		"--connect-retry", "1", "2", "--connect-timeout", "5", "--resolv-retry", "infinite",
		"--cert", openvpn.KeysDir+"/$(POD_NAME).crt", "--key", openvpn.KeysDir+"/$(POD_NAME).key",
		"--tls-crypt-v2", openvpn.KeysDir+"/$(POD_NAME).tls-crypt-v2.key",
		"--remote-cert-tls", "server", "--verify-x509-name", openvpn.Server, "name",
	)
	vpn.Env = []corev1.EnvVar{fieldEnv("POD_NAME", "metadata.name")}
	template := podTemplate(openvpn.Client, certificates(in.Tunnel.OpenVPNKeys), vpn, openvpn.Volumes(openvpn.Client))
	template.Spec.InitContainers = []corev1.Container{openvpn.Guard(image, addresses.Range)}
	template.Spec.Containers = append(template.Spec.Containers, openvpn.Proxy(image, "agent", addresses.Range))
	template.Spec.AutomountServiceAccountToken = new(false)
	tunnelPod(openvpn.Client, &template.Spec)
	return []client.Object{
		withoutToken(openvpn.Client),
		keepOne(openvpn.Client),
		&corev1.Secret{ObjectMeta: meta(openvpn.Client, openvpn.Client), Data: in.Tunnel.OpenVPNKeys},
		&appsv1.StatefulSet{
			ObjectMeta: meta(openvpn.Client, openvpn.Client),
			Spec: appsv1.StatefulSetSpec{
				Replicas:             new(int32(tunnel.Clients)),
				RevisionHistoryLimit: new(int32(1)),
				Selector:             selector(openvpn.Client),
				PodManagementPolicy:  appsv1.ParallelPodManagement,
				Template:             template,
			},
		},
	}
}

// certificates returns the certificates among files. No key is renewed without one.
func certificates(files map[string][]byte) string {
	all := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".crt") {
			all += string(files[name])
		}
	}
	return all
}
