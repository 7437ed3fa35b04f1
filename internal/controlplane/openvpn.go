// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/tunnel"
)

// openVPNClientsDir holds a file for each client that is let in.
const openVPNClientsDir = "/etc/openvpn/clients"

// OpenVPNLeaf is the certificate that the server shows, to the VPN's clients and to kube-apiserver.
func OpenVPNLeaf(cluster *v1alpha1.HostedCluster) pki.Leaf {
	return pki.Leaf{CommonName: openvpn.Server, Names: []string{openVPNHost(cluster)}}
}

func openVPNHost(cluster *v1alpha1.HostedCluster) string {
	return openvpn.Server + "." + Namespace(cluster) + ".svc"
}

// openVPN is the server of the VPN, and beside it the relay that kube-apiserver connects to. It is a pod of its own, so that
// neither its restarts nor its capability are the control plane's. The VPN's clients come from the user cluster.
func openVPN(in Input) []client.Object {
	addresses, err := tunnel.NewAddresses(in.Cluster.Spec.Network.TunnelCIDR)
	if err != nil {
		return nil // the range was checked when the cluster was made
	}
	return []client.Object{
		openVPNDeployment(in, addresses),
		&corev1.Service{
			ObjectMeta: in.meta(openvpn.Server, openvpn.Server),
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{v1alpha1.LabelCluster: in.Cluster.Name, v1alpha1.LabelComponent: openvpn.Server},
				Ports:    []corev1.ServicePort{{Name: portRelay, Port: tunnel.RelayPort, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(portRelay)}},
			},
		},
		&corev1.ConfigMap{ObjectMeta: in.meta(openvpn.Client, openvpn.Server), Data: openVPNClients(addresses)},
	}
}

func openVPNDeployment(in Input, addresses tunnel.Addresses) client.Object {
	labels := map[string]string{v1alpha1.LabelCluster: in.Cluster.Name, v1alpha1.LabelComponent: openvpn.Server}
	return &appsv1.Deployment{
		ObjectMeta: in.meta(openvpn.Server, openvpn.Server),
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(int32(1)),
			RevisionHistoryLimit: new(int32(1)),
			Selector:             &metav1.LabelSelector{MatchLabels: labels},
			// The old server goes when the new one runs; its clients then connect to the new one, and callers wait for them.
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromInt32(1))},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: exposed(labels), Annotations: map[string]string{AnnotationKeys: in.OpenVPNChecksum}},
				Spec: corev1.PodSpec{
					InitContainers:                []corev1.Container{openvpn.Guard(in.OpenVPNImage, addresses.Range)},
					Containers:                    []corev1.Container{openVPNServer(in, addresses), relay(in, addresses)},
					Volumes:                       append(openvpn.Volumes(SecretOpenVPN), configMapVolume("clients", openvpn.Client)),
					AutomountServiceAccountToken:  new(false),
					EnableServiceLinks:            new(false),
					PriorityClassName:             PriorityClass,
					TerminationGracePeriodSeconds: new(int64(5)),
					SecurityContext:               &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
				},
			},
		},
	}
}

func openVPNServer(in Input, addresses tunnel.Addresses) corev1.Container {
	c := openvpn.Container(in.OpenVPNImage,
		"--mode", "server", "--tls-server", "--proto", "tcp-server", "--port", strconv.Itoa(openvpn.Port),
		"--topology", "subnet", "--ifconfig", addresses.Server.String(), openvpn.Netmask(addresses.Range), "--push", "topology subnet",
		"--client-config-dir", openVPNClientsDir, "--ccd-exclusive",
		"--cert", openvpn.KeysDir+"/server.crt", "--key", openvpn.KeysDir+"/server.key", "--dh", "none",
		"--tls-crypt-v2", openvpn.KeysDir+"/"+openvpn.FileTLSCrypt, "--remote-cert-tls", "client",
		"--keepalive", "3", "9", "--max-clients", strconv.Itoa(2*tunnel.Clients), "--tcp-nodelay",
	)
	c.Ports = []corev1.ContainerPort{{Name: PortTunnel, ContainerPort: openvpn.Port, Protocol: corev1.ProtocolTCP}}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "clients", MountPath: openVPNClientsDir, ReadOnly: true})
	return c
}

// openVPNClients gives each client that is let in its address.
func openVPNClients(addresses tunnel.Addresses) map[string]string {
	files := map[string]string{}
	for i, address := range addresses.Clients {
		files[openvpn.ClientName(i)] = fmt.Sprintf("ifconfig-push %s %s\n", address, openvpn.Netmask(addresses.Range))
	}
	return files
}

func relay(in Input, addresses tunnel.Addresses) corev1.Container {
	c := openvpn.Proxy(in.OpenVPNImage, portRelay, addresses.Range,
		"--tls-cert-file="+openvpn.KeysDir+"/server.crt", "--tls-private-key-file="+openvpn.KeysDir+"/server.key",
		"--client-ca-file="+openvpn.KeysDir+"/"+openvpn.FileCA, "--caller="+APIServer)
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: portRelay, ContainerPort: tunnel.RelayPort, Protocol: corev1.ProtocolTCP})
	c.VolumeMounts = []corev1.VolumeMount{{Name: "keys", MountPath: openvpn.KeysDir, ReadOnly: true}}
	c.SecurityContext.RunAsGroup = new(int64(0)) // may read the keys
	return c
}

func configMapVolume(name, configMap string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}},
	}}
}
