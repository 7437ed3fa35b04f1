// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/testenv"
)

// installRoles applies the chart's roles of people, the master's own rights, and the rules of admission.
func installRoles(t *testing.T, c client.Client) {
	t.Helper()
	ensureNamespace(t, c, v1alpha1.SystemNamespace)
	for _, file := range []string{"roles.yaml", "master/rbac.yaml", "master/own-seed.yaml", "master/admission.yaml"} {
		applyFile(t, c, "../../deploy/chart/files/"+file)
	}
}

func applyFile(t *testing.T, c client.Client, path string) {
	t.Helper()
	ensureNamespace(t, c, v1alpha1.SystemNamespace)
	if err := testenv.Apply(t.Context(), c, path); err != nil {
		t.Fatal(err)
	}
}

// as returns a client of somebody else.
func as(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(&masterConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return newClient(t, config)
}

// newProjectReconciler returns one that has the rights that the chart gives it, and a client that may do everything.
func newProjectReconciler(t *testing.T) (*ProjectReconciler, client.Client) {
	t.Helper()
	c := newClient(t, &masterConfig)
	installRoles(t, c)
	master := as(t, "system:serviceaccount:"+v1alpha1.SystemNamespace+":canopy-master")
	eventually(t, "the API server knows the master's rights and what is forbidden", func(ctx context.Context) bool {
		probe := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Finalizers: []string{v1alpha1.FinalizerProject}}}
		none := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Namespace: "default"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "canopy-project-owner"},
		}
		return master.List(ctx, &v1alpha1.ProjectList{}) == nil && master.Create(ctx, none, client.DryRunAll) == nil && admissionWorks(ctx, c, probe)
	})
	return &ProjectReconciler{Client: master, APIReader: master, Applier: &kube.Applier{Client: master, Live: master}}, c
}

// admissionWorks reports whether the API server refuses to delete a project with clusters.
func admissionWorks(ctx context.Context, c client.Client, probe *v1alpha1.Project) bool {
	if c.Create(ctx, probe) != nil {
		return false
	}
	probe.Status.Clusters = 1
	updateErr := c.Status().Update(ctx, probe)
	refused := apierrors.IsForbidden(c.Delete(ctx, probe))
	probe.Status.Clusters, probe.Finalizers = 0, nil
	return errors.Join(updateErr, c.Status().Update(ctx, probe)) == nil &&
		errors.Join(c.Patch(ctx, probe, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))), client.IgnoreNotFound(c.Delete(ctx, probe))) == nil && refused
}

// step reconciles a project once, and returns its Ready condition.
func (r *ProjectReconciler) step(t *testing.T, project *v1alpha1.Project) metav1.Condition {
	t.Helper()
	get(t, r.Client, project)
	_, _ = r.Reconcile(t.Context(), project)
	get(t, r.Client, project)
	ready := meta.FindStatusCondition(project.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		t.Fatal("there is no Ready condition")
	}
	return *ready
}

// TestMembers asks the API server, as each member, what the member may do.
func TestMembers(t *testing.T) {
	r, c := newProjectReconciler(t)
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "members"}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{
		{Kind: v1alpha1.MemberUser, Name: "olga@example.com", Role: v1alpha1.RoleOwner},
		{Kind: v1alpha1.MemberGroup, Name: "developers", Role: v1alpha1.RoleEditor},
		{Kind: v1alpha1.MemberServiceAccount, Namespace: "gitops", Name: "argocd", Role: v1alpha1.RoleEditor},
		{Kind: v1alpha1.MemberUser, Name: "vera@example.com", Role: v1alpha1.RoleViewer},
	}}})
	if ready := r.step(t, project); ready.Status != metav1.ConditionTrue || project.Status.Namespace != "project-members" {
		t.Fatalf("Ready: %+v, namespace %q", ready, project.Status.Namespace)
	}
	bindings := &rbacv1.RoleBindingList{}
	if err := c.List(t.Context(), bindings, client.InNamespace("project-members")); err != nil {
		t.Fatal(err)
	}
	subjects := map[string]int{}
	for _, binding := range bindings.Items {
		subjects[binding.Name] = len(binding.Subjects)
	}
	// Three for members, and one of which the API alone is the subject.
	if diff := cmp.Diff(map[string]int{"canopy-owners": 1, "canopy-editors": 2, "canopy-viewers": 1, "canopy-tokens": 1}, subjects); diff != "" {
		t.Errorf("RoleBindings and their subjects (-want +got):\n%s", diff)
	}
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "secret", Namespace: "project-members"}})

	people := map[string]struct {
		client       client.Client
		read, change bool
	}{
		"owner":           {as(t, "olga@example.com"), true, true},
		"editor":          {as(t, "dan@example.com", "developers"), true, true},
		"service account": {as(t, "system:serviceaccount:gitops:argocd"), true, true},
		"viewer":          {as(t, "vera@example.com"), true, false},
		"stranger":        {as(t, "eve@example.com"), false, false},
	}
	for name, p := range people {
		t.Run(name, func(t *testing.T) {
			err := p.client.List(t.Context(), &v1alpha1.ClusterList{}, client.InNamespace("project-members"))
			if (err == nil) != p.read {
				t.Errorf("reading clusters: %v", err)
			}
			cluster := &v1alpha1.Cluster{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "a", Namespace: "project-members"},
				Spec:       v1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"},
			}
			if err := p.client.Create(t.Context(), cluster, client.DryRunAll); (err == nil) != p.change {
				t.Errorf("making a cluster: %v", err)
			}
			cluster.Namespace = "default"
			if err := p.client.Create(t.Context(), cluster, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("making a cluster outside of the project: %v", err)
			}
			for _, ns := range []string{"project-members", v1alpha1.SystemNamespace} {
				if err := p.client.List(t.Context(), &corev1.SecretList{}, client.InNamespace(ns)); !apierrors.IsForbidden(err) {
					t.Errorf("reading the Secrets of %s: %v", ns, err)
				}
			}
			if err := p.client.List(t.Context(), &v1alpha1.ProjectList{}); !apierrors.IsForbidden(err) {
				t.Errorf("reading all projects: %v", err)
			}
		})
	}

	t.Run("one who is removed may do nothing any more", func(t *testing.T) {
		project.Spec.Members = project.Spec.Members[1:]
		if err := c.Update(t.Context(), project); err != nil {
			t.Fatal(err)
		}
		r.step(t, project)
		eventually(t, "the owner has no rights", func(ctx context.Context) bool {
			return apierrors.IsForbidden(people["owner"].client.List(ctx, &v1alpha1.ClusterList{}, client.InNamespace("project-members")))
		})
	})
}

func TestPlatformRoles(t *testing.T) {
	c := newClient(t, &masterConfig)
	installRoles(t, c)
	r := &UserReconciler{Client: c, Applier: &kube.Applier{Client: c, Live: c}}
	admin := create(t, c, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "grace"}, Spec: v1alpha1.UserSpec{Email: "grace@example.com", Admin: true}})
	viewer := create(t, c, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "greta"}, Spec: v1alpha1.UserSpec{Email: "greta@example.com", GlobalViewer: true}})
	reconcileAll := func() {
		for _, u := range []*v1alpha1.User{admin, viewer} {
			if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(u)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	reconcileAll()
	create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "of-greta"}, Spec: v1alpha1.ProjectSpec{Members: []v1alpha1.Member{
		{Kind: v1alpha1.MemberUser, Name: "greta@example.com", Role: v1alpha1.RoleEditor}, {Kind: v1alpha1.MemberGroup, Name: "grace@example.com", Role: v1alpha1.RoleOwner},
	}}})
	reconcileAll()
	project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{GenerateName: "p"}}
	asAdmin, asViewer := as(t, "grace@example.com"), as(t, "greta@example.com")
	eventually(t, "the admin may make projects", func(ctx context.Context) bool {
		return asAdmin.Create(ctx, project.DeepCopy(), client.DryRunAll) == nil
	})
	eventually(t, "the viewer sees them", func(ctx context.Context) bool {
		return asViewer.List(ctx, &v1alpha1.ProjectList{}) == nil
	})
	if err := asViewer.Create(t.Context(), project.DeepCopy(), client.DryRunAll); !apierrors.IsForbidden(err) {
		t.Errorf("a global viewer makes a project: %v", err)
	}
	if err := asViewer.List(t.Context(), &corev1.SecretList{}); !apierrors.IsForbidden(err) {
		t.Errorf("a global viewer reads Secrets: %v", err)
	}
	if err := c.Delete(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	reconcileAll()
	eventually(t, "one who was admin may make none", func(ctx context.Context) bool {
		return apierrors.IsForbidden(asAdmin.Create(ctx, project.DeepCopy(), client.DryRunAll))
	})
}

func TestANamespaceThatIsTaken(t *testing.T) {
	r, c := newProjectReconciler(t)
	ensureNamespace(t, c, "project-taken")
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "taken"}})
	if ready := r.step(t, project); ready.Reason != v1alpha1.ReasonNamespaceTaken {
		t.Errorf("Ready: %+v", ready)
	}
	if err := c.Delete(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	get(t, c, project)
	if _, err := r.Reconcile(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "project-taken"}}
	if get(t, c, ns); !ns.DeletionTimestamp.IsZero() {
		t.Error("somebody else's namespace was deleted")
	}
}

func TestAProjectIsNotDeletedWithItsClusters(t *testing.T) {
	r, c := newProjectReconciler(t)
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "going"}})
	r.step(t, project)
	cluster := create(t, c, &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "last", Namespace: "project-going", Finalizers: []string{v1alpha1.FinalizerCluster}},
		Spec:       v1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"},
	})
	if r.step(t, project); project.Status.Clusters != 1 {
		t.Errorf("clusters: %d, want 1", project.Status.Clusters)
	}
	if err := c.Delete(t.Context(), project); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "project going has 1 clusters: delete them first") {
		t.Errorf("deleting it: %v", err)
	}
	// A cluster that comes when nobody knows of it yet is waited for, too.
	project.Status.Clusters = 0
	if err := c.Status().Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if ready := r.step(t, project); ready.Reason != v1alpha1.ReasonInUse || !strings.HasPrefix(ready.Message, "waiting for somebody to delete its 1 clusters: last") {
		t.Errorf("Ready: %+v", ready)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "project-going"}}
	if get(t, c, ns); !ns.DeletionTimestamp.IsZero() {
		t.Error("the namespace is deleted while there is a cluster in it")
	}
	if err := c.Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if ready := r.step(t, project); !strings.HasPrefix(ready.Message, "waiting for the namespace project-going") {
		t.Errorf("Ready: %+v", ready)
	}
	get(t, c, ns)
	ns.Spec.Finalizers = nil
	if err := c.SubResource("finalize").Update(t.Context(), ns); err != nil { // as the namespace controller would
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(project), project); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}
