// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/usercluster"
)

// letIn applies the roles of a user cluster in which access is what it says, as the seed does, and adds up those that are
// aggregated, as a kube-controller-manager does, which does not run here.
func letIn(t *testing.T, c client.Client, access ...v1alpha1.Access) {
	t.Helper()
	var roles []client.Object
	for _, obj := range usercluster.Objects(usercluster.Input{Network: v1alpha1.Network{PodCIDR: "10.0.0.0/16"}, Access: access}) {
		switch obj.(type) {
		case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
			roles = append(roles, obj)
		}
	}
	a := &addons{options: Options{Clock: clock.RealClock{}}}
	if err := a.apply(t.Context(), client.ObjectKey{Name: "members"}, c, roles); err != nil {
		t.Fatal(err)
	}
	aggregate(t, c, "view")
	aggregate(t, c, "edit")
	aggregate(t, c, usercluster.RoleViewer)
	aggregate(t, c, usercluster.RoleEditor)
}

// aggregate writes the rules of an aggregated role.
func aggregate(t *testing.T, c client.Client, name string) {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, role); err != nil {
		t.Fatal(err)
	}
	before := role.DeepCopy()
	role.Rules = nil
	for _, selector := range role.AggregationRule.ClusterRoleSelectors {
		parts := &rbacv1.ClusterRoleList{}
		if err := c.List(t.Context(), parts, client.MatchingLabels(selector.MatchLabels)); err != nil {
			t.Fatal(err)
		}
		for _, part := range parts.Items {
			if part.Name != name {
				role.Rules = append(role.Rules, part.Rules...)
			}
		}
	}
	if err := c.Patch(t.Context(), role, client.MergeFrom(before), client.FieldOwner("clusterrole-aggregation-controller")); err != nil {
		t.Fatal(err)
	}
}

// as returns a client of somebody else.
func as(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	other := rest.CopyConfig(&config)
	other.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	c, err := client.New(other, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// may asks the API what the client's user may do: "verb resource.group", in the namespace default.
func may(ctx context.Context, c client.Client, verb, group, resource string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "default", Verb: verb, Group: group, Resource: resource},
	}}
	err := c.Create(ctx, review)
	return review.Status.Allowed, err
}

func TestMembersMayDoWhatTheirRoleSays(t *testing.T) {
	c := newClient(t)
	letIn(
		t, c,
		v1alpha1.Access{Kind: v1alpha1.SubjectUser, Name: "ada@example.com", Role: v1alpha1.AccessOwner},
		v1alpha1.Access{Kind: v1alpha1.SubjectGroup, Name: "developers", Role: v1alpha1.AccessEditor},
		v1alpha1.Access{Kind: v1alpha1.SubjectUser, Name: "cleo@example.com", Role: v1alpha1.AccessViewer},
	)
	ada, ben, cleo, eve := as(t, "ada@example.com"), as(t, "ben@example.com", "developers"), as(t, "cleo@example.com"), as(t, "eve@example.com")
	eventually(t, "for the API to know the roles", func(ctx context.Context) bool {
		allowed, err := may(ctx, cleo, "list", "", "nodes")
		return err == nil && allowed
	})
	for _, tc := range []struct {
		verb, group, resource string
		owner, editor, viewer bool
	}{
		{verb: "get", resource: "pods", owner: true, editor: true, viewer: true},
		{verb: "get", group: "apps", resource: "deployments", owner: true, editor: true, viewer: true},
		{verb: "list", resource: "nodes", owner: true, editor: true, viewer: true},
		{verb: "get", group: "storage.k8s.io", resource: "storageclasses", owner: true, editor: true, viewer: true},
		{verb: "get", group: "rbac.authorization.k8s.io", resource: "rolebindings", owner: true, editor: true, viewer: true},
		{verb: "create", group: "apps", resource: "deployments", owner: true, editor: true},
		{verb: "create", resource: "pods/exec", owner: true, editor: true},
		{verb: "create", resource: "namespaces", owner: true, editor: true},
		{verb: "get", resource: "secrets", owner: true, editor: true},
		{verb: "delete", resource: "nodes", owner: true},
		{verb: "patch", resource: "nodes", owner: true},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "rolebindings", owner: true},
		{verb: "create", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", owner: true},
	} {
		for _, who := range []struct {
			name string
			c    client.Client
			want bool
		}{{"an owner", ada, tc.owner}, {"an editor", ben, tc.editor}, {"a viewer", cleo, tc.viewer}, {"a stranger", eve, false}} {
			t.Run(fmt.Sprintf("%s: %s %s", who.name, tc.verb, tc.resource), func(t *testing.T) {
				if got, err := may(t.Context(), who.c, tc.verb, tc.group, tc.resource); err != nil || got != who.want {
					t.Errorf("allowed: %v, %v; want %v", got, err, who.want)
				}
			})
		}
	}

	letIn(t, c, v1alpha1.Access{Kind: v1alpha1.SubjectUser, Name: "cleo@example.com", Role: v1alpha1.AccessOwner})
	eventually(t, "for a member who has gone to be kept out", func(ctx context.Context) bool {
		return apierrors.IsForbidden(ada.List(ctx, &corev1.SecretList{}))
	})
	eventually(t, "for a viewer to be an owner", func(ctx context.Context) bool {
		return cleo.List(ctx, &corev1.SecretList{}) == nil
	})
}

// The seed applies roles again from time to time; what Kubernetes has added up must stay meanwhile.
func TestAggregatedRulesStay(t *testing.T) {
	c := newClient(t)
	letIn(t, c)
	role := &rbacv1.ClusterRole{}
	rules := func() int {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKey{Name: usercluster.RoleEditor}, role); err != nil {
			t.Fatal(err)
		}
		return len(role.Rules)
	}
	before := rules()
	a := &addons{options: Options{Clock: clock.RealClock{}}}
	again := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role.Name, Labels: role.Labels}, AggregationRule: role.AggregationRule}
	if err := a.apply(t.Context(), client.ObjectKey{Name: "again"}, c, []client.Object{again}); err != nil {
		t.Fatal(err)
	}
	if after := rules(); before == 0 || after != before {
		t.Errorf("%d rules, %d afterwards", before, after)
	}
}
