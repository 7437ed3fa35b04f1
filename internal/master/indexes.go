// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/kube"
)

// The fields by which objects are found that refer to another. The API server can select by them, too, but for the
// minor and the template.
const (
	indexDatacenter = "spec.datacenter"           // Cluster
	indexPreset     = "spec.preset"               // Cluster
	indexMinor      = "minor of spec.version"     // Cluster
	indexSeed       = "status.seed"               // Cluster
	indexHost       = "spec.seed"                 // Datacenter
	indexSecret     = "spec.secretName"           // Preset
	indexKubeconfig = "spec.kubeconfigSecretName" // Seed
	indexEmail      = "spec.email"                // User
	indexTemplate   = "template of the set"       // ClusterSet
)

func setupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		obj   client.Object
		field string
		value func(client.Object) string
	}{
		{&v1alpha1.User{}, indexEmail, func(o client.Object) string { return o.(*v1alpha1.User).Spec.Email }},
		{&v1alpha1.Cluster{}, indexDatacenter, func(o client.Object) string { return o.(*v1alpha1.Cluster).Spec.Datacenter }},
		{&v1alpha1.Cluster{}, indexPreset, func(o client.Object) string { return o.(*v1alpha1.Cluster).Spec.Preset }},
		{&v1alpha1.Cluster{}, indexMinor, func(o client.Object) string { return strconv.Itoa(minorOf(o.(*v1alpha1.Cluster).Spec.Version)) }},
		{&v1alpha1.Cluster{}, indexSeed, func(o client.Object) string { return o.(*v1alpha1.Cluster).Status.Seed }},
		{&v1alpha1.Datacenter{}, indexHost, func(o client.Object) string { return o.(*v1alpha1.Datacenter).Spec.Seed }},
		{&v1alpha1.Preset{}, indexSecret, func(o client.Object) string { return o.(*v1alpha1.Preset).Spec.SecretName }},
		{&v1alpha1.Seed{}, indexKubeconfig, func(o client.Object) string { return o.(*v1alpha1.Seed).Spec.KubeconfigSecretName }},
		{&v1alpha1.ClusterSet{}, indexTemplate, func(o client.Object) string { return templateOf(o.(*v1alpha1.ClusterSet)).String() }},
	} {
		value := index.value
		err := indexer.IndexField(ctx, index.obj, index.field, func(o client.Object) []string {
			if v := value(o); v != "" {
				return []string{v}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("indexing %T by %s: %w", index.obj, index.field, err)
		}
	}
	return nil
}

// memberEmails returns the people among a project's members.
func memberEmails(project *v1alpha1.Project) []string {
	var emails []string
	for _, member := range project.Spec.Members {
		if member.Kind == v1alpha1.MemberUser {
			emails = append(emails, member.Name)
		}
	}
	return emails
}

// wakes returns a handler that wakes whatever find returns for an object.
func wakes(find func(context.Context, client.Object) []reconcile.Request) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(find)
}

// wakesMany is wakes for objects that many clusters use. What wakes one alone, such as its own edit, overtakes it.
func wakesMany(find func(context.Context, client.Object) []reconcile.Request) handler.EventHandler {
	h := wakes(find)
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { h.Create(ctx, e, behind(q)) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { h.Update(ctx, e, behind(q)) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { h.Delete(ctx, e, behind(q)) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { h.Generic(ctx, e, behind(q)) },
	}
}

// wakesSeed wakes the clusters of a seed that comes or goes; first those that wait for it with a change.
func wakesSeed(find referrers) handler.EventHandler {
	wake := func(ctx context.Context, seed client.Object, q queue) {
		for _, request := range find.pendingOn(ctx, seed) {
			q.Add(request)
		}
		for _, request := range find.ofSeed(ctx, seed) {
			behind(q).Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectNew, q) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, e.Object, q) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { wake(ctx, e.Object, q) },
	}
}

// queue is that of a controller.
type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// lower is a queue to which everything is added behind what is added to the queue itself.
type lower struct {
	priorityqueue.PriorityQueue[reconcile.Request]
}

func behind(q queue) queue {
	if q, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		return lower{q}
	}
	return q
}

// Add adds an item.
func (l lower) Add(item reconcile.Request) {
	l.AddWithOpts(priorityqueue.AddOpts{Priority: new(-1)}, item)
}

// referrers finds the clusters that refer to objects, and nothing else.
type referrers struct{ client.Reader }

func (r referrers) clusters(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	return kube.Requests(ctx, r, &v1alpha1.ClusterList{}, opts...)
}

func (r referrers) ofDatacenter(ctx context.Context, dc client.Object) []reconcile.Request {
	return r.clusters(ctx, client.MatchingFields{indexDatacenter: dc.GetName()})
}

func (r referrers) ofPreset(ctx context.Context, preset client.Object) []reconcile.Request {
	return r.clusters(ctx, client.MatchingFields{indexPreset: preset.GetName()})
}

// ofRelease finds the clusters that have a patch of the release's minor, or could be upgraded to it from the one before.
func (r referrers) ofRelease(ctx context.Context, release client.Object) []reconcile.Request {
	minor := minorOf(release.GetName())
	return append(
		r.clusters(ctx, client.MatchingFields{indexMinor: strconv.Itoa(minor)}),
		r.clusters(ctx, client.MatchingFields{indexMinor: strconv.Itoa(minor - 1)})...)
}

func (r referrers) ofProject(ctx context.Context, project client.Object) []reconcile.Request {
	return r.clusters(ctx, client.InNamespace(v1alpha1.ProjectNamespacePrefix+project.GetName()))
}

// ofQuota finds the clusters that share a project's quota.
func (r referrers) ofQuota(ctx context.Context, obj client.Object) []reconcile.Request {
	if project, ok := obj.(*v1alpha1.Project); !ok || project.Spec.Quota == nil {
		return nil
	}
	return r.ofProject(ctx, obj)
}

// ofSeed finds the clusters on a seed, and those that wait for a place on it.
func (r referrers) ofSeed(ctx context.Context, seed client.Object) []reconcile.Request {
	requests := r.clusters(ctx, client.MatchingFields{indexSeed: seed.GetName()})
	datacenters := &v1alpha1.DatacenterList{}
	if err := r.List(ctx, datacenters, client.MatchingFields{indexHost: seed.GetName()}); err != nil {
		return requests
	}
	for i := range datacenters.Items {
		requests = append(requests, r.ofDatacenter(ctx, &datacenters.Items[i])...) // doubles are one in the queue
	}
	return requests
}

// pendingOn finds the clusters on a seed that were changed while the master did not run, or while the seed could not be reached.
func (r referrers) pendingOn(ctx context.Context, seed client.Object) []reconcile.Request {
	return kube.RequestsIf(ctx, r, &v1alpha1.ClusterList{}, func(o client.Object) bool {
		cluster, ok := o.(*v1alpha1.Cluster)
		return ok && pending(cluster)
	}, client.MatchingFields{indexSeed: seed.GetName()})
}

func pending(cluster *v1alpha1.Cluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	return !cluster.DeletionTimestamp.IsZero() || ready == nil || ready.ObservedGeneration != cluster.Generation ||
		ready.Status == metav1.ConditionUnknown && cluster.Status.ObservedGeneration != cluster.Generation
}

// ofSecret finds the clusters that use a preset's credentials.
func (r referrers) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	presets := &v1alpha1.PresetList{}
	if secret.GetNamespace() != v1alpha1.SystemNamespace || r.List(ctx, presets, client.MatchingFields{indexSecret: secret.GetName()}) != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range presets.Items {
		requests = append(requests, r.ofPreset(ctx, &presets.Items[i])...)
	}
	return requests
}

// ofIssuers finds all clusters when the installation's issuers change.
func (r referrers) ofIssuers(ctx context.Context, config client.Object) []reconcile.Request {
	if config.GetNamespace() != v1alpha1.SystemNamespace || config.GetName() != identity.ConfigMapName {
		return nil
	}
	return r.clusters(ctx)
}

// ofSSHKey finds the clusters that name the key.
func (r referrers) ofSSHKey(ctx context.Context, key client.Object) []reconcile.Request {
	return kube.RequestsIf(ctx, r, &v1alpha1.ClusterList{}, func(o client.Object) bool {
		return slices.Contains(o.(*v1alpha1.Cluster).Spec.SSHKeys, key.GetName())
	}, client.InNamespace(key.GetNamespace()))
}

// ofNodePool finds the pool's cluster.
func (r referrers) ofNodePool(_ context.Context, obj client.Object) []reconcile.Request {
	pool, ok := obj.(*v1alpha1.NodePool)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: pool.Namespace, Name: pool.Spec.Cluster}}}
}
