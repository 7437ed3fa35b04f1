// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// line is a way to an API server that can be cut.
type line struct {
	target, address string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

func newLine(t *testing.T, config *rest.Config) *line {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{target: target.Host, address: "127.0.0.1:0"}
	l.mend(t)
	t.Cleanup(l.cut)
	return l
}

func (l *line) mend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.listener, l.address = listener, listener.Addr().String()
	l.mu.Unlock()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", l.target)
			if err != nil {
				_ = from.Close()
				continue
			}
			l.mu.Lock()
			if l.listener != listener { // it was cut meanwhile
				l.mu.Unlock()
				_ = errors.Join(from.Close(), to.Close())
				continue
			}
			l.conns = append(l.conns, from, to)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		}
	}()
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		_ = l.listener.Close()
	}
	l.listener = nil
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// TestMaster runs the whole of the master with two seeds, one of which is the master itself, and cuts off the other.
func TestMaster(t *testing.T) {
	c, seed := newClient(t, &masterConfig), newClient(t, &seedConfig)
	installRoles(t, c)
	ensureNamespace(t, c, v1alpha1.SystemNamespace)
	way := newLine(t, &seedConfig)
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "far", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{
		v1alpha1.SeedKubeconfigKey: kubeconfig(t, &seedConfig, func(kc *clientcmdapi.Config) { kc.Clusters["c"].Server = "https://" + way.address }),
	}})
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}}
	if err := client.IgnoreAlreadyExists(c.Create(t.Context(), release)); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"near": "", "far": "far"} {
		purge(t, c, create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: secret, Install: v1alpha1.InstallManual}}))
		create(t, c, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatacenterSpec{Seed: name, Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}})
	}
	create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "whole"}})

	stop := runMaster(t)
	eventually(t, "the project's namespace", func(ctx context.Context) bool {
		return c.Get(ctx, client.ObjectKey{Name: "project-whole"}, &corev1.Namespace{}) == nil
	})
	near, far := wholeCluster(t, c, "near"), wholeCluster(t, c, "far")
	answer(t, c, seed, far)
	answer(t, c, c, near)

	// An edit of the pool arrives on the seed, and the pool's status comes from there.
	pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "far", Namespace: "project-whole"}}
	eventually(t, "the pool is ready", func(context.Context) bool {
		get(t, c, pool)
		return meta.IsStatusConditionTrue(pool.Status.Conditions, v1alpha1.ConditionReady) && len(pool.OwnerReferences) == 1
	})
	change(t, c, pool, func() { pool.Spec.Labels = map[string]string{"example.com/a": "b"} })
	eventually(t, "the labels are on the seed", func(context.Context) bool {
		return hostedOf(t, seed, far).Spec.NodePools[0].Labels["example.com/a"] == "b"
	})
	answer(t, c, seed, far)
	flicker(t, c, seed, far)

	way.cut()
	eventually(t, "the cluster of the lost seed is unknown", func(context.Context) bool {
		get(t, c, far)
		ready := meta.FindStatusCondition(far.Status.Conditions, v1alpha1.ConditionReady)
		return ready.Status == metav1.ConditionUnknown && far.Status.LastContact != nil && strings.HasPrefix(ready.Message, "seed far: its API at")
	})
	if get(t, c, near); !meta.IsStatusConditionTrue(near.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("the other seed's cluster: %+v", near.Status.Conditions)
	}
	// What is changed meanwhile arrives when the seed is back, also after the master was started anew.
	stop()
	runMaster(t)
	get(t, c, pool)
	change(t, c, pool, func() { pool.Spec.Replicas = ptr.To[int32](5) })
	way.mend(t)
	eventually(t, "the change is on the seed", func(context.Context) bool {
		return *hostedOf(t, seed, far).Spec.NodePools[0].Replicas == 5
	})
	answer(t, c, seed, far)
	if far.Status.LastContact != nil {
		t.Error("status.lastContact is still there")
	}
}

// runMaster runs the master, with the rights that the chart gives it, until the test or the returned function ends it.
func runMaster(t *testing.T, mods ...func(*rest.Config)) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	opts := Options{HealthAddress: "0", MetricsAddress: "0", Workers: 4, ProbePeriod: 200 * time.Millisecond}
	config := rest.CopyConfig(&masterConfig)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + v1alpha1.SystemNamespace + ":canopy-master", Groups: []string{"system:authenticated"},
	}
	for _, mod := range mods {
		mod(config)
	}
	go func() { done <- Run(ctx, config, opts) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the master ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// wholeCluster makes a cluster with a pool, both named after their datacenter.
func wholeCluster(t *testing.T, c client.Client, name string) *v1alpha1.Cluster {
	t.Helper()
	cluster := create(t, c, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-whole"}, Spec: v1alpha1.ClusterSpec{Datacenter: name, Version: "1.37.2"}})
	create(t, c, &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-whole"},
		Spec:       v1alpha1.NodePoolSpec{Cluster: name, MachinePool: v1alpha1.MachinePool{Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}}},
	})
	eventually(t, "the cluster has its place", func(context.Context) bool {
		get(t, c, cluster)
		return cluster.Status.ID != "" && cluster.Status.Seed == name
	})
	return cluster
}

func hostedOf(t *testing.T, seed client.Client, cluster *v1alpha1.Cluster) *hostingv1alpha1.HostedCluster {
	t.Helper()
	hc := &hostingv1alpha1.HostedCluster{}
	hc.Name, hc.Namespace = cluster.Status.ID, hostingv1alpha1.NamespacePrefix+cluster.Status.ID
	get(t, seed, hc)
	return hc
}

// answer says on the seed that the cluster is ready, as the seed's manager would, and waits until the master says so, too.
func answer(t *testing.T, c, seed client.Client, cluster *v1alpha1.Cluster) {
	t.Helper()
	eventually(t, "the cluster is on its seed with its pool, and what is said there comes back", func(ctx context.Context) bool {
		hc := &hostingv1alpha1.HostedCluster{}
		key := client.ObjectKey{Name: cluster.Status.ID, Namespace: hostingv1alpha1.NamespacePrefix + cluster.Status.ID}
		if seed.Get(ctx, key, hc) != nil || len(hc.Spec.NodePools) != 1 {
			return false
		}
		replicas := *hc.Spec.NodePools[0].Replicas
		hc.Status.ObservedGeneration, hc.Status.ReadyNodes = hc.Generation, replicas
		hc.Status.NodePools = []hostingv1alpha1.NodePoolStatus{{Name: hc.Spec.NodePools[0].Name, Replicas: replicas, ReadyReplicas: replicas, UpToDateReplicas: replicas}}
		meta.SetStatusCondition(&hc.Status.Conditions, metav1.Condition{
			Type: hostingv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready", ObservedGeneration: hc.Generation,
		})
		if seed.Status().Update(ctx, hc) != nil {
			return false
		}
		get(t, c, cluster)
		return meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady) && cluster.Status.ReadyNodes == replicas
	})
}

// flicker has the seed say one thing and another in turn, faster than the master's cache follows what the master itself writes. In the
// end the master says all of what the seed said last.
func flicker(t *testing.T, c, seed client.Client, cluster *v1alpha1.Cluster) {
	t.Helper()
	hc := hostedOf(t, seed, cluster)
	nodes := hc.Status.ReadyNodes
	for i := range int32(41) {
		change := hc.DeepCopy()
		change.Status.ReadyNodes = nodes + i%2
		if i == 40 {
			change.Status.Endpoint = "https://192.0.2.9:443"
		}
		if err := seed.Status().Patch(t.Context(), change, client.MergeFrom(hc)); err != nil {
			t.Fatal(err)
		}
		hc = change
	}
	eventually(t, "the last that the seed said comes back", func(context.Context) bool {
		get(t, c, cluster)
		return cluster.Status.Endpoint == "https://192.0.2.9:443" && cluster.Status.ReadyNodes == nodes
	})
}

// TestOnlyTheUsersOfAnObjectAreWoken asks for the clusters that use one of two of everything.
func TestOnlyTheUsersOfAnObjectAreWoken(t *testing.T) {
	c := newClient(t, &masterConfig)
	for _, name := range []string{"wake-a", "wake-b"} {
		ensureNamespace(t, c, "project-"+name)
		create(t, c, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatacenterSpec{Seed: name, Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}})
		create(t, c, &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: name}})
		version := map[string]string{"wake-a": "1.31.1", "wake-b": "1.33.2"}[name]
		create(t, c, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-" + name}, Spec: v1alpha1.ClusterSpec{Datacenter: name, Preset: name, Version: version}})
	}
	find := referrers{indexed(t)}
	for name, tc := range map[string]struct {
		find func(context.Context, client.Object) []reconcile.Request
		obj  client.Object
	}{
		"a datacenter":                 {find.ofDatacenter, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "wake-a"}}},
		"a preset":                     {find.ofPreset, &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "wake-a"}}},
		"a preset's Secret":            {find.ofSecret, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "wake-a", Namespace: v1alpha1.SystemNamespace}}},
		"a project":                    {find.ofProject, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "wake-a"}}},
		"a release":                    {find.ofRelease, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.31.1"}}},
		"a newer patch":                {find.ofRelease, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.31.9"}}},
		"the next minor":               {find.ofRelease, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.32.0"}}},
		"a seed, of one not on it yet": {find.ofSeed, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "wake-a"}}},
		"a pool": {find.ofNodePool, &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "project-wake-a"}, Spec: v1alpha1.NodePoolSpec{Cluster: "wake-a"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: "project-wake-a", Name: "wake-a"}}}
			if got := tc.find(t.Context(), tc.obj); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestWhatWaitsForASeedComesFirst wakes the clusters of a seed that is found again, among others that nobody has changed.
func TestWhatWaitsForASeedComesFirst(t *testing.T) {
	c := newClient(t, &masterConfig)
	ensureNamespace(t, c, "project-back")
	for name, ready := range map[string]metav1.Condition{
		"a-settled": {Status: metav1.ConditionTrue, ObservedGeneration: 1}, "b-settled": {Status: metav1.ConditionFalse, ObservedGeneration: 1},
		"y-edited": {Status: metav1.ConditionTrue}, "z-lost": {Status: metav1.ConditionUnknown, ObservedGeneration: 1},
	} {
		cluster := create(t, c, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-back"}, Spec: v1alpha1.ClusterSpec{Datacenter: "back", Version: "1.37.2"}})
		ready.Type, ready.Reason = v1alpha1.ConditionReady, "Test"
		meta.SetStatusCondition(&cluster.Status.Conditions, ready)
		cluster.Status.Seed = "back"
		if err := c.Status().Update(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	queue := priorityqueue.New[reconcile.Request]("test")
	t.Cleanup(queue.ShutDown)
	wakesSeed(referrers{indexed(t)}).Generic(t.Context(), event.GenericEvent{Object: &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "back"}}}, queue)
	var got []string
	for range 4 {
		request, _, _ := queue.GetWithPriority()
		got = append(got, request.Name)
	}
	slices.Sort(got[:2])
	slices.Sort(got[2:])
	if want := []string{"y-edited", "z-lost", "a-settled", "b-settled"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSSHKeyFingerprint(t *testing.T) {
	c := newClient(t, &masterConfig)
	key := create(t, c, &v1alpha1.SSHKey{ObjectMeta: metav1.ObjectMeta{Name: "key", Namespace: "default"}, Spec: v1alpha1.SSHKeySpec{
		PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1 ada@example.com",
	}})
	r := &SSHKeyReconciler{c}
	if _, err := r.Reconcile(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	get(t, c, key)
	if want := "SHA256:0LappIk2Qk3WrCWsr7YxHgbWeSY1qOQdHjkoyfviEDU"; key.Status.Fingerprint != want {
		t.Errorf("fingerprint %s, want %s", key.Status.Fingerprint, want)
	}
	key.Spec.PublicKey = "ssh-ed25519 AAAA"
	if err := c.Update(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	_, _ = r.Reconcile(t.Context(), key)
	get(t, c, key)
	ready := meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Reason != v1alpha1.ReasonInvalidKey || key.Status.Fingerprint != "" {
		t.Errorf("Ready: %+v, fingerprint %q", ready, key.Status.Fingerprint)
	}
}
