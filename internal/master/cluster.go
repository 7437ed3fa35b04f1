// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/kube"
)

// clusterController is the name of the controller and of the manager of the fields that it writes, on the master and on
// seeds.
const clusterController = "master/cluster"

// seedTimeout bounds what one reconciliation asks of a seed, so that one that hangs does not keep a worker.
const seedTimeout = 10 * time.Second

// errNotConnected is returned while the connection to a healthy seed is being made. There is nothing to be told, and the
// connection wakes the cluster when it is there.
var errNotConnected = errors.New("the seed is being connected")

// ClusterReconciler gives each Cluster its place and hands it to the seed there: place, gather (all reads), resolve (pure),
// apply, mirror (pure).
type ClusterReconciler struct {
	client.Client

	APIReader client.Reader
	Seeds     *Connections
	Clock     clock.PassiveClock
}

func setupCluster(mgr ctrl.Manager, seeds *Connections, opts Options) error {
	r := &ClusterReconciler{Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Seeds: seeds, Clock: opts.Clock}
	find := referrers{mgr.GetClient()}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named(clusterController).
		For(&v1alpha1.Cluster{}). // also its status: what was decided before the cache knew the last one is decided again
		Watches(&v1alpha1.NodePool{}, wakes(find.ofNodePool), changed).
		Watches(&v1alpha1.Datacenter{}, wakesMany(find.ofDatacenter), changed).
		Watches(&v1alpha1.Preset{}, wakesMany(find.ofPreset), changed).
		Watches(&v1alpha1.SSHKey{}, wakes(find.ofSSHKey), changed).
		Watches(&v1alpha1.Release{}, wakesMany(find.ofRelease), changed).
		Watches(&v1alpha1.Project{}, wakes(find.ofProject), changed).
		Watches(&v1alpha1.Project{}, wakes(find.ofQuota), builder.WithPredicates(usageChanged)).
		Watches(&v1alpha1.Seed{}, wakesSeed(find), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, readinessChanged))).
		Watches(&corev1.Secret{}, wakesMany(find.ofSecret)).
		Watches(&corev1.ConfigMap{}, wakesMany(find.ofIssuers)).
		WatchesRawSource(source.Channel(seeds.Connected, wakesSeed(find))).
		WatchesRawSource(source.Channel(seeds.Events, wakes(clusterOf))).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// clusterOf returns the Cluster that an object on a seed was made for.
func clusterOf(_ context.Context, obj client.Object) []reconcile.Request {
	labels := obj.GetLabels()
	if labels[v1alpha1.LabelProject] == "" || labels[v1alpha1.LabelCluster] == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{
		Namespace: v1alpha1.ProjectNamespacePrefix + labels[v1alpha1.LabelProject], Name: labels[v1alpha1.LabelCluster],
	}}}
}

// readinessChanged lets seeds through that are lost or found.
var readinessChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.Seed)
		after, ok2 := e.ObjectNew.(*v1alpha1.Seed)
		return ok && ok2 && seedError(before) != seedError(after)
	},
}

// seedError says why a seed is not connected; empty: it is.
func seedError(seed *v1alpha1.Seed) string {
	connected := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionConnected)
	switch {
	case connected == nil:
		return "it is not connected yet"
	case connected.Status == metav1.ConditionTrue:
		return ""
	}
	return connected.Message
}

// Reconcile brings one cluster a step further.
func (r *ClusterReconciler) Reconcile(ctx context.Context, cluster *v1alpha1.Cluster) (reconcile.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	before := cluster.DeepCopy()
	if !cluster.DeletionTimestamp.IsZero() {
		gone, err := r.delete(ctx, cluster)
		if gone || errors.Is(err, errNotConnected) {
			return reconcile.Result{}, ignore(err, errNotConnected)
		}
		return kube.Finish(ctx, r.Client, before, cluster, err)
	}
	if err := kube.EnsureFinalizer(ctx, r.Client, cluster, v1alpha1.FinalizerCluster); err != nil {
		return reconcile.Result{}, err
	}
	before = cluster.DeepCopy()
	in, err := r.place(ctx, cluster)
	if err != nil {
		return kube.Finish(ctx, r.Client, before, cluster, err)
	}
	before = cluster.DeepCopy()
	if err = r.reconcile(ctx, in); errors.Is(err, errNotConnected) {
		return reconcile.Result{}, nil
	}
	return kube.Finish(ctx, r.Client, before, cluster, err)
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

func (r *ClusterReconciler) reconcile(ctx context.Context, in Input) error {
	cluster := in.Cluster
	conn, err := r.connection(ctx, cluster)
	if err != nil {
		return err
	}
	if err := r.gather(ctx, &in, conn); err != nil {
		return err
	}
	mirror(cluster, in.Current) // also when it cannot be changed now
	hc, secrets, err := r.resolve(ctx, in)
	if hc == nil {
		if in.Current != nil {
			access := accessSet(in.Current, accessOf(in.Project), sshKeys(in))
			err = cmp.Or(conn.Applier.Apply(ctx, access.Owner, access.Objects), err)
		}
		return err
	}
	cluster.Status.TargetVersion = hc.Spec.Version
	offered, available := Upgrades(in, hc.Spec.Version)
	cluster.Status.AvailableUpgrades = offered
	meta.SetStatusCondition(&cluster.Status.Conditions, available)
	var applyErr error
	if cluster.Status.Applied, applyErr = apply(ctx, conn, cluster.Status.Applied, hc.DeepCopy(), secrets); applyErr != nil {
		return fmt.Errorf("seed %s: %w", cluster.Status.Seed, applyErr)
	}
	if err != nil {
		return err
	}
	if in.Current != nil && !apiequality.Semantic.DeepDerivative(hc.Spec, in.Current.Spec) {
		return waitingForSeed()
	}
	return cmp.Or(summary(in.Current), checkSSHKeys(cluster, hc))
}

// resolve reads the credentials and resolves all that was read.
func (r *ClusterReconciler) resolve(ctx context.Context, in Input) (*hostingv1alpha1.HostedCluster, []*corev1.Secret, error) {
	if in.Datacenter == nil {
		return nil, nil, datacenterMissing(in.Cluster, "have an admin make it again; until then the cluster stays as it is")
	}
	if err := r.gatherPreset(ctx, &in); err != nil {
		return nil, nil, err
	}
	return Resolve(in)
}

// waitingForSeed is for a change that the seed has not seen yet. What it said before is not about it.
func waitingForSeed() error {
	return kube.Wait(v1alpha1.ReasonWaitingForSeed, "waiting for the seed to take up the last change", 0)
}

// connection returns the one to the cluster's seed; an error if the seed is not ready.
func (r *ClusterReconciler) connection(ctx context.Context, cluster *v1alpha1.Cluster) (*Connection, error) {
	name := cluster.Status.Seed
	seed := &v1alpha1.Seed{}
	if err := r.Get(ctx, client.ObjectKey{Name: name}, seed); apierrors.IsNotFound(err) {
		return nil, kube.Unknown(v1alpha1.ReasonSeedMissing, fmt.Sprintf("there is no Seed %s any more: make it again; its namespace %s is the cluster's", name, hostingv1alpha1.NamespacePrefix+cluster.Status.ID))
	} else if err != nil {
		return nil, err
	}
	if problem := seedError(seed); problem != "" {
		cluster.Status.LastContact = seed.Status.LastContact
		return nil, kube.Unknown(v1alpha1.ReasonSeedNotConnected, fmt.Sprintf("seed %s: %s", name, problem))
	}
	cluster.Status.LastContact = nil
	conn := r.Seeds.Get(name)
	if conn == nil {
		return nil, errNotConnected
	}
	return conn, nil
}

// gather reads what place has not read yet, all but the credentials.
func (r *ClusterReconciler) gather(ctx context.Context, in *Input, conn *Connection) error {
	cluster := in.Cluster
	id := cluster.Status.ID
	current := &hostingv1alpha1.HostedCluster{}
	switch err := conn.Client.Get(ctx, client.ObjectKey{Namespace: hostingv1alpha1.NamespacePrefix + id, Name: id}, current); {
	case err == nil:
		in.Current = current
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("reading HostedCluster %s on seed %s: %w", id, cluster.Status.Seed, err)
	}
	in.Seed = &v1alpha1.Seed{}
	if err := r.Get(ctx, client.ObjectKey{Name: cluster.Status.Seed}, in.Seed); err != nil {
		return err
	}
	pools := &v1alpha1.NodePoolList{}
	if err := r.List(ctx, pools, client.InNamespace(cluster.Namespace)); err != nil {
		return fmt.Errorf("reading the NodePools of %s: %w", cluster.Namespace, err)
	}
	in.ProjectPools = pools.Items
	if in.Project.Spec.Quota != nil {
		clusters := &v1alpha1.ClusterList{}
		if err := r.List(ctx, clusters, client.InNamespace(cluster.Namespace)); err != nil {
			return fmt.Errorf("reading the clusters of %s: %w", cluster.Namespace, err)
		}
		in.ProjectClusters = clusters.Items
	}
	for _, pool := range pools.Items {
		if pool.DeletionTimestamp.IsZero() && pool.Spec.Cluster == cluster.Name {
			in.NodePools = append(in.NodePools, pool)
		}
	}
	releases := &v1alpha1.ReleaseList{}
	if err := r.List(ctx, releases); err != nil {
		return fmt.Errorf("reading the Releases: %w", err)
	}
	in.Releases, in.Now = releases.Items, r.Clock.Now()
	keys := &v1alpha1.SSHKeyList{}
	if err := r.List(ctx, keys, client.InNamespace(cluster.Namespace)); err != nil {
		return fmt.Errorf("reading the SSHKeys of the project: %w", err)
	}
	in.SSHKeys = keys.Items
	return r.gatherIssuers(ctx, in)
}

// gatherIssuers reads the installation's issuers. A cluster keeps those that it has while they cannot be used, so that a
// mistake there neither locks people out nor keeps a cluster from anything else.
func (r *ClusterReconciler) gatherIssuers(ctx context.Context, in *Input) error {
	config := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: identity.ConfigMapName}
	if err := r.Get(ctx, key, config); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	issuers, err := identity.Parse(config.Data)
	if err == nil {
		in.Issuers = identity.Hosted(issuers)
		return nil
	}
	if in.Current != nil {
		in.Issuers = in.Current.Spec.Authentication.Issuers
	}
	in.IssuersError = kube.Wait(v1alpha1.ReasonInvalidIssuers, err.Error()+": have an admin correct it", 0)
	return nil
}

func (r *ClusterReconciler) gatherPreset(ctx context.Context, in *Input) error {
	name := in.Cluster.Spec.Preset
	if name == "" {
		return nil
	}
	in.Preset, in.Credentials = &v1alpha1.Preset{}, &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Name: name}, in.Preset); apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonPresetMissing, fmt.Sprintf("spec.preset: there is no Preset %s: name another, or have an admin make it; until then the cluster stays as it is", name), 0)
	} else if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: in.Preset.Spec.SecretName}
	if err := r.Get(ctx, key, in.Credentials); apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("spec.preset: the Secret of Preset %s is missing: have an admin make it; until then the cluster stays as it is", name), 0)
	} else if err != nil {
		return err
	}
	return nil
}

// prunedKinds are the kinds among which objects on a seed that are no longer wanted are looked for.
var prunedKinds = []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}}

// apply writes the namespace, then the Secrets, and last what makes the seed look at them; nothing of what the record of the last time
// says that it is there already. It returns the record of this time.
func apply(ctx context.Context, conn *Connection, record string, hc *hostingv1alpha1.HostedCluster, secrets []*corev1.Secret) (string, error) {
	owner := kube.Owner{FieldManager: clusterController, Label: v1alpha1.LabelManagedBy, Value: hc.Name}
	var beside []client.Object
	for _, s := range secrets {
		beside = append(beside, s)
	}
	access := accessSet(hc, hc.Spec.Access, hc.Spec.SSHKeys)
	hc.Spec.Access, hc.Spec.SSHKeys = nil, nil
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: hc.Namespace, Labels: hc.Labels}}
	sets := []kube.Set{{Owner: owner, Objects: []client.Object{ns}}, {Owner: owner, Objects: beside}, {Owner: owner, Objects: []client.Object{hc}}, access}
	if err := conn.Applier.Recall(ctx, record, sets...); err != nil {
		return record, err
	}
	for _, set := range sets {
		if err := conn.Applier.Apply(ctx, set.Owner, set.Objects); err != nil {
			return record, err
		}
	}
	scope := kube.PruneScope{Owner: owner, Namespace: hc.Namespace, Kinds: prunedKinds}
	if err := kube.Prune(ctx, conn.Client, conn.Client, scope, beside); err != nil {
		return record, err
	}
	return conn.Applier.Record(sets...)
}

// accessManager is the manager of the fields that say who may get into a cluster.
const accessManager = "master/access"

// accessSet is who may get into the cluster and its machines, and nothing else of it, so that it can also be written while the rest
// cannot be: nobody stays in because a preset is missing.
func accessSet(hc *hostingv1alpha1.HostedCluster, access []hostingv1alpha1.Access, sshKeys []string) kube.Set {
	// Empty lists take away what missing ones would leave.
	members, keys := make([]any, 0, len(access)), make([]any, 0, len(sshKeys))
	for _, a := range access {
		members = append(members, map[string]any{"kind": string(a.Kind), "name": a.Name, "role": string(a.Role)})
	}
	for _, key := range sshKeys {
		keys = append(keys, key)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"access": members, "sshKeys": keys}}}
	u.SetGroupVersionKind(hostingv1alpha1.GroupVersion.WithKind("HostedCluster"))
	u.SetNamespace(hc.Namespace)
	u.SetName(hc.Name)
	owner := kube.Owner{FieldManager: accessManager, Label: v1alpha1.LabelManagedBy, Value: hc.Name}
	return kube.Set{Owner: owner, Objects: []client.Object{u}}
}

// mirror writes what the seed says into the cluster's status; what it does not say stays.
func mirror(cluster *v1alpha1.Cluster, hc *hostingv1alpha1.HostedCluster) {
	if hc == nil {
		return
	}
	status := hc.DeepCopy().Status
	cluster.Status.Version, cluster.Status.Endpoint = status.Version, status.Endpoint
	cluster.Status.TLSServerName, cluster.Status.CertificateAuthority = status.TLSServerName, status.CertificateAuthority
	cluster.Status.Components, cluster.Status.NodePools = status.Components, status.NodePools
	cluster.Status.ReadyNodes = status.ReadyNodes
}

// summary is nil when the seed says that the cluster is as it should be, otherwise a *kube.WaitingError with what the seed
// says that it waits for.
func summary(hc *hostingv1alpha1.HostedCluster) error {
	if hc == nil || hc.Status.ObservedGeneration == 0 && len(hc.Status.Conditions) == 0 {
		return kube.Wait(v1alpha1.ReasonWaitingForSeed, "waiting for the seed to begin", 0)
	}
	ready := meta.FindStatusCondition(hc.Status.Conditions, hostingv1alpha1.ConditionReady)
	switch {
	case ready == nil || ready.ObservedGeneration != hc.Generation:
		return waitingForSeed()
	case ready.Status != metav1.ConditionTrue:
		return kube.Wait(ready.Reason, ready.Message, 0)
	}
	return nil
}

// projectNameOf returns the name of the project that a cluster is in.
func projectNameOf(cluster *v1alpha1.Cluster) (string, error) {
	name, ok := v1alpha1.ProjectOf(cluster.Namespace)
	if !ok {
		return "", kube.Reject(v1alpha1.ReasonProjectMissing, fmt.Sprintf("the namespace %s is no project's: delete the Cluster and make it in one named %s<project>", cluster.Namespace, v1alpha1.ProjectNamespacePrefix))
	}
	return name, nil
}
