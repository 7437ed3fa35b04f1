// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine/local"
)

// dimension is one of what a quota bounds. Clusters are not among them: Kubernetes counts those itself.
type dimension int

const (
	nodes   dimension = iota // machines
	cpu                      // thousandths of a core
	memory                   // bytes
	storage                  // bytes
	dimensions
)

// String returns the name of the field of a Quota.
func (d dimension) String() string { return [...]string{"nodes", "cpu", "memory", "storage"}[d] }

// format returns an amount as it is written in a Quota.
func (d dimension) format(n int64) string {
	switch d {
	case cpu:
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	case memory, storage:
		return resource.NewQuantity(n, resource.BinarySI).String()
	default:
		return fmt.Sprint(n)
	}
}

// limit returns how much of d a quota allows; false: it does not bound it.
func (d dimension) limit(quota *v1alpha1.Quota) (int64, bool) {
	if quota == nil {
		return 0, false
	}
	if d == nodes {
		return int64(ptr.Deref(quota.Nodes, 0)), quota.Nodes != nil
	}
	quantity := [...]*resource.Quantity{cpu: quota.CPU, memory: quota.Memory, storage: quota.Storage}[d]
	if quantity == nil {
		return 0, false
	}
	return d.value(*quantity), true
}

func (d dimension) value(quantity resource.Quantity) int64 {
	if d == cpu {
		return quantity.MilliValue()
	}
	return quantity.Value()
}

// amount is how much of each dimension.
type amount [dimensions]int64

// plus adds n times b, and stays at the largest number where the sum is larger.
func (a amount) plus(b amount, n int64) amount {
	for d := range a {
		if n > 0 && b[d] > (math.MaxInt64-max(a[d], 0))/n {
			a[d] = math.MaxInt64
		} else {
			a[d] += n * b[d]
		}
	}
	return a
}

// machineSize returns what one machine counts. Where a pool does not say what its machines have, only their number counts.
func machineSize(provider hostingv1alpha1.Provider) amount {
	size := amount{nodes: 1}
	if provider.Local == nil {
		return size
	}
	idle := local.Resources(corev1.ResourceRequirements{}).Requests
	for d, name := range map[dimension]corev1.ResourceName{cpu: corev1.ResourceCPU, memory: corev1.ResourceMemory} {
		request, requested := provider.Local.Resources.Requests[name]
		most, limited := provider.Local.Resources.Limits[name]
		if !requested && !limited {
			request = idle[name]
		}
		size[d] = max(d.value(request), d.value(most))
	}
	return size
}

// most returns how many machines a pool may come to have: its replicas, or with autoscaling the end of its range.
func most(pool *v1alpha1.NodePool) int32 {
	if pool.Spec.Autoscaling != nil {
		return pool.Spec.Autoscaling.MaxReplicas
	}
	return ptr.Deref(pool.Spec.Replicas, 1)
}

// demand returns what a pool asks for.
func demand(pool *v1alpha1.NodePool) amount {
	return amount{}.plus(machineSize(pool.Spec.Provider), int64(most(pool)))
}

// etcdStorage returns the size of etcd's volume that a cluster asks for, given the default of its seed; nil: that of all.
func etcdStorage(cluster *v1alpha1.Cluster, seedDefault *resource.Quantity) resource.Quantity {
	for _, size := range []*resource.Quantity{cluster.Spec.Etcd.Storage, seedDefault} {
		if size != nil {
			return *size
		}
	}
	return resource.MustParse(defaultEtcdStorage)
}

// live returns the pools that are not about to go, older ones first.
func live(pools []v1alpha1.NodePool) []v1alpha1.NodePool {
	var sorted []v1alpha1.NodePool
	for _, pool := range pools {
		if pool.DeletionTimestamp.IsZero() {
			sorted = append(sorted, pool)
		}
	}
	slices.SortFunc(sorted, func(a, b v1alpha1.NodePool) int { return older(&a, &b) })
	return sorted
}

// leaving is what machines still have whose pool was deleted: they are there, and cost, until they are drained and gone.
func leaving(clusters []v1alpha1.Cluster, pools []v1alpha1.NodePool) amount {
	there := map[string]bool{}
	for _, pool := range live(pools) {
		there[pool.Name] = true
	}
	left := amount{}
	for i := range clusters {
		for _, pool := range clusters[i].Status.NodePools {
			if there[pool.Name] {
				continue
			}
			provider := hostingv1alpha1.Provider{} // the seed does not know yet that the pool goes
			if pool.Removed != nil && pool.Removed.Provider != nil {
				provider = *pool.Removed.Provider
			}
			left = left.plus(machineSize(provider), int64(pool.Replicas))
		}
	}
	return left
}

// older orders by age, and by name what was made in the same second.
func older(a, b metav1.Object) int {
	return cmp.Or(a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time), strings.Compare(a.GetName(), b.GetName()))
}

// grant is how many machines a pool may have, and of what there are too few for more.
type grant struct {
	replicas int32
	short    dimension
}

// grants says how many machines each pool of a project may have, by the pools' names, where that is less than it wants.
// Machines that exist stay, also those of deleted pools, which have going; what is left goes to older pools first. It is
// what holds when two pools were admitted at the same time, or the quota was lowered.
func grants(quota *v1alpha1.Quota, pools []v1alpha1.NodePool, going amount) map[string]grant {
	pools = live(pools)
	left, bounded := amount{}, [dimensions]bool{}
	for d := range dimensions {
		left[d], bounded[d] = d.limit(quota)
	}
	left = left.plus(going, -1)
	have := map[string]int64{}
	for i := range pools {
		pool := &pools[i]
		have[pool.Name] = int64(min(pool.Status.Replicas, most(pool)))
		left = left.plus(machineSize(pool.Spec.Provider), -have[pool.Name])
	}
	less := map[string]grant{}
	for i := range pools {
		pool := &pools[i]
		size, wanted := machineSize(pool.Spec.Provider), int64(most(pool))-have[pool.Name]
		given, short := wanted, nodes
		for d := range dimensions {
			if bounded[d] && size[d] > 0 && max(left[d], 0)/size[d] < given {
				given, short = max(left[d], 0)/size[d], d
			}
		}
		left = left.plus(size, -given)
		if given < wanted {
			less[pool.Name] = grant{replicas: int32(have[pool.Name] + given), short: short}
		}
	}
	return less
}

// checkGrant says what a pool waits for that may have fewer machines than it wants.
func checkGrant(project *v1alpha1.Project, clusters []v1alpha1.Cluster, pools []v1alpha1.NodePool, pool *v1alpha1.NodePool) error {
	left := leaving(clusters, pools)
	granted, less := grants(project.Spec.Quota, pools, left)[pool.Name]
	if !less {
		return nil
	}
	used := amount{}
	for _, other := range live(pools) {
		used = used.plus(demand(&other), 1)
	}
	d := granted.short
	allowed, _ := d.limit(project.Spec.Quota)
	asked := d.format(used[d])
	if left[d] > 0 {
		asked += ", while machines of deleted pools, which are going, have " + d.format(left[d])
	}
	return kube.Wait(v1alpha1.ReasonQuotaExceeded, fmt.Sprintf("it may have %d of %d machines: the quota of project %s allows %s %s, and its pools ask for %s: make this pool or an older one smaller, or have an admin raise spec.quota.%s of the Project",
		granted.replicas, most(pool), project.Name, d.format(allowed), d, asked, d), 0)
}

// checkStorage says whether there is room for the volume of a cluster that is new. Clusters that have a place, and older
// ones, come first; all are those of the project, with the volumes that they ask for.
func checkStorage(project *v1alpha1.Project, cluster *v1alpha1.Cluster, all []v1alpha1.Cluster, size func(*v1alpha1.Cluster) resource.Quantity) error {
	allowed, bounded := storage.limit(project.Spec.Quota)
	if !bounded {
		return nil
	}
	used := amount{}
	for i := range all {
		if other := &all[i]; other.Name != cluster.Name && (other.Status.ID != "" || older(other, cluster) < 0) {
			used = used.plus(amount{storage: storage.value(size(other))}, 1)
		}
	}
	asked := storage.value(size(cluster))
	if asked <= allowed-used[storage] {
		return nil
	}
	return kube.Wait(v1alpha1.ReasonQuotaExceeded, fmt.Sprintf("its etcd asks for %s of storage: the quota of project %s allows %s, and other clusters have %s: delete one, or have an admin raise spec.quota.storage of the Project",
		storage.format(asked), project.Name, storage.format(allowed), storage.format(used[storage])), 0)
}

// quotaStatus returns what the project may have, and what its clusters and pools ask for and deleted pools still have.
func quotaStatus(project *v1alpha1.Project, clusters []v1alpha1.Cluster, pools []v1alpha1.NodePool, size func(*v1alpha1.Cluster) resource.Quantity) v1alpha1.QuotaStatus {
	used := usage(clusters, pools, size)
	status := v1alpha1.QuotaStatus{Used: v1alpha1.Quota{
		Clusters: ptr.To(int32(len(clusters))),
		Nodes:    ptr.To(int32(min(used[nodes], math.MaxInt32))),
		CPU:      resource.NewMilliQuantity(used[cpu], resource.DecimalSI),
		Memory:   resource.NewQuantity(used[memory], resource.BinarySI),
		Storage:  resource.NewQuantity(used[storage], resource.BinarySI),
	}}
	if project.Spec.Quota != nil {
		status.Hard = *project.Spec.Quota.DeepCopy()
	}
	return status
}

func usage(clusters []v1alpha1.Cluster, pools []v1alpha1.NodePool, size func(*v1alpha1.Cluster) resource.Quantity) amount {
	used := leaving(clusters, pools)
	for i := range clusters {
		used = used.plus(amount{storage: storage.value(size(&clusters[i]))}, 1)
	}
	for _, pool := range live(pools) {
		used = used.plus(demand(&pool), 1)
	}
	return used
}

// quotaName is the name of both objects in a project's namespace that the API server holds the quota with.
const quotaName = "canopy-quota"

// resourceQuota lets the API server count clusters, without a race.
func resourceQuota(project *v1alpha1.Project) *corev1.ResourceQuota {
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: quotaName, Namespace: namespaceOf(project)}}
	if clusters := project.Spec.Quota.Clusters; clusters != nil {
		quota.Spec.Hard = corev1.ResourceList{"count/clusters.canopy.dev": *resource.NewQuantity(int64(*clusters), resource.DecimalSI)}
	}
	return quota
}

// quotaParameters are what the rules of admission in deploy/chart/files/master/admission.yaml compare with, in whole numbers:
//
//	hard.<dimension>, used.<dimension>   the quota and what is used of it; without hard it is not bounded
//	machine.<pool>.<dimension>           what one machine of a pool counts, which the scale of a pool does not say
//	idle.<dimension>                     what one counts that does not say it
//	storage, storage.<datacenter>        the size of an etcd that a cluster does not say
func quotaParameters(project *v1alpha1.Project, used amount, pools []v1alpha1.NodePool, storages map[string]resource.Quantity) *corev1.ConfigMap {
	data := map[string]string{"storage": fmt.Sprint(storage.value(etcdStorage(&v1alpha1.Cluster{}, nil)))}
	for d := range dimensions {
		if hard, bounded := d.limit(project.Spec.Quota); bounded {
			data["hard."+d.String()], data["used."+d.String()] = fmt.Sprint(hard), fmt.Sprint(used[d])
		}
	}
	idle := machineSize(hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}})
	for _, d := range []dimension{cpu, memory} {
		data["idle."+d.String()] = fmt.Sprint(idle[d])
		for _, pool := range live(pools) {
			data["machine."+pool.Name+"."+d.String()] = fmt.Sprint(machineSize(pool.Spec.Provider)[d])
		}
	}
	for datacenter, size := range storages {
		data["storage."+datacenter] = fmt.Sprint(storage.value(size))
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: quotaName, Namespace: namespaceOf(project)}, Data: data}
}
