// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// checkSizes says whether the machines of the pools are as large as the datacenter allows. What the cluster has already it
// may keep, in any number.
func checkSizes(in Input) error {
	sizes := in.Datacenter.Spec.Node.Sizes
	if sizes == nil {
		return nil
	}
	for _, pool := range in.NodePools {
		if pool.Spec.Provider.Local == nil || hasPool(in.Current, pool) {
			continue
		}
		resources := pool.Spec.Provider.Local.Resources
		for _, r := range []struct {
			name    corev1.ResourceName
			allowed *v1alpha1.QuantityRange
		}{{corev1.ResourceCPU, sizes.CPU}, {corev1.ResourceMemory, sizes.Memory}} {
			if wrong := checkSize(resources, r.name, r.allowed); wrong != "" {
				return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("NodePool %s: spec.provider.local.resources.%s; datacenter %s allows machines with %s: change the pool, or have an admin change spec.node.sizes of the Datacenter",
					pool.Name, wrong, in.Datacenter.Name, describeSizes(*sizes)))
			}
		}
	}
	return nil
}

// hasPool reports whether the cluster has machines of that pool that are like it.
func hasPool(current *hostingv1alpha1.HostedCluster, pool v1alpha1.NodePool) bool {
	if current == nil {
		return false
	}
	for _, p := range current.Spec.NodePools {
		if p.Name == pool.Name {
			return equality.Semantic.DeepEqual(p.Provider, pool.Spec.Provider)
		}
	}
	return false
}

// checkSize returns what is wrong with one resource of a machine, beginning with its field; empty: nothing. What a machine
// is sure to have is its request, and what it can take is its limit.
func checkSize(r corev1.ResourceRequirements, name corev1.ResourceName, allowed *v1alpha1.QuantityRange) string {
	if allowed == nil {
		return ""
	}
	limit, limited := r.Limits[name]
	request, requested := r.Requests[name]
	if !requested {
		request, requested = limit, limited // as Kubernetes does
	}
	switch {
	case allowed.Max != nil && !limited:
		return fmt.Sprintf("limits.%s is missing, without which there is no limit", name)
	case allowed.Max != nil && limit.Cmp(*allowed.Max) > 0:
		return fmt.Sprintf("limits.%s: %s is too much", name, limit.String())
	case allowed.Min != nil && !requested:
		return fmt.Sprintf("requests.%s is missing", name)
	case allowed.Min != nil && request.Cmp(*allowed.Min) < 0:
		return fmt.Sprintf("requests.%s: %s is too little", name, request.String())
	}
	return ""
}

// describeSizes says what is allowed, such as "1 to 4 CPUs and at most 8Gi of memory".
func describeSizes(sizes v1alpha1.MachineSizes) string {
	var parts []string
	for _, r := range []struct {
		allowed *v1alpha1.QuantityRange
		what    string
	}{{sizes.CPU, "CPUs"}, {sizes.Memory, "of memory"}} {
		if r.allowed == nil {
			continue
		}
		text := func(q *resource.Quantity) string { return q.String() }
		switch least, most := r.allowed.Min, r.allowed.Max; {
		case least != nil && most != nil:
			parts = append(parts, fmt.Sprintf("%s to %s %s", text(least), text(most), r.what))
		case least != nil:
			parts = append(parts, fmt.Sprintf("at least %s %s", text(least), r.what))
		case most != nil:
			parts = append(parts, fmt.Sprintf("at most %s %s", text(most), r.what))
		}
	}
	return strings.Join(parts, " and ")
}
