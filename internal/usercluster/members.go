// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// The roles of members. Kubernetes itself adds up their rules from all ClusterRoles that carry one of their labels, so that
// they also cover what an operator adds to the roles edit and view.
const (
	RoleEditor = "canopy:editor"
	RoleViewer = "canopy:viewer"

	labelEditor = "hosting.canopy.dev/aggregate-to-editor"
	labelViewer = "hosting.canopy.dev/aggregate-to-viewer"
	labelEdit   = "rbac.authorization.k8s.io/aggregate-to-edit"
	labelView   = "rbac.authorization.k8s.io/aggregate-to-view"
)

// read is what a viewer may do with anything.
var read = []string{"get", "list", "watch"}

// members lets people in: three bindings, however many there are. An owner is an administrator. An editor has what
// Kubernetes' own role edit gives, in every namespace, and the namespaces themselves, and a viewer has view: neither may
// change nodes, roles or anything else outside of namespaces. Both see that.
func members(in Input) []client.Object {
	return []client.Object{
		aggregated(RoleEditor, labelEdit, labelEditor, labelViewer),
		aggregated(RoleViewer, labelView, labelViewer),
		part("canopy:aggregate-to-editor", labelEditor,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"create", "delete", "patch", "update"}},
		),
		part("canopy:aggregate-to-viewer", labelViewer,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes", "persistentvolumes"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"apiregistration.k8s.io"}, Resources: []string{"apiservices"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingressclasses"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterrolebindings", "clusterroles", "rolebindings", "roles"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"scheduling.k8s.io"}, Resources: []string{"priorityclasses"}, Verbs: read},
			rbacv1.PolicyRule{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"csidrivers", "csinodes", "storageclasses", "volumeattachments"}, Verbs: read},
		),
		admit("canopy:owners", "cluster-admin", in.Access, v1alpha1.AccessOwner),
		admit("canopy:editors", RoleEditor, in.Access, v1alpha1.AccessEditor),
		admit("canopy:viewers", RoleViewer, in.Access, v1alpha1.AccessViewer),
	}
}

// aggregated returns a role whose rules are those of all roles that have one of the labels.
func aggregated(name string, labels ...string) *rbacv1.ClusterRole {
	role := &rbacv1.ClusterRole{ObjectMeta: clusterMeta(name, "rbac"), AggregationRule: &rbacv1.AggregationRule{}}
	for _, label := range labels {
		role.AggregationRule.ClusterRoleSelectors = append(role.AggregationRule.ClusterRoleSelectors, metav1.LabelSelector{MatchLabels: map[string]string{label: "true"}})
	}
	return role
}

// part returns a role whose rules become part of those that aggregate its label.
func part(name, label string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	r := role(name, rules...)
	r.Labels[label] = "true"
	return r
}

// admit binds those who have an access role to a ClusterRole.
func admit(name, role string, access []v1alpha1.Access, accessRole v1alpha1.AccessRole) *rbacv1.ClusterRoleBinding {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: clusterMeta(name, "rbac"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	for _, a := range access {
		if a.Role == accessRole {
			binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: string(a.Kind), Name: a.Name})
		}
	}
	return binding
}
