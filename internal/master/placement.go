// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// place gives a cluster its seed and id, which are remembered in its status before anything is made, and stay. It returns
// what it has read: the project, and the datacenter if it is still there.
func (r *ClusterReconciler) place(ctx context.Context, cluster *v1alpha1.Cluster) (Input, error) {
	in := Input{Cluster: cluster, Project: &v1alpha1.Project{}, Datacenter: &v1alpha1.Datacenter{}}
	project, err := projectNameOf(cluster)
	if err != nil {
		return in, err
	}
	if err := r.Get(ctx, client.ObjectKey{Name: project}, in.Project); apierrors.IsNotFound(err) {
		return in, kube.Wait(v1alpha1.ReasonProjectMissing, fmt.Sprintf("there is no Project %s: have an admin make it", project), 0)
	} else if err != nil {
		return in, err
	}
	if err := r.Get(ctx, client.ObjectKey{Name: cluster.Spec.Datacenter}, in.Datacenter); apierrors.IsNotFound(err) {
		if in.Datacenter = nil; cluster.Status.ID == "" {
			return in, datacenterMissing(cluster, "choose one of `kubectl get datacenters`, or have an admin make it")
		}
	} else if err != nil {
		return in, err
	}
	if cluster.Status.ID != "" {
		return in, nil
	}
	if !in.Project.DeletionTimestamp.IsZero() {
		return in, kube.Wait(v1alpha1.ReasonDeleting, fmt.Sprintf("project %s is being deleted: make the cluster in another, and delete this one", project), 0)
	}
	if err := checkDatacenter(in); err != nil {
		return in, err
	}
	seed := &v1alpha1.Seed{}
	if err := r.Get(ctx, client.ObjectKey{Name: in.Datacenter.Spec.Seed}, seed); apierrors.IsNotFound(err) {
		return in, kube.Wait(v1alpha1.ReasonSeedMissing, fmt.Sprintf("there is no Seed %s, which Datacenter %s names: have an admin make it", in.Datacenter.Spec.Seed, in.Datacenter.Name), 0)
	} else if err != nil {
		return in, err
	}
	if seed.Spec.Drained || !seed.DeletionTimestamp.IsZero() {
		return in, kube.Wait(v1alpha1.ReasonSeedDrained, fmt.Sprintf("seed %s takes no new clusters: choose a datacenter of another seed, or wait until it does", seed.Name), 0)
	}
	if err := r.checkRoom(ctx, in); err != nil {
		return in, err
	}
	before := cluster.DeepCopy()
	cluster.Status.Seed = seed.Name
	if cluster.Status.ID, err = newID(); err != nil {
		return in, err
	}
	if err := kube.PatchFreshStatus(ctx, r.Client, before, cluster); err != nil {
		cluster.Status = before.Status // nothing is to be told of a place that it does not have
		return in, err
	}
	return in, nil
}

func datacenterMissing(cluster *v1alpha1.Cluster, next string) error {
	return kube.Wait(v1alpha1.ReasonDatacenterMissing, fmt.Sprintf("spec.datacenter: there is no Datacenter %s: %s", cluster.Spec.Datacenter, next), 0)
}

// checkRoom says whether the project's quota has room for a new cluster.
func (r *ClusterReconciler) checkRoom(ctx context.Context, in Input) error {
	if in.Project.Spec.Quota == nil {
		return nil
	}
	clusters := &v1alpha1.ClusterList{}
	if err := r.List(ctx, clusters, client.InNamespace(in.Cluster.Namespace)); err != nil {
		return fmt.Errorf("reading the clusters of %s: %w", in.Project.Name, err)
	}
	sizes, err := etcdStorages(ctx, r)
	if err != nil {
		return err
	}
	return checkStorage(in.Project, in.Cluster, clusters.Items, sizes.of)
}

// newID returns ten random lower-case letters and digits, the first a letter: 2.6·10¹⁵ of them.
func newID() (string, error) {
	const letters, all = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789"
	id := make([]byte, 10)
	for i := range id {
		from := all
		if i == 0 {
			from = letters
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			return "", fmt.Errorf("making an id: %w", err)
		}
		id[i] = from[n.Int64()]
	}
	return string(id), nil
}
