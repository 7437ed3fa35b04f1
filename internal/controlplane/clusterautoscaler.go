// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/podspec"
	"canopy.dev/canopy/internal/usercluster"
)

// ClusterAutoscaler is the name of the component, and of its Secret, account and role.
const ClusterAutoscaler = "cluster-autoscaler"

const (
	clusterAutoscalerPort = 8085
	clusterAutoscalerDir  = "/etc/cluster-autoscaler"
	// portAutoscaler is the name of the port with its metrics and health.
	portAutoscaler = "autoscaler"
)

// clusterAutoscaler looks at the pods of the user cluster, as a user there, and scales the MachineDeployments beside it, as an
// account of the seed. It is there only while a pool has autoscaling.
func clusterAutoscaler(in Input) []client.Object {
	if !in.Cluster.Autoscaled() {
		return nil
	}
	m := in.meta(ClusterAutoscaler, ClusterAutoscaler)
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: m},
		&rbacv1.Role{ObjectMeta: m, Rules: clusterAutoscalerRules()},
		&rbacv1.RoleBinding{
			ObjectMeta: m,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: ClusterAutoscaler},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: ClusterAutoscaler, Namespace: m.Namespace}},
		},
		alone(in, ClusterAutoscaler, "keys", nil, corev1.PodSpec{
			Containers:                    []corev1.Container{clusterAutoscalerContainer(in)},
			ServiceAccountName:            ClusterAutoscaler,
			AutomountServiceAccountToken:  new(true),
			PriorityClassName:             PriorityClass,
			TerminationGracePeriodSeconds: new(int64(10)),
		}),
	}
}

// clusterAutoscalerRules let it scale pools and choose the machine that goes, by an annotation.
func clusterAutoscalerRules() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{clusterv1.GroupVersion.Group}, Resources: []string{"machinedeployments", "machinesets"}, Verbs: read},
		{APIGroups: []string{clusterv1.GroupVersion.Group}, Resources: []string{"machinedeployments/scale"}, Verbs: []string{"get", "update", "patch"}},
		{APIGroups: []string{clusterv1.GroupVersion.Group}, Resources: []string{"machines"}, Verbs: append(read[:len(read):len(read)], "update")},
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"providermachinetemplates"}, Verbs: read},
	}
}

// ClusterAutoscalerCertificates returns the client certificate with which it reaches the user cluster.
func ClusterAutoscalerCertificates() []Certificate {
	return []Certificate{{Name: ClusterAutoscaler, Leaf: pki.Leaf{CommonName: usercluster.ClusterAutoscalerUser}, Authority: SecretCA}}
}

// ClusterAutoscalerKubeconfigs returns the configuration with which it reaches the user cluster, by file name.
func ClusterAutoscalerKubeconfigs(in Input) map[string]string {
	return map[string]string{
		ClusterAutoscaler + ".conf": kubeconfig("https://"+ServiceHost(in.Cluster), clusterAutoscalerDir, ClusterAutoscaler),
	}
}

func clusterAutoscalerContainer(in Input) corev1.Container {
	return corev1.Container{
		Name:    ClusterAutoscaler,
		Image:   in.ClusterAutoscalerImage,
		Command: []string{"/cluster-autoscaler"}, // the image has no entrypoint
		Args: args(map[string]string{
			"address":        fmt.Sprintf(":%d", clusterAutoscalerPort),
			"cloud-provider": "clusterapi",
			// The MachineDeployments are where its account is known, not where the kubeconfig leads.
			"clusterapi-cloud-config-authoritative": "true",
			"expander":                              "least-waste",
			"kubeconfig":                            clusterAutoscalerDir + "/cluster-autoscaler.conf",
			"leader-elect":                          "false", // there is one
			"node-group-auto-discovery":             fmt.Sprintf("clusterapi:namespace=%s,clusterName=%s", Namespace(in.Cluster), in.Cluster.Name),
			// What is in an emptyDir does not outlive its pod anyway. Pods that must stay say so by an annotation.
			"skip-nodes-with-local-storage": "false",
		}, nil),
		Ports:           []corev1.ContainerPort{{Name: portAutoscaler, ContainerPort: clusterAutoscalerPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Resources("10m", "64Mi", "512Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "keys", MountPath: clusterAutoscalerDir, ReadOnly: true}},
		ReadinessProbe:  clusterAutoscalerProbe(10, 3),
		LivenessProbe:   clusterAutoscalerProbe(30, 6),
	}
}

func clusterAutoscalerProbe(period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  httpGet("/health-check", intstr.FromString(portAutoscaler), corev1.URISchemeHTTP),
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures,
	}
}
