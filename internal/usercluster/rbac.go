// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Names that certificates and tokens carry, and what they may do in the user cluster.
const (
	// KubeletClientUser is whom kube-apiserver calls kubelets as, for logs, exec and port-forward.
	KubeletClientUser = "kube-apiserver-kubelet-client"
	// MachineUserPrefix is before the name of a machine of bringYourOwn that joins. Like those of people in AdminGroup and
	// ViewerGroup, its certificate is signed only for whom the master says.
	MachineUserPrefix = "canopy:machine:"
	// BootstrapGroup is the group of the tokens and certificates with which machines ask for their certificate.
	BootstrapGroup = "system:bootstrappers:canopy"
	// AdminGroup may do everything in the cluster. Unlike with system:masters, that can be taken away again.
	AdminGroup = "canopy:admins"
	// ViewerGroup may see everything but Secrets.
	ViewerGroup = "canopy:viewers"
	// PrometheusUser and KubeStateMetricsUser are whom those two, which are on the seed, ask the cluster as.
	PrometheusUser       = "canopy:prometheus"
	KubeStateMetricsUser = "canopy:kube-state-metrics"
	// CloudControllerUser is whom the cloud controller manager, which is on the seed, too, asks the cluster as.
	CloudControllerUser = "canopy:cloud-controller-manager"
)

// rbac has no binding that lets a node approve its own certificate: the seed manager does that after it has looked at the
// machine.
func rbac() []client.Object {
	return []client.Object{
		bind("canopy:kubelet-api-admin", "system:kubelet-api-admin", rbacv1.UserKind, KubeletClientUser),
		bind("canopy:node-bootstrapper", "system:node-bootstrapper", rbacv1.GroupKind, BootstrapGroup),
		bind("canopy:admins", "cluster-admin", rbacv1.GroupKind, AdminGroup),
		bind("canopy:viewer-certificates", RoleViewer, rbacv1.GroupKind, ViewerGroup),
		// Metrics of components, of nodes and of pods, the latter two through the API server's proxy. It could ask pods for
		// anything else with GET, too: RBAC knows no paths below a proxy.
		role(PrometheusUser,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"get", "list", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes/metrics", "nodes/proxy", "pods/proxy"}, Verbs: []string{"get"}},
			rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics", "/metrics/slis"}, Verbs: []string{"get"}},
		),
		bind(PrometheusUser, PrometheusUser, rbacv1.UserKind, PrometheusUser),
		role(KubeStateMetricsUser,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"list", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "deployments", "statefulsets"}, Verbs: []string{"list", "watch"}},
		),
		bind(KubeStateMetricsUser, KubeStateMetricsUser, rbacv1.UserKind, KubeStateMetricsUser),
		// It makes load balancers for Services and nothing else.
		role(CloudControllerUser,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes", "services"}, Verbs: []string{"get", "list", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services/status"}, Verbs: []string{"patch"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch", "update"}},
		),
		bind(CloudControllerUser, CloudControllerUser, rbacv1.UserKind, CloudControllerUser),
	}
}

func role(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: clusterMeta(name, "rbac"), Rules: rules}
}

func bind(name, role, subjectKind, subject string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: clusterMeta(name, "rbac"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: subjectKind, Name: subject}},
	}
}
