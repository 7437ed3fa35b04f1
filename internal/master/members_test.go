// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// newTeam makes a project with a member of each role, all named after it, and waits until their rights are known.
func newTeam(t *testing.T, name string, quota *v1alpha1.Quota) (*ProjectReconciler, client.Client, *v1alpha1.Project) {
	t.Helper()
	r, c := newProjectReconciler(t)
	members := []v1alpha1.Member{
		{Kind: v1alpha1.MemberUser, Name: "olga@" + name, Role: v1alpha1.RoleOwner},
		{Kind: v1alpha1.MemberGroup, Name: "developers-" + name, Role: v1alpha1.RoleEditor},
		{Kind: v1alpha1.MemberUser, Name: "vera@" + name, Role: v1alpha1.RoleViewer},
	}
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ProjectSpec{Members: members, Quota: quota}})
	if quota != nil && quota.Clusters != nil {
		if ready := r.step(t, project); ready.Reason != v1alpha1.ReasonWaitingForQuota {
			t.Errorf("Ready: %+v", ready)
		}
		forbidden(t, "an owner comes before the quota", as(t, "olga@"+name).List(t.Context(), &v1alpha1.ClusterList{}, client.InNamespace("project-"+name)))
		countQuota(t, c, "project-"+name)
	}
	if ready := r.step(t, project); ready.Status != metav1.ConditionTrue {
		t.Fatalf("Ready: %+v", ready)
	}
	for _, who := range team(t, name) {
		eventually(t, "the members' rights are known", func(ctx context.Context) bool {
			return who.Get(ctx, client.ObjectKeyFromObject(project), &v1alpha1.Project{}) == nil && who.List(ctx, &v1alpha1.ClusterList{}, client.InNamespace("project-"+name)) == nil
		})
	}
	return r, c, project
}

// team returns the clients of a project's members by their roles.
func team(t *testing.T, project string) map[v1alpha1.Role]client.Client {
	t.Helper()
	return map[v1alpha1.Role]client.Client{
		v1alpha1.RoleOwner:  as(t, "olga@"+project),
		v1alpha1.RoleEditor: as(t, "dan@"+project, "developers-"+project),
		v1alpha1.RoleViewer: as(t, "vera@"+project),
	}
}

// forbidden fails the test unless the API server forbade what was tried.
func forbidden(t *testing.T, what string, err error) {
	t.Helper()
	if !apierrors.IsForbidden(err) {
		t.Errorf("%s: want it to be forbidden, got %v", what, err)
	}
}

// allowed fails the test if the API server did not allow what was tried.
func allowed(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// mergePatch writes nothing: the API server says what it would do.
func mergePatch(t *testing.T, c client.Client, obj client.Object, patch string) error {
	t.Helper()
	return c.Patch(t.Context(), obj, client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll)
}

func TestWhatMembersSeeOutsideOfTheirNamespace(t *testing.T) {
	_, c, project := newTeam(t, "seen", nil)
	other := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "unseen"}})
	people := team(t, "seen")
	people["Stranger"] = as(t, "eve@elsewhere")
	for role, who := range people {
		t.Run(string(role), func(t *testing.T) {
			forbidden(t, "seeing somebody else's project", who.Get(t.Context(), client.ObjectKeyFromObject(other), &v1alpha1.Project{}))
			for what, list := range map[string]client.ObjectList{
				"projects": &v1alpha1.ProjectList{}, "users": &v1alpha1.UserList{}, "seeds": &v1alpha1.SeedList{},
				"namespaces": &corev1.NamespaceList{}, "all clusters": &v1alpha1.ClusterList{}, "roles": &rbacv1.ClusterRoleList{},
			} {
				forbidden(t, "listing "+what, who.List(t.Context(), list))
			}
			allowed(t, "listing everybody's templates", who.List(t.Context(), &v1alpha1.ClusterTemplateList{}, client.InNamespace(v1alpha1.SystemNamespace)))
			for what, list := range map[string]client.ObjectList{
				"datacenters": &v1alpha1.DatacenterList{}, "presets": &v1alpha1.PresetList{}, "releases": &v1alpha1.ReleaseList{},
			} {
				if err := who.List(t.Context(), list); role == "Stranger" {
					forbidden(t, "listing "+what, err)
				} else {
					allowed(t, "listing "+what, err)
				}
			}
			if role != "Stranger" {
				watched := &v1alpha1.ProjectList{}
				allowed(t, "listing the own project", who.List(t.Context(), watched, client.MatchingFields{"metadata.name": project.Name}))
			}
		})
	}
}

// TestNoMemberReadsASecret looks for the credentials of presets everywhere where they are when the master is a seed as well: neither
// they themselves nor a pod that has them mounted nor what leads a controller to them can be had.
func TestNoMemberReadsASecret(t *testing.T) {
	_, c, _ := newTeam(t, "secrets", nil)
	namespaces := []string{"project-secrets", v1alpha1.SystemNamespace, hostingv1alpha1.NamespacePrefix + "secrets"}
	for _, ns := range namespaces {
		ensureNamespace(t, c, ns)
		create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "of-secrets", Namespace: ns}})
	}
	people := team(t, "secrets")
	people["Stranger"] = as(t, "eve@elsewhere")
	for role, who := range people {
		for _, ns := range namespaces {
			t.Run(fmt.Sprintf("%s in %s", role, ns), func(t *testing.T) {
				forbidden(t, "getting", who.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "of-secrets"}, &corev1.Secret{}))
				forbidden(t, "listing", who.List(t.Context(), &corev1.SecretList{}, client.InNamespace(ns)))
				watcher, ok := who.(client.WithWatch)
				if !ok {
					t.Fatal("the client cannot watch")
				}
				_, err := watcher.Watch(t.Context(), &corev1.SecretList{}, client.InNamespace(ns))
				forbidden(t, "watching", err)
				for _, obj := range ways(ns) {
					forbidden(t, fmt.Sprintf("making a %T", obj), who.Create(t.Context(), obj, client.DryRunAll))
				}
				forbidden(t, "reading HostedClusters", who.List(t.Context(), &hostingv1alpha1.HostedClusterList{}, client.InNamespace(ns)))
			})
		}
		t.Run(string(role)+" and presets", func(t *testing.T) {
			forbidden(t, "making one for another's Secret", who.Create(t.Context(), &v1alpha1.Preset{
				ObjectMeta: metav1.ObjectMeta{Name: "trick"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: "of-secrets"},
			}, client.DryRunAll))
		})
	}
}

// ways are objects by which somebody gets at a Secret of the namespace who may make them.
func ways(ns string) []client.Object {
	pod := corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a", EnvFrom: []corev1.EnvFromSource{
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "of-secrets"}}},
	}}}}
	meta := metav1.ObjectMeta{GenerateName: "a", Namespace: ns}
	labels := map[string]string{"a": "b"}
	return []client.Object{
		&corev1.Pod{ObjectMeta: meta, Spec: pod},
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		}},
		// A token that never runs out is a Secret.
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "a", Namespace: ns, Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
			Type:       corev1.SecretTypeServiceAccountToken,
		},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "canopy-admin"}},
		&hostingv1alpha1.HostedCluster{ObjectMeta: meta, Spec: hostingv1alpha1.HostedClusterSpec{Version: "1.37.2"}},
	}
}

func TestOwnersChangeMembersAndTheNameAndNothingElse(t *testing.T) {
	_, c, project := newTeam(t, "owned", nil)
	people := team(t, "owned")
	for role, who := range people {
		check := allowed
		if role != v1alpha1.RoleOwner {
			check = forbidden
		}
		t.Run(string(role), func(t *testing.T) {
			check(t, "changing members", mergePatch(t, who, project.DeepCopy(), `{"spec": {"members": [{"name": "olga@owned", "role": "Owner"}, {"name": "new@owned", "role": "Editor"}]}}`))
			check(t, "changing the name", mergePatch(t, who, project.DeepCopy(), `{"spec": {"displayName": "Owned"}}`))
			check(t, "changing an annotation", mergePatch(t, who, project.DeepCopy(), `{"metadata": {"annotations": {"a": "b"}}}`))
			changed := project.DeepCopy()
			get(t, c, changed)
			changed.Spec.DisplayName = "Owned"
			check(t, "updating it", who.Update(t.Context(), changed, client.DryRunAll))
			for what, patch := range map[string]string{
				"datacenters":     `{"spec": {"datacenters": ["a"]}}`,
				"the quota":       `{"spec": {"quota": {"nodes": 1000}}}`,
				"all of the spec": `{"spec": {"displayName": "a", "members": [], "datacenters": ["a"]}}`,
				"finalizers":      `{"metadata": {"finalizers": null}}`,
				"an owner":        `{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "a"}]}}`,
			} {
				forbidden(t, "changing "+what, mergePatch(t, who, project.DeepCopy(), patch))
			}
			forbidden(t, "deleting it", who.Delete(t.Context(), project.DeepCopy(), client.DryRunAll))
			forbidden(t, "making another", who.Create(t.Context(), &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "more"}}, client.DryRunAll))
			forbidden(t, "writing its status", who.Status().Patch(t.Context(), project.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"status": {"clusters": 0}}`))))
		})
	}
	t.Run("one who has the right to may say what the project may use", func(t *testing.T) {
		allowed(t, "changing datacenters", mergePatch(t, c, project.DeepCopy(), `{"spec": {"datacenters": ["a"]}}`))
	})
	t.Run("a refusal says what and what to do", func(t *testing.T) {
		err := mergePatch(t, people[v1alpha1.RoleOwner], project.DeepCopy(), `{"spec": {"datacenters": ["a"]}}`)
		if want := "owners may change spec.members and spec.displayName, not spec.datacenters: have an admin do it"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	})
}

func TestNobodyRaisesTheOwnRights(t *testing.T) {
	_, c, _ := newTeam(t, "climbers", nil)
	newTeam(t, "neighbors", nil)
	cluster := create(t, c, &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-climbers"}, Spec: v1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"},
	})
	owners := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "canopy-project-owner"}
	people := team(t, "climbers")
	people["a service account of another project"] = as(t, "system:serviceaccount:project-neighbors:default", "system:serviceaccounts", "system:serviceaccounts:project-neighbors")
	for role, who := range people {
		t.Run(string(role), func(t *testing.T) {
			for _, name := range []string{"canopy-owners", "canopy-editors"} {
				binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-climbers"}}
				forbidden(t, "changing the RoleBinding "+name, mergePatch(t, who, binding, `{"subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}]}`))
			}
			forbidden(t, "making a RoleBinding", who.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-climbers"}, RoleRef: owners}, client.DryRunAll))
			forbidden(t, "making a ClusterRoleBinding", who.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "a"}, RoleRef: owners}, client.DryRunAll))
			for _, ns := range []string{"project-climbers", "project-neighbors"} {
				forbidden(t, "labeling the namespace "+ns, mergePatch(t, who, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, `{"metadata": {"labels": {"canopy.dev/project": "climbers"}}}`))
			}
			// The status says which namespace on which seed is the cluster's.
			forbidden(t, "writing a cluster's status", who.Status().Patch(t.Context(), cluster.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"status": {"id": "abcdefghij"}}`))))
			forbidden(t, "seeing the neighbors' clusters", who.List(t.Context(), &v1alpha1.ClusterList{}, client.InNamespace(map[bool]string{true: "project-climbers", false: "project-neighbors"}[strings.Contains(string(role), "another")])))
			forbidden(t, "asking for the master's token", who.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "canopy-master", Namespace: v1alpha1.SystemNamespace}}, &authenticationv1.TokenRequest{}))
		})
	}
}

// TestServiceAccounts goes an owner's way: a service account, its token, and its membership.
func TestServiceAccounts(t *testing.T) {
	r, c, project := newTeam(t, "machines", nil)
	owner := team(t, "machines")[v1alpha1.RoleOwner]
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "ci", Namespace: "project-machines"}}
	for _, role := range []v1alpha1.Role{v1alpha1.RoleEditor, v1alpha1.RoleViewer} {
		forbidden(t, "making one as "+string(role), team(t, "machines")[role].Create(t.Context(), account.DeepCopy(), client.DryRunAll))
	}
	create(t, owner, account)
	for _, role := range []v1alpha1.Role{v1alpha1.RoleEditor, v1alpha1.RoleViewer} {
		forbidden(t, "asking for its token as "+string(role), team(t, "machines")[role].SubResource("token").Create(t.Context(), account.DeepCopy(), &authenticationv1.TokenRequest{}))
	}
	long := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](30 * 24 * 3600)}}
	forbidden(t, "a token for a month", owner.SubResource("token").Create(t.Context(), account.DeepCopy(), long))
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}
	if err := owner.SubResource("token").Create(t.Context(), account.DeepCopy(), request); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(request.Status.ExpirationTimestamp.Time); left > time.Hour+time.Minute {
		t.Errorf("the token is valid for %s", left)
	}
	config := rest.AnonymousClientConfig(&masterConfig)
	config.BearerToken = request.Status.Token
	machine := newClient(t, config)
	list := func(ctx context.Context) error {
		return machine.List(ctx, &v1alpha1.ClusterList{}, client.InNamespace("project-machines"))
	}
	forbidden(t, "reading clusters before it is a member", list(t.Context()))

	// The owner adds it, with the owner's own rights.
	get(t, owner, project)
	project.Spec.Members = append(project.Spec.Members, v1alpha1.Member{Kind: v1alpha1.MemberServiceAccount, Namespace: account.Namespace, Name: account.Name, Role: v1alpha1.RoleEditor})
	if err := owner.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	r.step(t, project)
	eventually(t, "it reads clusters", func(ctx context.Context) bool { return list(ctx) == nil })
	forbidden(t, "making itself an owner", mergePatch(t, machine, project.DeepCopy(), `{"spec": {"members": []}}`))

	// Removed while its token is still valid, it may do nothing any more.
	get(t, c, project)
	project.Spec.Members = project.Spec.Members[:len(project.Spec.Members)-1]
	if err := owner.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	r.step(t, project)
	eventually(t, "it has lost its rights", func(ctx context.Context) bool { return apierrors.IsForbidden(list(ctx)) })
}

func TestCustomRoles(t *testing.T) {
	r, c := newProjectReconciler(t)
	scale := rbacv1.PolicyRule{APIGroups: []string{"canopy.dev"}, Resources: []string{"nodepools/scale"}, Verbs: []string{"get", "patch"}}
	see := rbacv1.PolicyRule{APIGroups: []string{"canopy.dev"}, Resources: []string{"clusters", "nodepools"}, Verbs: []string{"get", "list"}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "acme:scaler"}, Rules: []rbacv1.PolicyRule{scale, see}}
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "custom"}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{
		{Kind: v1alpha1.MemberUser, Name: "sam@custom", Role: "acme:scaler"}, {Kind: v1alpha1.MemberUser, Name: "vera@custom", Role: v1alpha1.RoleViewer},
	}}})
	sam := as(t, "sam@custom")
	bindings := func() []string {
		list := &rbacv1.RoleBindingList{}
		if err := c.List(t.Context(), list, client.InNamespace("project-custom")); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, b := range list.Items {
			names = append(names, b.Name)
		}
		return names
	}
	refused := func(what, reason, message string) {
		t.Helper()
		if ready := r.step(t, project); ready.Reason != reason || !strings.Contains(ready.Message, message) {
			t.Errorf("%s: %+v, want %s: %s", what, ready, reason, message)
		}
		if got := bindings(); len(got) != 4 {
			t.Errorf("%s: there are the RoleBindings %v, want four", what, got)
		}
	}
	refused("there is none", v1alpha1.ReasonRoleMissing, "there is no ClusterRole acme:scaler: give its members another role, or have an admin make it")
	create(t, c, role)
	refused("it has no label", v1alpha1.ReasonRoleRefused, "have an admin label it canopy.dev/project-role=true")
	role.Labels = map[string]string{v1alpha1.LabelProjectRole: "true"}
	for what, beyond := range map[string]struct {
		rule rbacv1.PolicyRule
		name string
	}{
		"Secrets":        {rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}, "get secrets"},
		"everything":     {rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, "* *.*"},
		"binding":        {rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}}, "bind clusterroles.rbac.authorization.k8s.io"},
		"escalating":     {rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles"}, Verbs: []string{"escalate"}}, "escalate roles.rbac.authorization.k8s.io"},
		"impersonate":    {rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"users"}, Verbs: []string{"impersonate"}}, "impersonate users"},
		"tokens":         {rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}}, "create serviceaccounts/token"},
		"status":         {rbacv1.PolicyRule{APIGroups: []string{"canopy.dev"}, Resources: []string{"clusters/status"}, Verbs: []string{"patch"}}, "patch clusters/status.canopy.dev"},
		"all of ours":    {rbacv1.PolicyRule{APIGroups: []string{"canopy.dev"}, Resources: []string{"*"}, Verbs: []string{"get"}}, "get *.canopy.dev"},
		"a pod":          {rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}}, "create pods"},
		"the API's URLs": {rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}, "get /metrics"},
	} {
		role.Rules = []rbacv1.PolicyRule{see, beyond.rule}
		if err := c.Update(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		refused(what, v1alpha1.ReasonRoleRefused, "the ClusterRole acme:scaler holds more than an editor may ("+beyond.name+")")
	}
	role.Rules = []rbacv1.PolicyRule{scale, see}
	if err := c.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if ready := r.step(t, project); ready.Status != metav1.ConditionTrue || !slices.Contains(bindings(), "canopy-role-acme:scaler") || len(bindings()) != 5 {
		t.Errorf("Ready: %+v, RoleBindings %v", ready, bindings())
	}
	pool := create(t, c, localPool("custom", "a", 1))
	eventually(t, "sam scales", func(context.Context) bool { return scaleTo(t, sam, pool, 2, client.DryRunAll) == nil })
	forbidden(t, "sam changes the pool", mergePatch(t, sam, pool.DeepCopy(), `{"spec": {"labels": {"a": "b"}}}`))
	allowed(t, "sam sees what members see", sam.Get(t.Context(), client.ObjectKeyFromObject(project), &v1alpha1.Project{}))

	// It is widened when it is bound already.
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	if err := c.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	refused("it was widened", v1alpha1.ReasonRoleRefused, "get secrets")
	eventually(t, "sam scales no more", func(context.Context) bool {
		return apierrors.IsForbidden(scaleTo(t, sam, pool, 2, client.DryRunAll))
	})
	get(t, c, project)
	project.Spec.Members = project.Spec.Members[1:]
	if err := c.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if ready := r.step(t, project); ready.Status != metav1.ConditionTrue {
		t.Errorf("nobody has it any more: %+v", ready)
	}
	if got := r.ofClusterRole(t.Context(), role); len(got) != 0 {
		t.Errorf("a role that nobody has wakes %v", got)
	}
}

// TestTheMasterCannotBindMore asks the API server what happens if the master is made to bind a role that holds what the master
// does not.
func TestTheMasterCannotBindMore(t *testing.T) {
	r, c := newProjectReconciler(t)
	create(t, c, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "acme:root", Labels: map[string]string{v1alpha1.LabelProjectRole: "true"}},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}}},
	})
	for _, name := range []string{"acme:root", "cluster-admin"} {
		forbidden(t, "binding "+name, r.Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		}, client.DryRunAll))
	}
}

// TestUsersSeeThemselves asks as a user for the own User, which says where the user is a member.
func TestUsersSeeThemselves(t *testing.T) {
	_, c := newProjectReconciler(t)
	r := &UserReconciler{Client: c, Applier: &kube.Applier{Client: c, Live: c}}
	ida := create(t, c, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "ida"}, Spec: v1alpha1.UserSpec{Email: "ida@example.com"}})
	create(t, c, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "ivan"}, Spec: v1alpha1.UserSpec{Email: "ivan@example.com"}})
	for name, role := range map[string]v1alpha1.Role{"z-of-ida": v1alpha1.RoleOwner, "a-of-ida": "acme:scaler"} {
		create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{{Kind: v1alpha1.MemberUser, Name: "ida@example.com", Role: role}}}})
	}
	// A group of her name is not she.
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "not-of-ida"}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{{Kind: v1alpha1.MemberGroup, Name: "ida@example.com", Role: v1alpha1.RoleOwner}}}})
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(ida)}); err != nil {
		t.Fatal(err)
	}
	she := as(t, "ida@example.com")
	eventually(t, "she sees herself", func(ctx context.Context) bool { return she.Get(ctx, client.ObjectKeyFromObject(ida), ida) == nil })
	want := []v1alpha1.UserProject{{Name: "a-of-ida", Role: "acme:scaler"}, {Name: "z-of-ida", Role: v1alpha1.RoleOwner}}
	if !slices.Equal(ida.Status.Projects, want) {
		t.Errorf("projects: %v, want %v", ida.Status.Projects, want)
	}
	forbidden(t, "seeing somebody else", she.Get(t.Context(), client.ObjectKey{Name: "ivan"}, &v1alpha1.User{}))
	forbidden(t, "making herself an admin", mergePatch(t, she, ida.DeepCopy(), `{"spec": {"admin": true}}`))
	if got := r.ofProject(t.Context(), project); len(got) != 0 {
		t.Errorf("a project without her wakes %v", got)
	}
	project.Spec.Members[0].Kind = v1alpha1.MemberUser
	if got := r.ofProject(t.Context(), project); len(got) != 1 || got[0].Name != "ida" {
		t.Errorf("a project with her wakes %v", got)
	}
}
