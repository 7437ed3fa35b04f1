// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// localPool returns a pool of a cluster that need not exist.
func localPool(project, name string, replicas int32, mods ...func(*corev1.ResourceRequirements)) *v1alpha1.NodePool {
	machine := &hostingv1alpha1.LocalMachine{}
	for _, mod := range mods {
		mod(&machine.Resources)
	}
	return &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.ProjectNamespacePrefix + project},
		Spec: v1alpha1.NodePoolSpec{Cluster: "a", MachinePool: v1alpha1.MachinePool{
			Replicas: ptr.To(replicas), Provider: hostingv1alpha1.Provider{Local: machine},
		}},
	}
}

// upToMachines is localPool with autoscaling.
func upToMachines(project, name string, most int32, mods ...func(*corev1.ResourceRequirements)) *v1alpha1.NodePool {
	pool := localPool(project, name, 1, mods...)
	pool.Spec.Autoscaling = &hostingv1alpha1.Autoscaling{MinReplicas: ptr.To[int32](1), MaxReplicas: most}
	return pool
}

func requests(cpu, memory string) func(*corev1.ResourceRequirements) {
	return func(r *corev1.ResourceRequirements) { r.Requests = resourceList(cpu, memory) }
}

func limits(cpu, memory string) func(*corev1.ResourceRequirements) {
	return func(r *corev1.ResourceRequirements) { r.Limits = resourceList(cpu, memory) }
}

func resourceList(cpu, memory string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, value := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if value != "" {
			list[name] = resource.MustParse(value)
		}
	}
	return list
}

// scaleTo scales a pool as kubectl scale does.
func scaleTo(t *testing.T, c client.Client, pool *v1alpha1.NodePool, replicas int, opts ...client.SubResourcePatchOption) error {
	t.Helper()
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: pool.Name, Namespace: pool.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: int32(replicas)}}
	return c.SubResource("scale").Patch(t.Context(), pool.DeepCopy(), client.Merge, append(opts, client.WithSubResourceBody(scale))...)
}

// countQuota begins to count, as kube-controller-manager does; from then on the API server does.
func countQuota(t *testing.T, c client.Client, ns string) {
	t.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: quotaName, Namespace: ns}}
	get(t, c, quota)
	clusters := &v1alpha1.ClusterList{}
	if err := c.List(t.Context(), clusters, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, corev1.ResourceList{}
	for name := range quota.Spec.Hard {
		quota.Status.Used[name] = *resource.NewQuantity(int64(len(clusters.Items)), resource.DecimalSI)
	}
	if err := c.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
}

func TestMachineSize(t *testing.T) {
	const mi = 1 << 20
	for name, tc := range map[string]struct {
		pool *v1alpha1.NodePool
		want amount
	}{
		"nothing is said":                     {localPool("a", "a", 1), amount{nodes: 1, cpu: 50, memory: 256 * mi}},
		"several":                             {localPool("a", "a", 3, requests("2", "1Gi")), amount{nodes: 3, cpu: 6000, memory: 3072 * mi}},
		"none":                                {localPool("a", "a", 0, requests("2", "1Gi")), amount{}},
		"limits only":                         {localPool("a", "a", 1, limits("500m", "1Gi")), amount{nodes: 1, cpu: 500, memory: 1024 * mi}},
		"limits above the requests":           {localPool("a", "a", 1, requests("1", "1Gi"), limits("4", "2Gi")), amount{nodes: 1, cpu: 4000, memory: 2048 * mi}},
		"only one of two":                     {localPool("a", "a", 1, requests("2", "")), amount{nodes: 1, cpu: 2000, memory: 256 * mi}},
		"as many as there may be":             {upToMachines("a", "a", 5, requests("2", "1Gi")), amount{nodes: 5, cpu: 10000, memory: 5120 * mi}},
		"no provider that is known":           {&v1alpha1.NodePool{}, amount{nodes: 1}},
		"more than there are numbers":         {localPool("a", "a", 1000, requests("1", "8Ei")), amount{nodes: 1000, cpu: 1e6, memory: math.MaxInt64}},
		"a number where a quantity is wanted": {localPool("a", "a", 1, requests("2", "1000")), amount{nodes: 1, cpu: 2000, memory: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := demand(tc.pool); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	aged := func(pool *v1alpha1.NodePool, age time.Duration, exist int32) v1alpha1.NodePool {
		pool.CreationTimestamp = metav1.NewTime(time.Unix(1e9, 0).Add(-age))
		pool.Status.Replicas = exist
		return *pool
	}
	five := &v1alpha1.Quota{Nodes: ptr.To[int32](5)}
	for name, tc := range map[string]struct {
		quota   *v1alpha1.Quota
		pools   []v1alpha1.NodePool
		leaving amount
		want    map[string]grant
	}{
		"no quota":     {quota: nil, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 900), 0, 0)}},
		"it fits":      {quota: five, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 5), 0, 0)}},
		"one too much": {quota: five, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 6), 0, 0)}, want: map[string]grant{"a": {5, nodes}}},
		"machines of a deleted pool are there": {
			quota: five, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 5), 0, 1)}, leaving: amount{nodes: 2}, want: map[string]grant{"a": {3, nodes}},
		},
		"more of them than the quota allows": {
			quota: five, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 5), 0, 1)}, leaving: amount{nodes: 7}, want: map[string]grant{"a": {1, nodes}},
		},
		"older first": {
			quota: five,
			pools: []v1alpha1.NodePool{aged(localPool("a", "a", 3), 0, 0), aged(localPool("a", "b", 3), time.Hour, 0)},
			want:  map[string]grant{"a": {2, nodes}},
		},
		"of the same second, by name": {
			quota: five,
			pools: []v1alpha1.NodePool{aged(localPool("a", "b", 3), 0, 0), aged(localPool("a", "a", 3), 0, 0)},
			want:  map[string]grant{"b": {2, nodes}},
		},
		"what exists stays, also of a younger pool": {
			quota: five,
			pools: []v1alpha1.NodePool{aged(localPool("a", "a", 3), 0, 3), aged(localPool("a", "b", 3), time.Hour, 0)},
			want:  map[string]grant{"b": {2, nodes}},
		},
		"what exists stays when the quota is lowered": {
			quota: &v1alpha1.Quota{Nodes: ptr.To[int32](1)},
			pools: []v1alpha1.NodePool{aged(localPool("a", "a", 4), 0, 3), aged(localPool("a", "b", 2), time.Hour, 2)},
			want:  map[string]grant{"a": {3, nodes}},
		},
		"a pool that shrinks makes room": {
			quota: five,
			pools: []v1alpha1.NodePool{aged(localPool("a", "a", 1), time.Hour, 4), aged(localPool("a", "b", 4), 0, 1)},
		},
		"the scarcest counts": {
			quota: &v1alpha1.Quota{Nodes: ptr.To[int32](5), CPU: ptr.To(resource.MustParse("5")), Memory: ptr.To(resource.MustParse("1Gi"))},
			pools: []v1alpha1.NodePool{aged(localPool("a", "a", 5, requests("2", "256Mi")), 0, 0)},
			want:  map[string]grant{"a": {2, cpu}},
		},
		"what a pool may be scaled to counts": {
			quota: five,
			pools: []v1alpha1.NodePool{aged(upToMachines("a", "a", 4), time.Hour, 2), aged(localPool("a", "b", 2), 0, 0)},
			want:  map[string]grant{"b": {1, nodes}},
		},
		"nothing is left": {
			quota: &v1alpha1.Quota{Nodes: ptr.To[int32](0)}, pools: []v1alpha1.NodePool{aged(localPool("a", "a", 1), 0, 0)}, want: map[string]grant{"a": {0, nodes}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := grants(tc.quota, tc.pools, tc.leaving)
			if !maps.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			slices.Reverse(tc.pools)
			if again := grants(tc.quota, tc.pools, tc.leaving); !maps.Equal(got, again) {
				t.Errorf("in another order: %v, before %v", again, got)
			}
		})
	}
}

func TestLeaving(t *testing.T) {
	const mi = 1 << 20
	local := func(mods ...func(*corev1.ResourceRequirements)) *hostingv1alpha1.Provider {
		return &localPool("a", "a", 1, mods...).Spec.Provider
	}
	clusters := []v1alpha1.Cluster{
		{Status: v1alpha1.ClusterStatus{NodePools: []hostingv1alpha1.NodePoolStatus{
			{Name: "there", Replicas: 4},
			{Name: "gone", Replicas: 2, Removed: &hostingv1alpha1.RemovedPool{Provider: local(requests("2", "1Gi"))}},
		}}},
		{Status: v1alpha1.ClusterStatus{NodePools: []hostingv1alpha1.NodePoolStatus{
			{Name: "gone-a-moment-ago", Replicas: 3},
			{Name: "gone-too", Replicas: 1, Removed: &hostingv1alpha1.RemovedPool{Provider: local()}},
			{Name: "gone-unknown", Replicas: 1, Removed: &hostingv1alpha1.RemovedPool{}},
		}}},
	}
	got := leaving(clusters, []v1alpha1.NodePool{*localPool("a", "there", 1)})
	if want := (amount{nodes: 7, cpu: 4050, memory: (2*1024 + 256) * mi}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// quotaTeam makes a project with a quota, and returns its owner, who may not exceed it, with a function that lets the master
// count and waits until the API server knows.
func quotaTeam(t *testing.T, name string, quota v1alpha1.Quota) (*ProjectReconciler, client.Client, *v1alpha1.Project, func()) {
	t.Helper()
	r, c, project := newTeam(t, name, &quota)
	owner := team(t, name)[v1alpha1.RoleOwner]
	count := func() {
		t.Helper()
		if ready := r.step(t, project); ready.Status != metav1.ConditionTrue {
			t.Fatalf("Ready: %+v", ready)
		}
		parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: quotaName, Namespace: project.Status.Namespace}}
		get(t, c, parameters)
		// The API server's own copy is behind for a moment. One machine more than what is left is refused only with the new one.
		left := ptr.Deref(project.Spec.Quota.Nodes, 0) - ptr.Deref(project.Status.Quota.Used.Nodes, 0)
		eventually(t, "the API server knows what is used", func(ctx context.Context) bool {
			err := owner.Create(ctx, localPool(name, "probe", max(left, 0)+1), client.DryRunAll)
			return apierrors.IsForbidden(err) && strings.Contains(err.Error(), fmt.Sprintf("nodes: used %s, allowed %s,", parameters.Data["used.nodes"], parameters.Data["hard.nodes"]))
		})
	}
	count()
	return r, owner, project, count
}

func TestQuotaAtAdmission(t *testing.T) {
	_, owner, project, count := quotaTeam(t, "bounded", v1alpha1.Quota{
		Nodes: ptr.To[int32](10), CPU: ptr.To(resource.MustParse("8")), Memory: ptr.To(resource.MustParse("16Gi")), Storage: ptr.To(resource.MustParse("5Gi")),
	})
	refused := func(what, want string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want it to be refused with %q, got %v", what, want, err)
		}
	}
	try := func(pool *v1alpha1.NodePool) error { return owner.Create(t.Context(), pool, client.DryRunAll) }

	allowed(t, "a pool that fits exactly", try(localPool("bounded", "a", 4, requests("2", "4Gi"))))
	allowed(t, "no machine", try(localPool("bounded", "a", 0, requests("900", "900Ti"))))
	refused("too many", "quota of project bounded exceeded: nodes: used 0, allowed 10, asked for 11 more: ask for less", try(localPool("bounded", "a", 11)))
	refused("too much CPU", "cpu: used 0m, allowed 8000m, asked for 8001m more", try(localPool("bounded", "a", 1, requests("8001m", "1Gi"))))
	refused("too much CPU by limits", "cpu: used 0m, allowed 8000m, asked for 9000m more", try(localPool("bounded", "a", 3, requests("1", "1Gi"), limits("3", "1Gi"))))
	refused("too much memory", "memory: used 0Mi, allowed 16384Mi, asked for 20480Mi more", try(localPool("bounded", "a", 5, requests("1", "4Gi"))))
	refused("so much that it is no number", "", try(localPool("bounded", "a", 1000, requests("1", "8Ei"))))

	pool := create(t, owner, localPool("bounded", "first", 2, requests("2", "1Gi")))
	count()
	if got := project.Status.Quota.Used; *got.Nodes != 2 || got.CPU.String() != "4" || got.Memory.String() != "2Gi" {
		t.Errorf("used: %+v", got)
	}
	refused("a second", "cpu: used 4000m, allowed 8000m, asked for 5000m more", try(localPool("bounded", "a", 1, requests("5", "1Gi"))))
	allowed(t, "scaling within", scaleTo(t, owner, pool, 4, client.DryRunAll))
	refused("scaling beyond", "cpu: used 4000m, allowed 8000m, asked for 6000m more", scaleTo(t, owner, pool, 5, client.DryRunAll))
	allowed(t, "scaling down", scaleTo(t, owner, pool, 0, client.DryRunAll))
	larger := pool.DeepCopy()
	larger.Spec.Provider.Local.Resources.Requests = resourceList("5", "1Gi")
	refused("larger machines", "cpu: used 4000m, allowed 8000m, asked for 6000m more", owner.Update(t.Context(), larger, client.DryRunAll))
	larger.Spec.Replicas = ptr.To[int32](1)
	allowed(t, "fewer larger machines", owner.Update(t.Context(), larger, client.DryRunAll))
	labeled := pool.DeepCopy()
	labeled.Spec.Labels = map[string]string{"a": "b"}

	// Lowered below what is used: nothing more, but all else.
	c := newClient(t, &masterConfig)
	get(t, c, project)
	project.Spec.Quota.Nodes = ptr.To[int32](1)
	if err := c.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	count()
	allowed(t, "changing labels when the quota is exceeded", owner.Update(t.Context(), labeled, client.DryRunAll))
	allowed(t, "shrinking when the quota is exceeded", scaleTo(t, owner, pool, 1, client.DryRunAll))
	refused("growing when the quota is exceeded", "nodes: used 2, allowed 1, asked for 1 more", scaleTo(t, owner, pool, 3, client.DryRunAll))

	cluster := func(storage string) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-bounded"}, Spec: v1alpha1.ClusterSpec{Datacenter: "nowhere", Version: "1.37.2"}}
		if storage != "" {
			c.Spec.Etcd.Storage = ptr.To(resource.MustParse(storage))
		}
		return c
	}
	allowed(t, "an etcd that fits", owner.Create(t.Context(), cluster("5Gi"), client.DryRunAll))
	refused("an etcd that does not", "storage: used 0Mi, allowed 5120Mi, asked for 6144Mi more", owner.Create(t.Context(), cluster("6Gi"), client.DryRunAll))
	first := create(t, owner, cluster("4Gi"))
	count()
	another := cluster("")
	another.Name = "b"
	refused("the usual etcd", "storage: used 4096Mi, allowed 5120Mi, asked for 2048Mi more", owner.Create(t.Context(), another, client.DryRunAll))
	first.Spec.Etcd.Storage = ptr.To(resource.MustParse("6Gi"))
	refused("growing it", "storage: used 4096Mi, allowed 5120Mi, asked for 2048Mi more", owner.Update(t.Context(), first, client.DryRunAll))

	// Without a quota there is nothing left of it.
	get(t, c, project)
	project.Spec.Quota = nil
	if err := c.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	r, _ := newProjectReconciler(t)
	r.step(t, project)
	eventually(t, "a large pool", func(context.Context) bool { return try(localPool("bounded", "a", 1000)) == nil })
	if err := c.Get(t.Context(), client.ObjectKey{Name: quotaName, Namespace: "project-bounded"}, &corev1.ResourceQuota{}); !apierrors.IsNotFound(err) {
		t.Errorf("the ResourceQuota is still there: %v", err)
	}
}

// TestTwoHundredClustersAtOnce asks for many more clusters than a project may have, all at the same time.
func TestTwoHundredClustersAtOnce(t *testing.T) {
	const may, asked = 7, 200
	_, c, project := newTeam(t, "crowd", &v1alpha1.Quota{Clusters: ptr.To[int32](may)})
	editor := team(t, "crowd")[v1alpha1.RoleEditor]
	errs := make([]error, asked)
	var wait sync.WaitGroup
	for i := range asked {
		wait.Go(func() {
			errs[i] = editor.Create(t.Context(), &v1alpha1.Cluster{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c%d", i), Namespace: "project-crowd"}, Spec: v1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"},
			})
		})
	}
	wait.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "count/clusters.canopy.dev=7") {
			t.Errorf("a refusal: %v", err)
		}
	}
	clusters := &v1alpha1.ClusterList{}
	if err := c.List(t.Context(), clusters, client.InNamespace("project-crowd")); err != nil {
		t.Fatal(err)
	}
	if made != may || len(clusters.Items) != may {
		t.Errorf("%d were made and %d are there, want %d", made, len(clusters.Items), may)
	}
	r, _ := newProjectReconciler(t)
	r.step(t, project)
	want := v1alpha1.QuotaStatus{
		Hard: v1alpha1.Quota{Clusters: ptr.To[int32](may)},
		Used: v1alpha1.Quota{Clusters: ptr.To[int32](may), Nodes: ptr.To[int32](0), CPU: &resource.Quantity{}, Memory: &resource.Quantity{}, Storage: ptr.To(resource.MustParse("14Gi"))},
	}
	if diff := cmp.Diff(want, project.Status.Quota, cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Errorf("status.quota (-want +got):\n%s", diff)
	}
}

// TestPoolsOverTheQuotaAreNotHandedToTheSeed has two pools that were admitted at the same time.
func TestPoolsOverTheQuotaAreNotHandedToTheSeed(t *testing.T) {
	c := newClusterTest(t, "raced", func(*v1alpha1.ClusterSpec) {}) // with the pool "workers" of two machines
	late := localPool("raced", "zz-late", 3)
	late.Spec.Cluster = "raced"
	create(t, c.master, late)
	setQuota := func(n int32) {
		t.Helper()
		get(t, c.master, c.project)
		c.project.Spec.Quota = &v1alpha1.Quota{Nodes: ptr.To(n)}
		if err := c.master.Update(t.Context(), c.project); err != nil {
			t.Fatal(err)
		}
	}
	handed := func() map[string]int32 {
		replicas := map[string]int32{}
		for _, pool := range c.hosted()[0].Spec.NodePools {
			replicas[pool.Name] = *pool.Replicas
		}
		return replicas
	}
	setQuota(4)
	c.step()
	if got, want := handed(), (map[string]int32{"workers": 2, "zz-late": 2}); !maps.Equal(got, want) {
		t.Errorf("handed to the seed: %v, want %v", got, want)
	}
	pools := &NodePoolReconciler{c.master}
	says := func() metav1.Condition {
		t.Helper()
		get(t, c.master, late)
		if _, err := pools.Reconcile(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		get(t, c.master, late)
		return *meta.FindStatusCondition(late.Status.Conditions, v1alpha1.ConditionReady)
	}
	want := "it may have 2 of 3 machines: the quota of project raced allows 4 nodes, and its pools ask for 5: make this pool or an older one smaller, or have an admin raise spec.quota.nodes of the Project"
	if ready := says(); ready.Reason != v1alpha1.ReasonQuotaExceeded || ready.Message != want {
		t.Errorf("Ready: %+v", ready)
	}

	// The two machines exist now. A lower quota takes none of them away.
	late.Status.Replicas = 2
	if err := c.master.Status().Update(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	workers := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: "project-raced"}}
	get(t, c.master, workers)
	workers.Status.Replicas = 2
	if err := c.master.Status().Update(t.Context(), workers); err != nil {
		t.Fatal(err)
	}
	setQuota(1)
	c.step()
	if got, want := handed(), (map[string]int32{"workers": 2, "zz-late": 2}); !maps.Equal(got, want) {
		t.Errorf("with a lower quota: %v, want %v", got, want)
	}
	setQuota(5)
	c.step()
	if got, want := handed(), (map[string]int32{"workers": 2, "zz-late": 3}); !maps.Equal(got, want) {
		t.Errorf("with a higher quota: %v, want %v", got, want)
	}
	if ready := says(); ready.Reason == v1alpha1.ReasonQuotaExceeded {
		t.Errorf("Ready: %+v", ready)
	}
}

func TestAClusterWaitsForStorage(t *testing.T) {
	c := newClusterTest(t, "stored")
	c.project.Spec.Quota = &v1alpha1.Quota{Storage: ptr.To(resource.MustParse("1Gi"))}
	if err := c.master.Update(t.Context(), c.project); err != nil {
		t.Fatal(err)
	}
	ready := c.step()
	want := "its etcd asks for 2Gi of storage: the quota of project stored allows 1Gi, and other clusters have 0: delete one, or have an admin raise spec.quota.storage of the Project"
	if ready.Reason != v1alpha1.ReasonQuotaExceeded || ready.Message != want || c.cluster.Status.ID != "" {
		t.Errorf("Ready: %+v, id %q", ready, c.cluster.Status.ID)
	}
	c.project.Spec.Quota.Storage = ptr.To(resource.MustParse("2Gi"))
	if err := c.master.Update(t.Context(), c.project); err != nil {
		t.Fatal(err)
	}
	if c.step(); c.cluster.Status.ID == "" || len(c.hosted()) != 1 {
		t.Error("it has no place though there is room")
	}
	// When it has one, a lower quota changes nothing.
	c.project.Spec.Quota.Storage = ptr.To(resource.MustParse("1Gi"))
	if err := c.master.Update(t.Context(), c.project); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason == v1alpha1.ReasonQuotaExceeded {
		t.Errorf("Ready: %+v", ready)
	}
}

// TestRoomThatIsMadeIsGiven runs the whole of the master: a pool that the quota holds back gets what another gives up.
func TestRoomThatIsMadeIsGiven(t *testing.T) {
	_, c := newProjectReconciler(t)
	if err := client.IgnoreAlreadyExists(c.Create(t.Context(), &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}})); err != nil {
		t.Fatal(err)
	}
	purge(t, c, create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "shared"}}))
	create(t, c, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, Spec: v1alpha1.DatacenterSpec{Seed: "shared", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}})
	project := create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shared"}})
	runMaster(t)
	eventually(t, "the project's namespace", func(ctx context.Context) bool {
		return c.Get(ctx, client.ObjectKey{Name: "project-shared"}, &corev1.Namespace{}) == nil
	})
	pools := map[string]*v1alpha1.NodePool{"a": localPool("shared", "a", 3), "b": localPool("shared", "b", 2)}
	for name, pool := range pools {
		pool.Spec.Cluster = name
		create(t, c, pool)
	}
	eventually(t, "there is a quota that is less than what the pools want", func(ctx context.Context) bool {
		get(t, c, project)
		project.Spec.Quota = &v1alpha1.Quota{Nodes: ptr.To[int32](3)}
		return c.Update(ctx, project) == nil
	})
	eventually(t, "it is counted", func(context.Context) bool {
		get(t, c, project)
		return meta.IsStatusConditionTrue(project.Status.Conditions, v1alpha1.ConditionReady) && ptr.Deref(project.Status.Quota.Used.Nodes, 0) == 5 && ptr.Deref(project.Status.Quota.Hard.Nodes, 0) == 3
	})
	for name := range pools {
		create(t, c, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-shared"}, Spec: v1alpha1.ClusterSpec{Datacenter: "shared", Version: "1.37.2"}})
	}
	handed := func(ctx context.Context) int32 {
		list := &hostingv1alpha1.HostedClusterList{}
		if err := c.List(ctx, list, client.MatchingLabels{v1alpha1.LabelProject: "shared"}); err != nil || len(list.Items) != 2 {
			return -1
		}
		sum := int32(0)
		for _, hc := range list.Items {
			for _, pool := range hc.Spec.NodePools {
				sum += *pool.Replicas
			}
		}
		return sum
	}
	eventually(t, "both clusters are on the seed, with three machines together", func(ctx context.Context) bool { return handed(ctx) == 3 })
	eventually(t, "one pool says why it has fewer", func(ctx context.Context) bool {
		list := &v1alpha1.NodePoolList{}
		return c.List(ctx, list, client.InNamespace("project-shared")) == nil && slices.ContainsFunc(list.Items, func(p v1alpha1.NodePool) bool {
			ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Reason == v1alpha1.ReasonQuotaExceeded
		})
	})
	if err := scaleTo(t, c, pools["a"], 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "pool b has both of its machines, and a its one", func(ctx context.Context) bool {
		less := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "project-shared"}}
		get(t, c, less)
		ready := meta.FindStatusCondition(less.Status.Conditions, v1alpha1.ConditionReady)
		return handed(ctx) == 3 && ready != nil && ready.Reason == v1alpha1.ReasonWaitingForSeed
	})

	// A machine of a deleted pool is counted until it is gone.
	used := func(n int32) func(context.Context) bool {
		return func(context.Context) bool {
			get(t, c, project)
			return ptr.Deref(project.Status.Quota.Used.Nodes, 0) == n
		}
	}
	seedSays := func(pools ...hostingv1alpha1.NodePoolStatus) {
		t.Helper()
		list := &hostingv1alpha1.HostedClusterList{}
		if err := c.List(t.Context(), list, client.MatchingLabels{v1alpha1.LabelProject: "shared", v1alpha1.LabelCluster: "a"}); err != nil || len(list.Items) != 1 {
			t.Fatalf("%d HostedClusters, %v", len(list.Items), err)
		}
		list.Items[0].Status.NodePools = pools
		if err := c.Status().Update(t.Context(), &list.Items[0]); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both ask for three machines", used(3))
	seedSays(hostingv1alpha1.NodePoolStatus{Name: "a", Replicas: 1, Removed: &hostingv1alpha1.RemovedPool{Provider: &pools["a"].Spec.Provider}})
	eventually(t, "the master knows of the machine", func(ctx context.Context) bool {
		cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "project-shared"}}
		return c.Get(ctx, client.ObjectKeyFromObject(cluster), cluster) == nil && len(cluster.Status.NodePools) == 1
	})
	if err := c.Delete(t.Context(), pools["a"]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted pool is gone from the seed", func(ctx context.Context) bool { return handed(ctx) == 2 })
	if err := scaleTo(t, c, pools["b"], 3, client.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "nodes: used 3, allowed 3, asked for 1 more") {
		t.Errorf("a machine more while the old one is there: %v", err)
	}
	seedSays()
	eventually(t, "the machine is gone", used(2))
	eventually(t, "there is room for another", func(context.Context) bool { return scaleTo(t, c, pools["b"], 3) == nil })
	eventually(t, "pool b gets all three", func(ctx context.Context) bool { return handed(ctx) == 3 })
}

// TestAdmissionCountsAsTheMasterDoes compares what the policy says that a pool asks for with demand.
func TestAdmissionCountsAsTheMasterDoes(t *testing.T) {
	zero := resource.MustParse("0")
	for d, quota := range map[dimension]*v1alpha1.Quota{cpu: {CPU: &zero}, memory: {Memory: &zero}} {
		name := "counted-" + d.String()
		newTeam(t, name, quota)
		owner := team(t, name)[v1alpha1.RoleOwner]
		for what, pool := range map[string]*v1alpha1.NodePool{
			"nothing is said":  localPool(name, "a", 4),
			"requests":         localPool(name, "a", 3, requests("1500m", "1Gi")),
			"limits":           localPool(name, "a", 3, limits("0.5", "512M")),
			"larger limits":    localPool(name, "a", 2, requests("1", "1Gi"), limits("4", "2Gi")),
			"larger requests":  localPool(name, "a", 2, requests("4", "2Gi"), limits("1", "1Gi")),
			"CPU only":         localPool(name, "a", 1, requests("2", "")),
			"memory only":      localPool(name, "a", 1, limits("", "3Gi")),
			"autoscaling":      upToMachines(name, "a", 3, requests("1500m", "1Gi")),
			"in other letters": localPool(name, "a", 1, requests("1e1", "128e6")),
		} {
			n := demand(pool)[d]
			want := fmt.Sprintf("asked for %dm more", n)
			if d == memory {
				want = fmt.Sprintf("asked for %dMi more", n/(1<<20))
			}
			var err error
			eventually(t, fmt.Sprintf("%s of %s is refused (%s)", d, what, want), func(ctx context.Context) bool {
				err = owner.Create(ctx, pool.DeepCopy(), client.DryRunAll)
				return err != nil
			})
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: want %q, got %v", d, what, want, err)
			}
		}
	}
}
