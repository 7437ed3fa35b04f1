// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// Place is where the control plane of a user cluster is.
type Place struct {
	// Name is what the cluster is called among all clusters: <project>/<name>, or its bare name if it is in no project.
	Name string
	// ID is the name of the HostedCluster.
	ID string
	// Seed leads to the seed's API, and SeedConfig says how it is reached.
	Seed       client.Reader
	SeedConfig *rest.Config
}

// Namespace is the one on the seed that has the control plane.
func (p Place) Namespace() string { return hostingv1alpha1.NamespacePrefix + p.ID }

// Query names a cluster.
type Query struct {
	// Name of the Cluster, or of a HostedCluster that is in no project.
	Name string
	// Project that the Cluster is in; nil: whichever has the only cluster of that name; empty: none, a HostedCluster.
	Project *string
}

// Find returns the place of a cluster that the master of config knows, or that is on the seed of config. The error says
// which clusters there are if it is not clear which one is meant.
func Find(ctx context.Context, config *rest.Config, q Query) (Place, error) {
	c, err := newClient(config)
	if err != nil {
		return Place{}, err
	}
	clusters, err := candidates(ctx, c, q)
	if err != nil {
		return Place{}, err
	}
	onSeed, err := isHosted(ctx, c, q)
	if err != nil {
		return Place{}, err
	}
	switch {
	case len(clusters)+onSeed == 0:
		return Place{}, fmt.Errorf("there is no cluster %s: kubectl get clusters,hostedclusters -A lists them", q)
	case len(clusters)+onSeed > 1:
		return Place{}, ambiguous(q.Name, clusters, onSeed > 0)
	case onSeed > 0:
		return Place{Name: q.Name, ID: q.Name, Seed: c, SeedConfig: config}, nil
	}
	return placeOf(ctx, c, config, &clusters[0])
}

// String is how messages name what was asked for.
func (q Query) String() string {
	if q.Project == nil || *q.Project == "" {
		return q.Name
	}
	return *q.Project + "/" + q.Name
}

func newClient(config *rest.Config) (client.Client, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	return client.New(config, client.Options{Scheme: kube.Scheme()})
}

// candidates are the Clusters that may be meant.
func candidates(ctx context.Context, c client.Client, q Query) ([]v1alpha1.Cluster, error) {
	if q.Project != nil && *q.Project == "" {
		return nil, nil
	}
	opts := []client.ListOption{client.MatchingFields{"metadata.name": q.Name}}
	if q.Project != nil {
		opts = append(opts, client.InNamespace(v1alpha1.ProjectNamespacePrefix+*q.Project))
	}
	list := &v1alpha1.ClusterList{}
	if err := c.List(ctx, list, opts...); meta.IsNoMatchError(err) {
		return nil, nil // a seed that was installed without the kinds of the master
	} else if err != nil {
		return nil, fmt.Errorf("looking for the cluster %s: %w", q, err)
	}
	return list.Items, nil
}

// isHosted returns 1 if there is a HostedCluster of the name that is no Cluster's, and it may be meant.
func isHosted(ctx context.Context, c client.Client, q Query) (int, error) {
	if q.Project != nil && *q.Project != "" {
		return 0, nil
	}
	hc := &hostingv1alpha1.HostedCluster{}
	err := c.Get(ctx, client.ObjectKey{Namespace: hostingv1alpha1.NamespacePrefix + q.Name, Name: q.Name}, hc)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking for the cluster %s: %w", q, err)
	}
	return 1, nil
}

func ambiguous(name string, clusters []v1alpha1.Cluster, onSeed bool) error {
	var ways []string
	for i := range clusters {
		project, _ := v1alpha1.ProjectOf(clusters[i].Namespace)
		ways = append(ways, "--project "+project)
	}
	slices.Sort(ways)
	if onSeed {
		ways = append(ways, `--project "" for the one on the seed that is in no project`)
	}
	return fmt.Errorf("there are %d clusters named %s: say which, with %s", len(ways), name, strings.Join(ways, ", "))
}

// placeOf follows a Cluster to its seed.
func placeOf(ctx context.Context, c client.Client, config *rest.Config, cluster *v1alpha1.Cluster) (Place, error) {
	place := Place{Name: cluster.QualifiedName(), ID: cluster.Status.ID, Seed: c, SeedConfig: config}
	if place.ID == "" {
		return Place{}, fmt.Errorf("cluster %s has no place yet: kubectl -n %s get cluster %s -o wide says what it waits for", place.Name, cluster.Namespace, cluster.Name)
	}
	seed := &v1alpha1.Seed{}
	if err := c.Get(ctx, client.ObjectKey{Name: cluster.Status.Seed}, seed); err != nil {
		return Place{}, fmt.Errorf("reading the seed of the cluster %s: %w", place.Name, err)
	}
	if seed.Spec.KubeconfigSecretName == "" {
		return place, nil
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: seed.Spec.KubeconfigSecretName}
	if err := c.Get(ctx, key, secret); err != nil {
		return Place{}, fmt.Errorf("reading how seed %s is reached: %w", seed.Name, err)
	}
	var err error
	if _, place.SeedConfig, err = kube.ParseKubeconfig(secret.Data[v1alpha1.SeedKubeconfigKey]); err != nil {
		return Place{}, fmt.Errorf("the kubeconfig in Secret %s cannot be used: %w", key, err)
	}
	place.Seed, err = newClient(place.SeedConfig)
	return place, err
}
