// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Annotations by which cluster-autoscaler knows what a machine of a pool would be that has none.
const (
	annotationCPU    = "capacity.cluster-autoscaler.kubernetes.io/cpu"
	annotationMemory = "capacity.cluster-autoscaler.kubernetes.io/memory"
	annotationLabels = "capacity.cluster-autoscaler.kubernetes.io/labels"
	annotationTaints = "capacity.cluster-autoscaler.kubernetes.io/taints"
)

// Deployments are the MachineDeployments of a cluster as they are, by pool.
type Deployments map[string]*clusterv1.MachineDeployment

// handedOver reports whether Objects has let go of the number of machines: with it come the annotations.
func handedOver(d *clusterv1.MachineDeployment) bool {
	return d != nil && d.Annotations[clusterv1.AutoscalerMinSizeAnnotation] != ""
}

// wanted is how many machines the pool should have: its replicas, or with autoscaling what it has been scaled to, brought into
// the range.
func wanted(pool v1alpha1.NodePool, live *clusterv1.MachineDeployment) int32 {
	size := ptr.Deref(pool.Replicas, 1) // the kind's default
	if pool.Autoscaling == nil {
		return size
	}
	if live != nil && live.Spec.Replicas != nil {
		size = *live.Spec.Replicas
	}
	return min(max(size, ptr.Deref(pool.Autoscaling.MinReplicas, 0)), pool.Autoscaling.MaxReplicas)
}

// Resizes returns the numbers of machines that have to be written before Objects, by pool: where a pool has got autoscaling,
// that which it has, for Objects lets go of it; where its number is out of the range, the nearest in it.
func Resizes(cluster *v1alpha1.HostedCluster, live Deployments) map[string]int32 {
	sizes := map[string]int32{}
	for _, pool := range cluster.Spec.NodePools {
		d := live[pool.Name]
		if pool.Autoscaling == nil || d == nil {
			continue
		}
		if size := wanted(pool, d); !handedOver(d) || ptr.Deref(d.Spec.Replicas, -1) != size {
			sizes[pool.Name] = size
		}
	}
	return sizes
}

// autoscaling returns what cluster-autoscaler has to know of the pool.
func (p pool) autoscaling() map[string]string {
	annotations := map[string]string{
		clusterv1.AutoscalerMinSizeAnnotation: strconv.Itoa(int(ptr.Deref(p.Autoscaling.MinReplicas, 0))),
		clusterv1.AutoscalerMaxSizeAnnotation: strconv.Itoa(int(p.Autoscaling.MaxReplicas)),
	}
	if vm := p.Provider.VSphere; vm != nil { // elsewhere the cloud knows what its sizes are
		annotations[annotationCPU] = strconv.Itoa(int(vm.CPUs))
		annotations[annotationMemory] = fmt.Sprintf("%dMi", vm.MemoryMiB)
	}
	var labels, taints []string
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		labels = append(labels, key+"="+p.Labels[key])
	}
	for _, taint := range p.Taints {
		taints = append(taints, taint.ToString())
	}
	for key, list := range map[string][]string{annotationLabels: labels, annotationTaints: taints} {
		if len(list) > 0 {
			annotations[key] = strings.Join(list, ",")
		}
	}
	return annotations
}
