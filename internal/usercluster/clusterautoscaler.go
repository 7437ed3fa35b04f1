// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ClusterAutoscalerUser is whom cluster-autoscaler, which is on the seed, is known as in the cluster.
const ClusterAutoscalerUser = "canopy:cluster-autoscaler"

// clusterAutoscalerStatus is the ConfigMap in which it says what it sees and does.
const clusterAutoscalerStatus = "cluster-autoscaler-status"

// clusterAutoscaler lets cluster-autoscaler see what pods ask for and what keeps them where they are, taint and drain nodes, and
// write its status.
func clusterAutoscaler(in Input) []client.Object {
	if !in.Autoscaled {
		return nil
	}
	read := []string{"get", "list", "watch"}
	meta := clusterMeta(ClusterAutoscalerUser, "rbac")
	meta.Namespace = metav1.NamespaceSystem
	return []client.Object{
		role(ClusterAutoscalerUser,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{
				"namespaces", "persistentvolumeclaims", "persistentvolumes", "pods", "replicationcontrollers", "services",
			}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: append(read[:len(read):len(read)], "patch", "update")},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/eviction"}, Verbs: []string{"create"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/status"}, Verbs: []string{"update"}},
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
			rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "replicasets", "statefulsets"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"cronjobs", "jobs"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"resource.k8s.io"}, Resources: []string{"deviceclasses", "resourceclaims", "resourceslices"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"storage.k8s.io"}, Resources: []string{
				"csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments",
			}, Verbs: read},
		),
		bind(ClusterAutoscalerUser, ClusterAutoscalerUser, rbacv1.UserKind, ClusterAutoscalerUser),
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{clusterAutoscalerStatus}, Verbs: []string{"get", "update", "delete"}},
			// It looks for a ConfigMap with priorities whatever its expander is.
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: ClusterAutoscalerUser},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: ClusterAutoscalerUser}},
		},
	}
}
