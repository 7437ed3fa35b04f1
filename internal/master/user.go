// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// userController is the name of the controller and of the manager of the fields that it writes.
const userController = "master/user"

// The ClusterRoles of the chart; their ClusterRoleBindings have an s at the end.
const (
	roleAdmin        = "canopy-admin"
	roleGlobalViewer = "canopy-global-viewer"
)

// UserReconciler binds the roles of the whole platform to the users that have them, by two ClusterRoleBindings, however many
// users there are. It lets each user see the own User, whose status says where the user is a member.
type UserReconciler struct {
	client.Client

	Applier *kube.Applier
}

func setupUser(mgr ctrl.Manager) error {
	r := &UserReconciler{Client: mgr.GetClient(), Applier: &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()}}
	return ctrl.NewControllerManagedBy(mgr).
		Named(userController).
		For(&v1alpha1.User{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Project{}, wakes(r.ofProject), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// ofProject finds the users who are members of a project.
func (r *UserReconciler) ofProject(ctx context.Context, obj client.Object) []reconcile.Request {
	project, ok := obj.(*v1alpha1.Project)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	for _, email := range memberEmails(project) {
		requests = append(requests, kube.Requests(ctx, r, &v1alpha1.UserList{}, client.MatchingFields{indexEmail: email})...)
	}
	return requests
}

// Reconcile binds the roles anew, for all users: one that is gone has none either.
func (r *UserReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	bindErr := r.bind(ctx)
	user := &v1alpha1.User{}
	if err := r.Get(ctx, req.NamespacedName, user); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return reconcile.Result{}, err
		}
		return reconcile.Result{}, bindErr
	}
	if !user.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, bindErr
	}
	before := user.DeepCopy()
	return kube.Finish(ctx, r.Client, before, user, errors.Join(bindErr, r.bindSelf(ctx, user), r.projects(ctx, user)))
}

// bindSelf lets a user see the own User. Both objects go with it.
func (r *UserReconciler) bindSelf(ctx context.Context, user *v1alpha1.User) error {
	name := "canopy:user:" + user.Name
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"users"}, ResourceNames: []string{user.Name}, Verbs: []string{"get", "list", "watch"},
	}}}
	binding := clusterRoleBinding(name, []string{user.Spec.Email})
	binding.Name = name
	owner := kube.Owner{FieldManager: userController, Label: v1alpha1.LabelManagedBy, Value: "users", Object: user}
	for _, obj := range []client.Object{role, binding} {
		if err := r.Applier.Apply(ctx, owner, []client.Object{obj}); err != nil {
			return err
		}
	}
	return nil
}

// projects writes into the status where the user is a member.
func (r *UserReconciler) projects(ctx context.Context, user *v1alpha1.User) error {
	projects := &v1alpha1.ProjectList{}
	if err := r.List(ctx, projects); err != nil {
		return fmt.Errorf("reading the projects of %s: %w", user.Name, err)
	}
	user.Status.Projects = nil
	for _, project := range projects.Items {
		for _, member := range project.Spec.Members {
			if member.Kind == v1alpha1.MemberUser && member.Name == user.Spec.Email {
				user.Status.Projects = append(user.Status.Projects, v1alpha1.UserProject{Name: project.Name, Role: member.Role})
			}
		}
	}
	slices.SortFunc(user.Status.Projects, func(a, b v1alpha1.UserProject) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (r *UserReconciler) bind(ctx context.Context) error {
	users := &v1alpha1.UserList{}
	if err := r.List(ctx, users); err != nil {
		return fmt.Errorf("reading the users: %w", err)
	}
	members := map[string][]string{}
	for _, user := range users.Items {
		if !user.DeletionTimestamp.IsZero() {
			continue
		}
		if user.Spec.Admin {
			members[roleAdmin] = append(members[roleAdmin], user.Spec.Email)
		}
		if user.Spec.GlobalViewer {
			members[roleGlobalViewer] = append(members[roleGlobalViewer], user.Spec.Email)
		}
	}
	owner := kube.Owner{FieldManager: userController, Label: v1alpha1.LabelManagedBy, Value: "users"}
	return r.Applier.Apply(ctx, owner, []client.Object{
		clusterRoleBinding(roleAdmin, members[roleAdmin]), clusterRoleBinding(roleGlobalViewer, members[roleGlobalViewer]),
	})
}

func clusterRoleBinding(role string, emails []string) *rbacv1.ClusterRoleBinding {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role + "s"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	slices.Sort(emails)
	for _, email := range slices.Compact(emails) {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: email})
	}
	return binding
}
