// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// serveClusters registers the list of all clusters of all projects that somebody may see.
func serveClusters(s *Server) {
	clusters := &resource[v1alpha1.Cluster, *v1alpha1.Cluster]{plural: "clusters"}
	op := operation(http.MethodGet, "/clusters", "listAllClusters", "List the clusters of all of your projects")
	huma.Register(s.api, op, func(ctx context.Context, in *listInput) (*listOutput[v1alpha1.Cluster], error) {
		out, err := listClusters(ctx, s, clusters, in)
		return out, fail(ctx, err)
	})
}

func listClusters(ctx context.Context, s *Server, clusters *resource[v1alpha1.Cluster, *v1alpha1.Cluster], in *listInput) (*listOutput[v1alpha1.Cluster], error) {
	wanted, err := newFilter(in)
	if err != nil {
		return nil, err
	}
	visible, err := s.namespacesWith(ctx, "clusters")
	if err != nil {
		return nil, err
	}
	var all []*v1alpha1.Cluster
	keep := func(cluster *v1alpha1.Cluster) {
		if wanted.matches(cluster) {
			all = append(all, cluster)
		}
	}
	for _, namespace := range visible {
		if err := clusters.each(ctx, s, namespace, keep); err != nil {
			return nil, err
		}
	}
	return clusters.page(ctx, in, all)
}

// namespacesWith returns the namespaces of the projects in which the caller may list a resource; one empty one stands for all.
func (s *Server) namespacesWith(ctx context.Context, resource string) ([]string, error) {
	question := Question{Verb: verbList, Group: v1alpha1.GroupVersion.Group, Resource: resource}
	if all, err := s.access.Allowed(ctx, question); err != nil || all {
		return []string{""}, err
	}
	names, all, err := s.access.Accessible(ctx, "projects")
	if err != nil {
		return nil, err
	}
	projects := &v1alpha1.ProjectList{}
	if err := s.cache.List(ctx, projects, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var namespaces []string
	for i := range projects.Items {
		if !all && !names[projects.Items[i].Name] {
			continue
		}
		question.Namespace = v1alpha1.ProjectNamespacePrefix + projects.Items[i].Name
		allowed, err := s.access.Allowed(ctx, question)
		if err != nil {
			return nil, err
		}
		if allowed {
			namespaces = append(namespaces, question.Namespace)
		}
	}
	return namespaces, nil
}
