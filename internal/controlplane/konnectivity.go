// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/podspec"
	"canopy.dev/canopy/internal/usercluster"
)

// KonnectivityServer is the name of the component.
const KonnectivityServer = "konnectivity-server"

// konnectivityClient is the name of the certificate with which the server asks kube-apiserver.
const konnectivityClient = "konnectivity-client"

const (
	konnectivityDir        = "/run/konnectivity"
	konnectivitySocket     = konnectivityDir + "/server.sock"
	konnectivityAgentPort  = 8132
	konnectivityHealthPort = 8134
	konnectivityAdminPort  = 8135
)

// konnectivityLeaf is the certificate that the server shows to the agents.
func konnectivityLeaf(in Input) pki.Leaf {
	names := append([]string{KonnectivityServer, in.Cluster.Spec.Network.AgentAddress}, in.Names...)
	return pki.Leaf{CommonName: KonnectivityServer, Names: names}
}

// konnectivityServer runs in kube-apiserver's pod, which reaches it through a socket. It asks kube-apiserver in turn who
// its agents are.
func konnectivityServer() corev1.Container {
	return corev1.Container{
		Name:  KonnectivityServer,
		Image: images.Ref(KonnectivityServer),
		Args: args(map[string]string{
			"admin-bind-address":       "0.0.0.0", // metrics
			"admin-port":               strconv.Itoa(konnectivityAdminPort),
			"agent-namespace":          "kube-system",
			"agent-port":               strconv.Itoa(konnectivityAgentPort),
			"agent-service-account":    usercluster.KonnectivityAgent,
			"authentication-audience":  usercluster.KonnectivityAudience,
			"cluster-cert":             keysDir + "/konnectivity-server.crt",
			"cluster-key":              keysDir + "/konnectivity-server.key",
			"delete-existing-uds-file": "true",
			"health-port":              strconv.Itoa(konnectivityHealthPort),
			"keepalive-time":           "10s",
			"kubeconfig":               keysDir + "/konnectivity-server.conf",
			"mode":                     "grpc",
			"server-port":              "0",
			"tls-min-version":          "VersionTLS13",
			"uds-name":                 konnectivitySocket,
		}, nil),
		Env: []corev1.EnvVar{{Name: "GOGC", Value: "25"}},
		Ports: []corev1.ContainerPort{
			{Name: PortTunnel, ContainerPort: konnectivityAgentPort, Protocol: corev1.ProtocolTCP},
			{Name: "tunnel-metrics", ContainerPort: konnectivityAdminPort, Protocol: corev1.ProtocolTCP},
			{Name: "tunnel-health", ContainerPort: konnectivityHealthPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:       podspec.Requests("10m", "16Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "keys", MountPath: keysDir, ReadOnly: true},
			{Name: "konnectivity", MountPath: konnectivityDir},
		},
		// It is ready when an agent is connected, which is none of the control plane's business: only that it runs is.
		StartupProbe:   konnectivityProbe(1, 60),
		ReadinessProbe: konnectivityProbe(10, 2),
		LivenessProbe:  konnectivityProbe(10, 6),
	}
}

func konnectivityProbe(period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  httpGet("/healthz", intstr.FromString("tunnel-health"), corev1.URISchemeHTTP),
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures,
	}
}

// addKonnectivity puts the server beside kube-apiserver if that is the cluster's tunnel.
func addKonnectivity(in Input, pod *corev1.PodSpec) {
	if in.Cluster.Spec.Network.Tunnel != v1alpha1.TunnelKonnectivity {
		return
	}
	pod.Containers = append(pod.Containers, konnectivityServer())
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "konnectivity", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("1Mi"))},
	}})
	for i := range pod.Containers {
		if pod.Containers[i].Name == kubernetesContainer {
			pod.Containers[i].VolumeMounts = append(pod.Containers[i].VolumeMounts, corev1.VolumeMount{Name: "konnectivity", MountPath: konnectivityDir})
		}
	}
}
