// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"slices"

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

// UserReconciler binds the roles of the whole platform to the users that have them: two ClusterRoleBindings, however many
// users there are.
type UserReconciler struct {
	client.Client

	Applier *kube.Applier
}

func setupUser(mgr ctrl.Manager) error {
	r := &UserReconciler{Client: mgr.GetClient(), Applier: &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()}}
	return ctrl.NewControllerManagedBy(mgr).
		Named(userController).
		For(&v1alpha1.User{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
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
	return kube.Finish(ctx, r.Client, user.DeepCopy(), user, bindErr)
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
