// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/master"
)

// quotaEffect says, as JSON, what of its project's quota would be used if an object became what it is, or went. It is empty for
// what does not count, and for who may not see the project.
func (s *Server) quotaEffect(ctx context.Context, at place, object client.Object, gone bool) (string, error) {
	switch object.(type) {
	case *v1alpha1.Cluster, *v1alpha1.NodePool:
	default:
		return "", nil
	}
	question := Question{Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "projects", Name: at.Project}
	if allowed, err := s.access.Allowed(ctx, question); err != nil || !allowed {
		return "", err
	}
	project := &v1alpha1.Project{}
	if err := s.cache.Get(ctx, client.ObjectKey{Name: at.Project}, project); err != nil {
		return "", err
	}
	clusters, pools := &v1alpha1.ClusterList{}, &v1alpha1.NodePoolList{}
	namespace := client.InNamespace(v1alpha1.ProjectNamespacePrefix + at.Project)
	for _, list := range []client.ObjectList{clusters, pools} {
		if err := s.cache.List(ctx, list, namespace); err != nil {
			return "", err
		}
	}
	after(object, gone, clusters, pools)
	quota, err := master.QuotaOf(ctx, s.cache, project, clusters.Items, pools.Items)
	if err != nil {
		return "", err
	}
	text, err := jsonLine(quota)
	return string(text), err
}

// after changes lists to what they are when an object has become what it is, or has gone with all that belongs to it.
func after(object client.Object, gone bool, clusters *v1alpha1.ClusterList, pools *v1alpha1.NodePoolList) {
	switch object := object.(type) {
	case *v1alpha1.Cluster:
		clusters.Items = slices.DeleteFunc(clusters.Items, func(c v1alpha1.Cluster) bool { return c.Name == object.Name })
		if !gone {
			clusters.Items = append(clusters.Items, *object)
			return
		}
		pools.Items = slices.DeleteFunc(pools.Items, func(p v1alpha1.NodePool) bool { return p.Spec.Cluster == object.Name })
	case *v1alpha1.NodePool:
		pools.Items = slices.DeleteFunc(pools.Items, func(p v1alpha1.NodePool) bool { return p.Name == object.Name })
		if !gone {
			pools.Items = append(pools.Items, *object)
			return
		}
		for i := range clusters.Items { // its machines are gone then, too
			status := &clusters.Items[i].Status
			status.NodePools = slices.DeleteFunc(status.NodePools, func(p hostingv1alpha1.NodePoolStatus) bool { return p.Name == object.Name })
		}
	}
}
