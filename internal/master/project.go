// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// projectController is the name of the controller and of the manager of the fields that it writes.
const projectController = "master/project"

// deletionRetry is how often what is about to go, and has no watch of ours, is looked at again.
const deletionRetry = time.Second

// ProjectReconciler gives each project its namespace, and its members their rights.
type ProjectReconciler struct {
	client.Client

	APIReader client.Reader
	Applier   *kube.Applier
}

func setupProject(mgr ctrl.Manager, opts Options) error {
	r := &ProjectReconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(),
		Applier: &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()},
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(projectController).
		For(&v1alpha1.Project{}). // also its status, as with clusters
		Watches(&v1alpha1.Cluster{}, wakes(projectOf), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, leavingChanged))).
		Watches(&v1alpha1.NodePool{}, wakes(projectOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Datacenter{}, wakes(r.withQuota), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Seed{}, wakes(r.withQuota), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.ResourceQuota{}, wakes(projectOf), builder.WithPredicates(quotaInForce)).
		WatchesMetadata(&corev1.ConfigMap{}, wakes(projectOf), builder.WithPredicates(comesOrGoes)).
		WatchesMetadata(&corev1.Namespace{}, wakes(projectOf), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesMetadata(&rbacv1.RoleBinding{}, wakes(projectOf), builder.WithPredicates(comesOrGoes)).
		WatchesMetadata(&rbacv1.ClusterRole{}, wakes(r.ofClusterRole)).
		WatchesMetadata(&rbacv1.ClusterRoleBinding{}, wakes(r.ofClusterRole), builder.WithPredicates(comesOrGoes)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// comesOrGoes lets objects through that are new, about to go, or gone.
var comesOrGoes = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	},
}

// projectOf returns the project whose namespace an object is in, or is.
func projectOf(_ context.Context, obj client.Object) []reconcile.Request {
	ns := obj.GetNamespace()
	if ns == "" {
		ns = obj.GetName()
	}
	name, ok := v1alpha1.ProjectOf(ns)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: name}}}
}

// Reconcile brings one project a step further.
func (r *ProjectReconciler) Reconcile(ctx context.Context, project *v1alpha1.Project) (reconcile.Result, error) {
	before := project.DeepCopy()
	if !project.DeletionTimestamp.IsZero() {
		gone, err := r.delete(ctx, project)
		if gone {
			return reconcile.Result{}, err
		}
		return kube.Finish(ctx, r.Client, before, project, err)
	}
	if err := kube.EnsureFinalizer(ctx, r.Client, project, v1alpha1.FinalizerProject); err != nil {
		return reconcile.Result{}, err
	}
	before.ObjectMeta = *project.ObjectMeta.DeepCopy()
	return kube.Finish(ctx, r.Client, before, project, r.reconcile(ctx, project))
}

func (r *ProjectReconciler) reconcile(ctx context.Context, project *v1alpha1.Project) error {
	name := namespaceOf(project)
	if err := r.checkNamespace(ctx, project); err != nil {
		return err
	}
	owner := kube.Owner{FieldManager: projectController, Label: v1alpha1.LabelProject, Value: project.Name}
	if err := r.Applier.Apply(ctx, owner, []client.Object{namespace(project)}); err != nil {
		return err
	}
	project.Status.Namespace = name
	quotaErr := r.holdQuota(ctx, project)
	if quotaErr != nil {
		if bound, err := r.bound(ctx, project); err != nil {
			return err
		} else if !bound {
			return quotaErr // nobody gets in before a new project's quota is held
		}
	}
	if err := r.bindMembers(ctx, project); err != nil {
		return err
	}
	return quotaErr
}

// namespace is that of a project. Its annotation tells the admission of tokens what the Project says.
func namespace(project *v1alpha1.Project) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        namespaceOf(project),
		Annotations: map[string]string{v1alpha1.AnnotationTokenLifetime: strconv.Itoa(int(project.Spec.LongestToken().Seconds()))},
	}}
}

func namespaceOf(project *v1alpha1.Project) string {
	return v1alpha1.ProjectNamespacePrefix + project.Name
}

// checkNamespace fails if there is a namespace of the project's name that is not the project's.
func (r *ProjectReconciler) checkNamespace(ctx context.Context, project *v1alpha1.Project) error {
	ns := &corev1.Namespace{}
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: namespaceOf(project)}, ns)
	switch {
	case err != nil:
		return client.IgnoreNotFound(err)
	case !ns.DeletionTimestamp.IsZero():
		return kube.Wait(v1alpha1.ReasonNamespaceTaken, fmt.Sprintf("the namespace %s is being deleted: waiting until it is gone", ns.Name), deletionRetry)
	case ns.Labels[v1alpha1.LabelProject] != project.Name:
		return kube.Wait(v1alpha1.ReasonNamespaceTaken, fmt.Sprintf("the namespace %s exists and is not this project's: delete it, give it the label %s=%s, or name the project otherwise",
			ns.Name, v1alpha1.LabelProject, project.Name), 0)
	}
	return nil
}

// delete takes a project away with its namespace, once there is no cluster in it: with a project nobody loses one. It returns
// true when the Project is gone, so that there is no status left to write.
func (r *ProjectReconciler) delete(ctx context.Context, project *v1alpha1.Project) (bool, error) {
	ns := &corev1.Namespace{}
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: namespaceOf(project)}, ns)
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	if err != nil || ns.Labels[v1alpha1.LabelProject] != project.Name {
		return true, kube.RemoveFinalizer(ctx, r.Client, project, v1alpha1.FinalizerProject)
	}
	clusters := &v1alpha1.ClusterList{}
	if err := r.APIReader.List(ctx, clusters, client.InNamespace(ns.Name)); err != nil { // not from the cache, which may not know the last one
		return false, err
	}
	project.Status.Clusters = int32(len(clusters.Items))
	var names []string
	for _, c := range clusters.Items {
		names = append(names, c.Name)
	}
	if len(names) > 0 {
		return false, kube.Wait(v1alpha1.ReasonInUse, fmt.Sprintf("waiting for somebody to delete its %d clusters: %s (kubectl -n %s delete clusters --all)", len(names), kube.Few(names), ns.Name), 0)
	}
	if ns.DeletionTimestamp.IsZero() {
		if err := kube.Delete(ctx, r.Client, ns, client.Preconditions{UID: &ns.UID}); err != nil {
			return false, err
		}
	}
	return false, kube.Wait(v1alpha1.ReasonDeleting, fmt.Sprintf("waiting for the namespace %s to be emptied by Kubernetes", ns.Name), deletionRetry)
}
