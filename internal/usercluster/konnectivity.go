// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/podspec"
)

// KonnectivityAgent is the name of the component. Its ServiceAccount is whom the server lets in.
const KonnectivityAgent = "konnectivity-agent"

// KonnectivityAudience is the audience of the agents' tokens, and the user as which the server asks whose they are.
const KonnectivityAudience = "system:konnectivity-server"

const (
	konnectivityHealthPort = 8134
	konnectivityAdminPort  = 8135
	konnectivityDir        = "/var/run/konnectivity"
)

// konnectivityAgent connects to the server and opens connections in the cluster's network for it.
func konnectivityAgent(in Input) []client.Object {
	template := podTemplate(KonnectivityAgent, string(in.CA), konnectivityContainer(in), []corev1.Volume{{
		Name: "credentials",
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: KonnectivityAudience, ExpirationSeconds: new(int64(3600)), Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: KonnectivityAgent}}},
		}}},
	}})
	template.Spec.AutomountServiceAccountToken = new(false)
	template.Spec.SecurityContext.RunAsNonRoot = new(true)
	tunnelPod(KonnectivityAgent, &template.Spec)
	return []client.Object{
		withoutToken(KonnectivityAgent),
		keepOne(KonnectivityAgent),
		configMap(KonnectivityAgent, map[string]string{"ca.crt": string(in.CA)}),
		bind("canopy:konnectivity-server", "system:auth-delegator", rbacv1.UserKind, KonnectivityAudience),
		&appsv1.Deployment{
			ObjectMeta: meta(KonnectivityAgent, KonnectivityAgent),
			Spec: appsv1.DeploymentSpec{
				Replicas:             new(int32(2)),
				RevisionHistoryLimit: new(int32(1)),
				Selector:             selector(KonnectivityAgent),
				Template:             template,
			},
		},
	}
}

func konnectivityContainer(in Input) corev1.Container {
	return corev1.Container{
		Name:  KonnectivityAgent,
		Image: images.Ref(KonnectivityAgent),
		Args: []string{
			"--admin-bind-address=0.0.0.0", "--admin-server-port=" + strconv.Itoa(konnectivityAdminPort), // metrics
			"--agent-id=$(POD_NAME)",
			"--ca-cert=" + konnectivityDir + "/ca.crt",
			"--health-server-port=" + strconv.Itoa(konnectivityHealthPort),
			"--keepalive-time=10s",
			"--proxy-server-host=" + in.Tunnel.Host,
			"--proxy-server-port=" + strconv.Itoa(int(in.Tunnel.Port)),
			"--service-account-token-path=" + konnectivityDir + "/token",
			"--sync-interval=1s", "--sync-interval-cap=5s", // how long a server that was gone may stay unnoticed
		},
		Env: []corev1.EnvVar{fieldEnv("POD_NAME", "metadata.name"), {Name: "GOGC", Value: "25"}},
		Ports: []corev1.ContainerPort{
			{Name: "metrics", ContainerPort: konnectivityAdminPort, Protocol: corev1.ProtocolTCP},
			{Name: "health", ContainerPort: konnectivityHealthPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:       podspec.Resources("10m", "16Mi", "128Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "credentials", MountPath: konnectivityDir, ReadOnly: true}},
		StartupProbe:    konnectivityProbe("/healthz", 1, 60),
		ReadinessProbe:  konnectivityProbe("/readyz", 5, 2), // connected to the server
		LivenessProbe:   konnectivityProbe("/healthz", 10, 6),
	}
}

func konnectivityProbe(path string, period, failures int32) *corev1.Probe {
	probe := httpProbe("", path, konnectivityHealthPort, period, failures)
	probe.HTTPGet.Port = intstr.FromString("health")
	return probe
}
