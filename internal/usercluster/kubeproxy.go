// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/podspec"
)

const kubeProxyHealthPort = 10256

// kubeProxy makes Services work: on each node it keeps the nftables rules that lead a Service's address to its pods.
func kubeProxy(in Input) []client.Object {
	config := kubeProxyConfig(in)
	// system:node-proxier is one of the roles that every Kubernetes has.
	return append(identity(KubeProxy, "system:node-proxier"),
		configMap(KubeProxy, map[string]string{"config.yaml": config}),
		nodeAgent(in, KubeProxy, config, kubeProxyContainer(in), configVolume(KubeProxy)),
	)
}

// kubeProxyConfig leaves the limits of connection tracking alone: they are the machine's, which may be a container, and
// setting them takes more privileges than everything else that kube-proxy does.
func kubeProxyConfig(in Input) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
detectLocalMode: ClusterCIDR
nodePortAddresses: [primary]
healthzBindAddress: 0.0.0.0:%d
metricsBindAddress: 127.0.0.1:10249
conntrack:
  maxPerCore: 0
  min: 0
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 0s
`, in.Network.PodCIDR, kubeProxyHealthPort)
}

func kubeProxyContainer(in Input) corev1.Container {
	return corev1.Container{
		Name:    KubeProxy,
		Image:   in.KubeProxyImage,
		Command: []string{"kube-proxy"},
		Args: []string{
			"--config=/etc/kube-proxy/config.yaml",
			"--hostname-override=$(NODE_NAME)",
		},
		Env:             append(apiEnv(in), fieldEnv("NODE_NAME", "spec.nodeName")),
		Resources:       podspec.Resources("10m", "48Mi", "512Mi"),
		SecurityContext: podspec.Restricted("NET_ADMIN"),
		VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/kube-proxy", ReadOnly: true}},
		StartupProbe:    httpProbe("127.0.0.1", "/healthz", kubeProxyHealthPort, 1, 120),
		ReadinessProbe:  httpProbe("127.0.0.1", "/healthz", kubeProxyHealthPort, 10, 2),
		// Not /healthz: that fails on purpose while the node is being deleted.
		LivenessProbe: httpProbe("127.0.0.1", "/livez", kubeProxyHealthPort, 10, 6),
	}
}
