// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// noNamespace is one that nobody has: rules for it are rules for all namespaces.
const noNamespace = "canopy-no-such-namespace"

// Denied asks a cluster which of the rights its client lacks. It takes two requests, and one more for each access that the
// cluster does not list, where it says that its list is not complete.
func Denied(ctx context.Context, api kubernetes.Interface, rights []Right) ([]Access, error) {
	clusterWide, complete, err := rulesIn(ctx, api, noNamespace)
	if err != nil {
		return nil, err
	}
	inSystem, completeToo, err := rulesIn(ctx, api, v1alpha1.SystemNamespace)
	if err != nil {
		return nil, err
	}
	missing := Missing(rights, clusterWide, inSystem)
	if complete && completeToo {
		return missing, nil
	}
	var denied []Access
	for _, access := range missing {
		review, err := api.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: access.attributes()},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("asking for the right to %s: %w", access, err)
		}
		if !review.Status.Allowed {
			denied = append(denied, access)
		}
	}
	return denied, nil
}

func (a Access) attributes() *authorizationv1.ResourceAttributes {
	resource, subresource, _ := strings.Cut(a.Resource, "/")
	return &authorizationv1.ResourceAttributes{
		Verb: a.Verb, Group: a.Group, Resource: resource, Subresource: subresource, Name: a.Name, Namespace: a.Namespace,
	}
}

func rulesIn(ctx context.Context, api kubernetes.Interface, namespace string) ([]rbacv1.PolicyRule, bool, error) {
	review, err := api.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, false, fmt.Errorf("asking for the rights there: %w", err)
	}
	var rules []rbacv1.PolicyRule
	for _, r := range review.Status.ResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	return rules, !review.Status.Incomplete, nil
}

// MasterObjects returns what an administrator of a seed applies there so that the master has these rights and no others.
// The roles that are for the whole cluster belong to the namespace, which has to be there: they go with it.
func MasterObjects(rights []Right, namespace *corev1.Namespace) []client.Object {
	meta := metav1.ObjectMeta{Name: MasterAccount, Labels: map[string]string{"app.kubernetes.io/name": "canopy", "app.kubernetes.io/component": MasterAccount}}
	inNamespace, clusterWide := meta, meta
	inNamespace.Namespace = namespace.Name
	clusterWide.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}}
	var wide, narrow []rbacv1.PolicyRule
	for _, right := range rights {
		if right.Namespace == "" {
			wide = append(wide, right.Rule)
		} else {
			narrow = append(narrow, right.Rule)
		}
	}
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: MasterAccount, Namespace: namespace.Name}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: MasterAccount}
	}
	off := false
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: inNamespace, AutomountServiceAccountToken: &off},
		&rbacv1.ClusterRole{ObjectMeta: clusterWide, Rules: wide},
		&rbacv1.ClusterRoleBinding{ObjectMeta: clusterWide, RoleRef: ref("ClusterRole"), Subjects: subject},
		&rbacv1.Role{ObjectMeta: inNamespace, Rules: narrow},
		&rbacv1.RoleBinding{ObjectMeta: inNamespace, RoleRef: ref("Role"), Subjects: subject},
	}
}
