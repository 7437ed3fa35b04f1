// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/podspec"
)

const flannelHealthPort = 10285

// flannel connects the pods of all nodes: on each node it makes the vxlan device, the routes to the other nodes' pods, and
// the rule that gives packets to the outside the node's address. It installs no CNI plugin: containerd renders the
// configuration of the plugins that make a pod's interface itself, as soon as kubelet tells it the node's pod range.
func flannel(in Input) []client.Object {
	config := flannelConfig(in)
	const user = "canopy:" + Flannel
	return append(identity(Flannel, user),
		&rbacv1.ClusterRole{
			ObjectMeta: clusterMeta(user, Flannel),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list", "watch"}},
				{APIGroups: []string{""}, Resources: []string{"nodes/status"}, Verbs: []string{"patch"}},
			},
		},
		configMap(Flannel, map[string]string{"net-conf.json": config}),
		nodeAgent(in, Flannel, config, flannelContainer(in),
			configVolume(Flannel),
			corev1.Volume{Name: "run", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		),
	)
}

func flannelConfig(in Input) string {
	return fmt.Sprintf(`{"Network": %q, "EnableNFTables": true, "Backend": {"Type": "vxlan"}}`, in.Network.PodCIDR) + "\n"
}

func flannelContainer(in Input) corev1.Container {
	return corev1.Container{
		Name:    Flannel,
		Image:   images.Ref("flannel"),
		Command: []string{"/opt/bin/flanneld"},
		Args: []string{
			"--kube-subnet-mgr",
			"--ip-masq",
			"--iface=$(NODE_IP)", // the address that the other nodes know; the default route may be on another interface
			"--net-config-path=/etc/kube-flannel/net-conf.json",
			"--healthz-ip=127.0.0.1",
			fmt.Sprintf("--healthz-port=%d", flannelHealthPort),
		},
		Env:             append(apiEnv(in), fieldEnv("NODE_NAME", "spec.nodeName"), fieldEnv("NODE_IP", "status.hostIP")),
		Resources:       podspec.Resources("10m", "32Mi", "256Mi"),
		SecurityContext: podspec.Restricted("NET_ADMIN"),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: "/etc/kube-flannel", ReadOnly: true},
			{Name: "run", MountPath: "/run/flannel"},
		},
		StartupProbe:   httpProbe("127.0.0.1", "/readyz", flannelHealthPort, 1, 120),
		ReadinessProbe: httpProbe("127.0.0.1", "/readyz", flannelHealthPort, 10, 2),
		LivenessProbe:  httpProbe("127.0.0.1", "/healthz", flannelHealthPort, 10, 6),
	}
}
