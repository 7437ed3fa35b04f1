// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
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

// clusterSetController is the name of the controller and of the manager of the fields that it writes.
const clusterSetController = "master/clusterset"

// ClusterSetReconciler makes the clusters of sets, and changes them as far as a rollout is approved: gather what is there,
// instantiate (pure), compare with what the API would make of it, plan (pure), apply.
type ClusterSetReconciler struct {
	client.Client

	Clock clock.PassiveClock
}

func setupClusterSet(mgr ctrl.Manager, opts Options) error {
	r := &ClusterSetReconciler{Client: mgr.GetClient(), Clock: opts.Clock}
	ofTemplate := func(ctx context.Context, template client.Object) []reconcile.Request {
		return kube.Requests(ctx, r, &v1alpha1.ClusterSetList{}, client.MatchingFields{indexTemplate: client.ObjectKeyFromObject(template).String()})
	}
	ofMember := func(_ context.Context, obj client.Object) []reconcile.Request {
		set := obj.GetLabels()[v1alpha1.LabelClusterSet]
		if set == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: obj.GetNamespace(), Name: set}}}
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	metadata := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named(clusterSetController).
		For(&v1alpha1.ClusterSet{}, changed).
		Watches(&v1alpha1.ClusterTemplate{}, wakes(ofTemplate), changed).
		Watches(&v1alpha1.Cluster{}, wakes(ofMember), builder.WithPredicates(predicate.Or(metadata, clusterReady))).
		Watches(&v1alpha1.NodePool{}, wakes(ofMember), builder.WithPredicates(metadata)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// clusterReady lets clusters through that become ready, or cease to be.
var clusterReady = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.Cluster)
		after, ok2 := e.ObjectNew.(*v1alpha1.Cluster)
		return ok && ok2 && ready(before) != ready(after)
	},
}

// templateOf returns where a set's template is.
func templateOf(set *v1alpha1.ClusterSet) client.ObjectKey {
	if set.Spec.Template.Scope == v1alpha1.TemplateScopePlatform {
		return client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: set.Spec.Template.Name}
	}
	return client.ObjectKey{Namespace: set.Namespace, Name: set.Spec.Template.Name}
}

// Reconcile brings one set a step further.
func (r *ClusterSetReconciler) Reconcile(ctx context.Context, set *v1alpha1.ClusterSet) (reconcile.Result, error) {
	if !set.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // its clusters stay
	}
	before := set.DeepCopy()
	err := r.reconcile(ctx, set)
	return kube.Finish(ctx, r.Client, before, set, err)
}

func (r *ClusterSetReconciler) reconcile(ctx context.Context, set *v1alpha1.ClusterSet) error {
	members, err := r.members(ctx, set)
	if err != nil {
		return err
	}
	if err := r.release(ctx, set, members); err != nil {
		return err
	}
	template := &v1alpha1.ClusterTemplate{}
	if err := r.Get(ctx, templateOf(set), template); apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonTemplateMissing, fmt.Sprintf("spec.template: there is no ClusterTemplate %s: make it, or name another; until then the clusters stay as they are", templateOf(set)), 0)
	} else if err != nil {
		return err
	}
	wanted := map[string]instance{}
	var seen []observation
	for _, entry := range set.Spec.Clusters {
		cluster, pools := Instantiate(set, &template.Spec, entry)
		wanted[entry.Name] = instance{cluster, pools}
		o, err := r.observe(ctx, set, wanted[entry.Name], members)
		if err != nil {
			return err
		}
		seen = append(seen, o)
	}
	revision := hash(template.Spec)
	plan := PlanRollout(r.Clock.Now(), set, revision, seen)
	if err := r.report(ctx, set, revision, plan); err != nil {
		return err
	}
	var errs []error
	for _, name := range plan.apply {
		errs = append(errs, r.apply(ctx, set, wanted[name], members))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return plan.err
}

// report writes the plan into the status. That clusters are changed now is remembered before it happens.
func (r *ClusterSetReconciler) report(ctx context.Context, set *v1alpha1.ClusterSet, revision string, plan decision) error {
	before := set.DeepCopy()
	set.Status.Revision, set.Status.Clusters = revision, plan.clusters
	set.Status.Total, set.Status.UpToDate = int32(len(plan.clusters)), 0
	for _, c := range plan.clusters {
		if c.State == v1alpha1.SetClusterUpToDate {
			set.Status.UpToDate++
		}
	}
	if len(plan.change) == 0 {
		return nil
	}
	set.Status.LastChange = &metav1.Time{Time: r.Clock.Now()}
	return kube.PatchFreshStatus(ctx, r.Client, before, set)
}

// present is what there is in the namespace of a set.
type present struct {
	clusters map[string]*v1alpha1.Cluster
	pools    map[string]*v1alpha1.NodePool
}

func (r *ClusterSetReconciler) members(ctx context.Context, set *v1alpha1.ClusterSet) (present, error) {
	found := present{map[string]*v1alpha1.Cluster{}, map[string]*v1alpha1.NodePool{}}
	clusters, pools := &v1alpha1.ClusterList{}, &v1alpha1.NodePoolList{}
	if err := errors.Join(r.List(ctx, clusters, client.InNamespace(set.Namespace)), r.List(ctx, pools, client.InNamespace(set.Namespace))); err != nil {
		return found, fmt.Errorf("reading the clusters of %s: %w", set.Namespace, err)
	}
	for i := range clusters.Items {
		found.clusters[clusters.Items[i].Name] = &clusters.Items[i]
	}
	for i := range pools.Items {
		found.pools[pools.Items[i].Name] = &pools.Items[i]
	}
	return found, nil
}

// release lets clusters go that were taken out of the set's list.
func (r *ClusterSetReconciler) release(ctx context.Context, set *v1alpha1.ClusterSet, members present) error {
	listed := map[string]bool{}
	for _, entry := range set.Spec.Clusters {
		listed[entry.Name] = true
	}
	var errs []error
	free := func(obj client.Object, cluster string) {
		if obj.GetLabels()[v1alpha1.LabelClusterSet] != set.Name || listed[cluster] {
			return
		}
		errs = append(errs, kube.Patch(ctx, r.Client, obj, func() {
			delete(obj.GetLabels(), v1alpha1.LabelClusterSet)
			delete(obj.GetAnnotations(), v1alpha1.AnnotationTemplateHash)
		}))
	}
	for _, cluster := range members.clusters {
		free(cluster, cluster.Name)
	}
	for _, pool := range members.pools {
		free(pool, pool.Spec.Cluster)
	}
	return errors.Join(errs...)
}

// observe compares a cluster with what the template says. It asks the API only about clusters that differ.
func (r *ClusterSetReconciler) observe(ctx context.Context, set *v1alpha1.ClusterSet, want instance, members present) (observation, error) {
	o := observation{name: want.cluster.Name}
	live := members.clusters[o.name]
	if live == nil {
		return o, r.observeMissing(ctx, set, want, members, &o)
	}
	o.ready, o.paused, o.deleting = ready(live), live.Spec.Paused, !live.DeletionTimestamp.IsZero()
	if other := live.Labels[v1alpha1.LabelClusterSet]; other != "" && other != set.Name {
		err := r.Get(ctx, client.ObjectKey{Namespace: set.Namespace, Name: other}, &v1alpha1.ClusterSet{})
		if err == nil {
			o.takenBy = other
		}
		if client.IgnoreNotFound(err) != nil {
			return o, err
		}
	}
	recorded := live.Labels[v1alpha1.LabelClusterSet] == set.Name && live.Annotations[v1alpha1.AnnotationTemplateHash] == want.cluster.Annotations[v1alpha1.AnnotationTemplateHash]
	if o.takenBy != "" || o.deleting || recorded && asWanted(set, want, live, members) {
		return o, nil
	}
	o.unrecorded = !recorded
	return o, r.compare(ctx, set, want, members, &o)
}

// observeMissing looks whether a cluster can be made.
func (r *ClusterSetReconciler) observeMissing(ctx context.Context, set *v1alpha1.ClusterSet, want instance, members present, o *observation) error {
	for _, pool := range want.pools {
		if there := members.pools[pool.Name]; there != nil && len(there.OwnerReferences) > 0 {
			o.deleting = true // it goes with the cluster that was there before
			return nil
		}
	}
	o.missing = true
	for _, obj := range want.objects() {
		if _, _, err := kube.Preview(ctx, r.Client, owner(set), obj); err != nil {
			return refusal(err, o)
		}
	}
	return nil
}

// asWanted reports whether there is everything that the template says, without asking the API.
func asWanted(set *v1alpha1.ClusterSet, want instance, live *v1alpha1.Cluster, members present) bool {
	if !apiequality.Semantic.DeepDerivative(want.cluster.Spec, live.Spec) || len(surplus(set, want, members)) > 0 {
		return false
	}
	return !slices.ContainsFunc(want.pools, func(pool *v1alpha1.NodePool) bool {
		there := members.pools[pool.Name]
		return there == nil || !there.DeletionTimestamp.IsZero() || !apiequality.Semantic.DeepDerivative(pool.Spec, there.Spec)
	})
}

// surplus are the pools that were made from the template, and are not in it any more.
func surplus(set *v1alpha1.ClusterSet, want instance, members present) []*v1alpha1.NodePool {
	var pools []*v1alpha1.NodePool
	for _, pool := range members.pools {
		ours := pool.Spec.Cluster == want.cluster.Name && pool.Labels[v1alpha1.LabelClusterSet] == set.Name && pool.DeletionTimestamp.IsZero()
		if ours && !slices.ContainsFunc(want.pools, func(p *v1alpha1.NodePool) bool { return p.Name == pool.Name }) {
			pools = append(pools, pool)
		}
	}
	slices.SortFunc(pools, func(a, b *v1alpha1.NodePool) int { return strings.Compare(a.Name, b.Name) })
	return pools
}

// compare asks the API what it would make of what the template says.
func (r *ClusterSetReconciler) compare(ctx context.Context, set *v1alpha1.ClusterSet, want instance, members present, o *observation) error {
	changes, err := r.preview(ctx, set, want.cluster, members.clusters[o.name])
	if err != nil {
		return refusal(err, o)
	}
	o.changes = changes
	for _, pool := range want.pools {
		prefix := "NodePool " + pool.Name
		live := members.pools[pool.Name]
		if live == nil {
			o.changes = append(o.changes, v1alpha1.Change{Field: prefix, To: "made"})
			continue
		}
		changes, err := r.preview(ctx, set, pool, live)
		if err != nil {
			return refusal(err, o)
		}
		for _, change := range changes {
			change.Field = prefix + ": " + change.Field
			o.changes = append(o.changes, change)
		}
	}
	for _, pool := range surplus(set, want, members) {
		o.changes = append(o.changes, v1alpha1.Change{Field: "NodePool " + pool.Name, To: "deleted"})
	}
	if !o.unrecorded { // the template is the same as when it was applied: so somebody else was there
		for i := range o.changes {
			if o.changes[i].ChangedBy == "" {
				o.changes[i].ChangedBy = "unknown"
			}
		}
	}
	return nil
}

// refusal remembers that the API does not take what the template says. Other errors are returned.
func refusal(err error, o *observation) error {
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
		o.refused = err.Error()
		return nil
	}
	return err
}

func (r *ClusterSetReconciler) preview(ctx context.Context, set *v1alpha1.ClusterSet, want, live client.Object) ([]v1alpha1.Change, error) {
	after, conflicts, err := kube.Preview(ctx, r.Client, owner(set), want)
	for _, conflict := range conflicts {
		if err != nil {
			err = fmt.Errorf("%w (%s was changed by hand, by %s)", err, conflict.Field, conflict.Manager)
		}
	}
	if err != nil {
		return nil, err
	}
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil, err
	}
	typed, ok := live.DeepCopyObject().(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T cannot be copied", live)
	}
	// Both in the same form: what Go writes of a value may differ from what is stored.
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(after.Object, typed); err != nil {
		return nil, err
	}
	same, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, err
	}
	return changesOf(before, same, conflicts), nil
}

// owner marks what is a set's.
func owner(set *v1alpha1.ClusterSet) kube.Owner {
	return kube.Owner{FieldManager: clusterSetController, Label: v1alpha1.LabelClusterSet, Value: set.Name}
}

// apply makes one cluster what the template says. The Cluster comes last: it has the record of what was applied, so that
// whoever finds it finds the pools as well.
func (r *ClusterSetReconciler) apply(ctx context.Context, set *v1alpha1.ClusterSet, want instance, members present) error {
	force := set.Spec.Rollout.Overwrite
	for _, pool := range want.pools {
		if err := kube.Claim(ctx, r.Client, owner(set), pool, force); err != nil {
			return err
		}
	}
	for _, pool := range surplus(set, want, members) {
		if err := kube.Delete(ctx, r.Client, pool); err != nil {
			return err
		}
	}
	return kube.Claim(ctx, r.Client, owner(set), want.cluster, force)
}
