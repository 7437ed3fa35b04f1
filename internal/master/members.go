// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-helpers/auth/rbac/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// roleEditor is the ClusterRole of the chart that no role of an administrator's own may go beyond.
const roleEditor = "canopy-project-editor"

// ownersBinding is the name of one of the three RoleBindings of each project.
const ownersBinding = "canopy-owners"

// bindMembers gives the members of a project their rights, and takes them from those who are none any more: in the
// project's namespace by a RoleBinding for each role, and to see or change the Project itself by ClusterRoles of its own.
func (r *ProjectReconciler) bindMembers(ctx context.Context, project *v1alpha1.Project) error {
	offered, roleErr := r.customRoles(ctx, project)
	if offered == nil && roleErr != nil {
		return roleErr
	}
	owner := kube.Owner{FieldManager: projectController, Label: v1alpha1.LabelProject, Value: project.Name}
	bindings := roleBindings(project, offered)
	scope := kube.PruneScope{Owner: owner, Namespace: namespaceOf(project), Kinds: []schema.GroupVersionKind{rbacv1.SchemeGroupVersion.WithKind("RoleBinding")}}
	if err := kube.Prune(ctx, r.Client, r.Client, scope, bindings); err != nil { // first what is taken away
		return err
	}
	sets := []kube.Set{{Owner: owner, Objects: bindings}}
	owner.Object = project
	for _, objs := range clusterAccess(project) {
		sets = append(sets, kube.Set{Owner: owner, Objects: objs})
	}
	if err := r.Applier.Recall(ctx, project.Status.Applied, sets...); err != nil {
		return err
	}
	for _, set := range sets {
		if err := r.Applier.Apply(ctx, set.Owner, set.Objects); err != nil {
			return err
		}
	}
	record, err := r.Applier.Record(sets...)
	if err != nil {
		return err
	}
	project.Status.Applied = record
	return roleErr
}

// bound reports whether the project's members have been let in.
func (r *ProjectReconciler) bound(ctx context.Context, project *v1alpha1.Project) (bool, error) {
	binding := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(project), Name: ownersBinding}}
	binding.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("RoleBinding"))
	err := r.Get(ctx, client.ObjectKeyFromObject(binding), binding)
	return err == nil, client.IgnoreNotFound(err)
}

// customRoles returns the ClusterRoles among the members' roles that are offered, and an error that says why the others are
// not. The map is nil if that is not known.
func (r *ProjectReconciler) customRoles(ctx context.Context, project *v1alpha1.Project) (map[v1alpha1.Role]bool, error) {
	offered, refused := map[v1alpha1.Role]bool{}, error(nil)
	most := &rbacv1.ClusterRole{}
	for _, name := range rolesOf(project) {
		if !name.Custom() {
			continue
		}
		if most.Name == "" {
			if err := r.APIReader.Get(ctx, client.ObjectKey{Name: roleEditor}, most); err != nil {
				return nil, fmt.Errorf("reading what roles may hold: %w", err)
			}
		}
		role := &rbacv1.ClusterRole{}
		err := r.APIReader.Get(ctx, client.ObjectKey{Name: string(name)}, role)
		switch {
		case apierrors.IsNotFound(err):
			err = kube.Wait(v1alpha1.ReasonRoleMissing, fmt.Sprintf("spec.members: there is no ClusterRole %s: give its members another role, or have an admin make it", name), 0)
		case err != nil:
			return nil, err
		default:
			err = checkRole(role, most.Rules)
		}
		if err == nil {
			offered[name] = true
		} else if refused == nil {
			refused = err
		}
	}
	return offered, refused
}

// rolesOf returns the roles that a project's members have, each once and sorted.
func rolesOf(project *v1alpha1.Project) []v1alpha1.Role {
	var roles []v1alpha1.Role
	for _, member := range project.Spec.Members {
		roles = append(roles, member.Role)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// checkRole says why a ClusterRole cannot be a role of members: it is not labelled as one, or has more than most.
func checkRole(role *rbacv1.ClusterRole, most []rbacv1.PolicyRule) error {
	if role.Labels[v1alpha1.LabelProjectRole] != "true" {
		return kube.Wait(v1alpha1.ReasonRoleRefused, fmt.Sprintf("spec.members: the ClusterRole %s is not offered to projects: give its members another role, or have an admin label it %s=true",
			role.Name, v1alpha1.LabelProjectRole), 0)
	}
	if covered, beyond := validation.Covers(most, role.Rules); !covered {
		return kube.Wait(v1alpha1.ReasonRoleRefused, fmt.Sprintf("spec.members: the ClusterRole %s holds more than an editor may (%s): give its members another role, or have an admin take that out of it",
			role.Name, describeRule(beyond[0])), 0)
	}
	return nil
}

func describeRule(rule rbacv1.PolicyRule) string {
	if len(rule.NonResourceURLs) > 0 {
		return fmt.Sprintf("%s %s", strings.Join(rule.Verbs, ","), strings.Join(rule.NonResourceURLs, ","))
	}
	what := strings.Join(rule.Resources, ",")
	if group := strings.Join(rule.APIGroups, ","); group != "" {
		what += "." + group
	}
	return fmt.Sprintf("%s %s", strings.Join(rule.Verbs, ","), what)
}

// roleBindings are three for each project, however many members it has, one for the API, and one for each custom role that a
// member has.
func roleBindings(project *v1alpha1.Project, offered map[v1alpha1.Role]bool) []client.Object {
	var bindings []client.Object
	bind := func(role v1alpha1.Role, name, clusterRole string) {
		bindings = append(bindings, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(project), Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
			Subjects:   subjects(project, func(r v1alpha1.Role) bool { return r == role }),
		})
	}
	for _, role := range []v1alpha1.Role{v1alpha1.RoleOwner, v1alpha1.RoleEditor, v1alpha1.RoleViewer} {
		name := strings.ToLower(string(role))
		bind(role, "canopy-"+name+"s", "canopy-project-"+name)
	}
	// So that the API can make what tokens of the project's service accounts are bound to.
	bindings = append(bindings, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(project), Name: "canopy-tokens"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "canopy-project-tokens"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: "canopy-api"}},
	})
	for _, role := range rolesOf(project) {
		if offered[role] {
			bind(role, "canopy-role-"+string(role), string(role))
		}
	}
	return bindings
}

// clusterAccess lets members see their Project and what they choose from for a cluster, and owners change it. RBAC knows
// an object outside of namespaces by its name only, so these are for each project. First come the roles, then who has them.
func clusterAccess(project *v1alpha1.Project) [2][]client.Object {
	read, write := []string{"get", "list", "watch"}, []string{"update", "patch"}
	its := func(verbs []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"projects"}, ResourceNames: []string{project.Name}, Verbs: verbs}
	}
	choices := rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"datacenters", "presets", "releases"}, Verbs: read}
	var roles, bindings []client.Object
	for _, access := range []struct {
		name  string
		rules []rbacv1.PolicyRule
		who   func(v1alpha1.Role) bool
	}{
		{"members", []rbacv1.PolicyRule{its(read), choices}, func(v1alpha1.Role) bool { return true }},
		{"owners", []rbacv1.PolicyRule{its(write)}, func(r v1alpha1.Role) bool { return r == v1alpha1.RoleOwner }},
	} {
		// A ':' is in no name of a project, so that none can be that of another role.
		name := "canopy:project:" + project.Name + ":" + access.name
		roles = append(roles, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: access.rules})
		bindings = append(bindings, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   subjects(project, access.who),
		})
	}
	return [2][]client.Object{roles, bindings}
}

func subjects(project *v1alpha1.Project, who func(v1alpha1.Role) bool) []rbacv1.Subject {
	var subjects []rbacv1.Subject
	for _, member := range project.Spec.Members {
		if who(member.Role) {
			subjects = append(subjects, subject(member))
		}
	}
	return subjects
}

func subject(member v1alpha1.Member) rbacv1.Subject {
	if member.Kind == v1alpha1.MemberServiceAccount {
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: member.Namespace, Name: member.Name}
	}
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: string(member.Kind), Name: member.Name}
}

// ofClusterRole finds the projects with members who have the role, and the one that a role was made for.
func (r *ProjectReconciler) ofClusterRole(ctx context.Context, role client.Object) []reconcile.Request {
	if project := role.GetLabels()[v1alpha1.LabelProject]; project != "" {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: project}}}
	}
	projects := &v1alpha1.ProjectList{}
	if err := r.List(ctx, projects); err != nil {
		return nil // a cache fails to list only while it starts or stops
	}
	var requests []reconcile.Request
	for i := range projects.Items {
		if slices.Contains(rolesOf(&projects.Items[i]), v1alpha1.Role(role.GetName())) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&projects.Items[i])})
		}
	}
	return requests
}
