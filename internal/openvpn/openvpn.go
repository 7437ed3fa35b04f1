// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package openvpn is what the pods at both ends of a tunnel of OpenVPN have in common: flags, containers, and names of
// files. It is pure; internal/controlplane makes the server's pod with it, internal/usercluster the clients'.
package openvpn

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"canopy.dev/canopy/internal/podspec"
	"canopy.dev/canopy/internal/tunnel"
)

// Names of the components. Each is the object and label name as well.
const (
	Server = "openvpn"
	Client = "openvpn-client"
)

// Port is where the server listens in its pod, for TCP.
const Port = 1194

// KeysDir is where the keys are in the pods of both ends. FileCA and FileTLSCrypt are names in it.
const (
	KeysDir      = "/etc/openvpn/keys"
	FileCA       = "ca.crt"
	FileTLSCrypt = "tls-crypt-v2.key"
)

const (
	device = "/dev/net/tun"
	// nobody is the user that everything but OpenVPN itself runs as.
	nobody = int64(65532)
)

// ClientName returns the name of the nth client's pod, which is also the common name of its certificate.
func ClientName(n int) string { return Client + "-" + strconv.Itoa(n) }

// Container runs OpenVPN with the flags of one end, to which those of both are added. TLS 1.3 and AES-GCM only. Large
// packets take a quarter of the CPU of small ones: over TCP, nothing on the way has to carry them whole.
func Container(image string, args ...string) corev1.Container {
	return corev1.Container{
		Name:    Server,
		Image:   image,
		Command: []string{"openvpn"},
		Args: append(slices.Clone(args),
			"--dev", "tun0", "--dev-type", "tun", "--persist-tun", "--disable-dco", "--tun-mtu", "9000", "--mssfix", "0",
			"--ca", KeysDir+"/"+FileCA, "--tls-version-min", "1.3", "--tls-ciphersuites", "TLS_AES_256_GCM_SHA384",
			"--data-ciphers", "AES-256-GCM", "--auth", "none", "--allow-compression", "no",
			"--verb", "1", "--suppress-timestamps", "--tmp-dir", "/dev/shm", // the only place where it may write
		),
		Resources:       podspec.Requests("10m", "8Mi"),
		SecurityContext: netAdmin(),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "keys", MountPath: KeysDir, ReadOnly: true},
			{Name: "tun", MountPath: device},
		},
	}
}

// Proxy runs one end of the tunnel ("relay" or "agent") beside OpenVPN, as nobody.
func Proxy(image, end string, vpn netip.Prefix, args ...string) corev1.Container {
	security := podspec.Restricted()
	security.RunAsNonRoot, security.RunAsUser, security.RunAsGroup = new(true), new(nobody), new(nobody)
	return corev1.Container{
		Name:            end,
		Image:           image,
		Command:         []string{"tunnel", end},
		Args:            append([]string{"--cidr=" + vpn.String()}, args...),
		Env:             []corev1.EnvVar{{Name: "GOGC", Value: "25"}}, // it is small, and idle most of the time
		Ports:           []corev1.ContainerPort{{Name: "metrics", ContainerPort: tunnel.MetricsPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Requests("10m", "12Mi"),
		StartupProbe:    probe("/healthz", 1, 60),
		ReadinessProbe:  probe("/readyz", 5, 2),
		LivenessProbe:   probe("/healthz", 10, 6),
		SecurityContext: security,
	}
}

// Guard makes sure, before the others start, that what is meant for the VPN never leaves the pod by another way and in
// clear, while there is no VPN.
func Guard(image string, vpn netip.Prefix) corev1.Container {
	return corev1.Container{
		Name:            "guard",
		Image:           image,
		Command:         []string{"ip", "route", "replace", "blackhole", vpn.String(), "metric", "4096"},
		Resources:       podspec.Requests("10m", "8Mi"),
		SecurityContext: netAdmin(),
	}
}

// Volumes are those of Container: the keys of a Secret, which root's group may read, and the one device that it needs.
func Volumes(secret string) []corev1.Volume {
	return []corev1.Volume{
		{Name: "keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: new(int32(0o440))}}},
		{Name: "tun", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: device, Type: new(corev1.HostPathCharDev)}}},
	}
}

// Netmask returns the mask of prefix in dotted form.
func Netmask(prefix netip.Prefix) string {
	return net.IP(net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())).String()
}

// netAdmin drops everything but the capability to set up the pod's own network, which only root can be given.
func netAdmin() *corev1.SecurityContext {
	security := podspec.Restricted("NET_ADMIN")
	security.RunAsUser = new(int64(0))
	return security
}

func probe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("metrics")}},
		PeriodSeconds: period, TimeoutSeconds: 3, FailureThreshold: failures,
	}
}
