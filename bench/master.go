// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/testenv"
)

const (
	masterSeeds    = 2
	clustersEach   = 10 // clusters in a project
	masterEdits    = 200
	masterPatience = 30 * time.Minute
)

// benchMasters measures the master with each of so many clusters: what it takes for each is to stay the same. With more than one number,
// metrics are named after it.
func benchMasters(ctx context.Context, counts []int, heap string) error {
	for _, n := range counts {
		suffix := ""
		if len(counts) > 1 {
			suffix = fmt.Sprintf("_of_%d", n)
		}
		if err := benchMaster(ctx, n, suffix, heap); err != nil {
			return err
		}
	}
	return nil
}

// masterBench is a master, in a process of its own, with seeds on which nothing runs: API servers and etcds without kubelets.
type masterBench struct {
	dir   string
	heap  string                 // a file, or empty
	envs  []*envtest.Environment // the master's, then the seeds'
	api   client.WithWatch       // the master's
	seeds []client.WithWatch
	pid   int
	stop  func()

	suffix string // of metrics
}

func (b *masterBench) emit(metric, unit string, values ...float64) {
	emit(metric+b.suffix, unit, values)
}

// serveMaster is the master in a process of its own, so that its memory and CPU can be told from those of the measurement.
func serveMaster(heap string) error {
	if heap != "" {
		runtime.MemProfileRate = 4 << 10
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGUSR1)
		go writeHeap(asked, heap)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return master.Run(ctx, config, master.Options{HealthAddress: "0", MetricsAddress: "0", Workers: 8, ProbePeriod: 10 * time.Second})
}

// writeHeap writes a profile of what is in use into a file whenever it is asked to.
func writeHeap(asked <-chan os.Signal, path string) {
	for range asked {
		runtime.GC()
		file, err := os.Create(path)
		if err == nil {
			err = errors.Join(pprof.WriteHeapProfile(file), file.Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: writing the heap:", err)
		}
	}
}

// benchMaster measures the master with n clusters: how long they take to get to their seeds, and a change of one of them; what
// that costs, and what rest costs; all of it again with one seed down.
func benchMaster(ctx context.Context, n int, suffix, heap string) (err error) {
	ctrl.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "canopy-bench-")
	if err != nil {
		return err
	}
	b := &masterBench{dir: dir, heap: heap, suffix: suffix, stop: func() {}}
	defer func() {
		b.stop()
		for _, env := range b.envs {
			err = errors.Join(err, env.Stop())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := b.setUp(ctx); err != nil {
		return err
	}
	projects := n / clustersEach
	if err := b.projects(ctx, projects); err != nil {
		return err
	}
	if err := b.clusters(ctx, projects); err != nil {
		return err
	}
	if err := b.rest(ctx, ""); err != nil {
		return err
	}
	if err := b.edits(ctx, projects, "", masterSeeds); err != nil {
		return err
	}
	if err := b.restart(ctx, projects); err != nil {
		return err
	}
	last := len(b.envs) - 1
	if err := b.envs[last].Stop(); err != nil {
		return fmt.Errorf("stopping a seed: %w", err)
	}
	b.envs = b.envs[:last]
	if err := b.rest(ctx, "_one_seed_down"); err != nil {
		return err
	}
	return b.edits(ctx, projects, "_one_seed_down", masterSeeds-1)
}

// setUp starts the API servers, registers the seeds with a datacenter each, and starts the master.
func (b *masterBench) setUp(ctx context.Context) error {
	for i := range masterSeeds + 1 {
		env, err := testenv.New(ctx, func(env *envtest.Environment) { env.ControlPlaneStopTimeout = 2 * time.Minute })
		if err != nil {
			return err
		}
		b.envs = append(b.envs, env)
		env.Config.QPS = -1
		c, err := client.NewWithWatch(env.Config, client.Options{Scheme: kube.Scheme()})
		if err != nil {
			return err
		}
		if err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}); err != nil {
			return err
		}
		if i == 0 {
			b.api = c
			continue
		}
		b.seeds = append(b.seeds, c)
		if err := b.register(ctx, fmt.Sprintf("seed-%d", i-1), env.Config); err != nil {
			return err
		}
	}
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: images.DefaultKubernetesVersion()}}
	if err := b.api.Create(ctx, release); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "kubeconfig"), kubeconfigOf(b.envs[0].Config), 0o600); err != nil {
		return err
	}
	return b.start(ctx)
}

func (b *masterBench) register(ctx context.Context, name string, config *rest.Config) error {
	for _, obj := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{"kubeconfig": kubeconfigOf(config)}},
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: name, Install: v1alpha1.InstallManual}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatacenterSpec{Seed: name, Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}},
	} {
		if err := b.api.Create(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfigOf(config *rest.Config) []byte {
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["c"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "c"}
	file.CurrentContext = "c"
	content, _ := clientcmd.Write(*file) // a config of our own has always a form
	return content
}

// start runs the master until stop is called.
func (b *masterBench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-serve-master", "-heap", b.heap)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(b.dir, "kubeconfig"), "GOGC=50") // as in the chart
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	b.pid = cmd.Process.Pid
	b.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return nil
}

// projects creates projects with one member each, and waits for their namespaces.
func (b *masterBench) projects(ctx context.Context, n int) error {
	objects, err := b.objects(ctx)
	if err != nil {
		return err
	}
	started := time.Now()
	for i := range n {
		project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: projectName(i)}}
		project.Spec.Members = []v1alpha1.Member{{Kind: v1alpha1.MemberUser, Name: fmt.Sprintf("owner-%d@example.com", i), Role: v1alpha1.RoleOwner}}
		if err := b.api.Create(ctx, project); err != nil {
			return err
		}
	}
	if err := waitFor(ctx, func() (bool, error) {
		list := &v1alpha1.ProjectList{}
		if err := b.api.List(ctx, list); err != nil {
			return false, err
		}
		ready := 0
		for i := range list.Items {
			if list.Items[i].Status.ObservedGeneration > 0 {
				ready++
			}
		}
		return ready == n, nil
	}); err != nil {
		return fmt.Errorf("waiting for the projects: %w", err)
	}
	b.emit("master_projects_seconds", "s", time.Since(started).Seconds())
	now, err := b.objects(ctx)
	if err != nil {
		return err
	}
	b.emit("master_objects_per_project", "objects", (now-objects)/float64(n))
	return nil
}

// clusters creates clusters with a pool each, and waits until all are on their seeds.
func (b *masterBench) clusters(ctx context.Context, projects int) error {
	objects, err := b.objects(ctx)
	if err != nil {
		return err
	}
	memory, cpu, started := anonymous(b.pid), processCPU(b.pid), time.Now()
	for i := range projects * clustersEach {
		namespace := v1alpha1.ProjectNamespacePrefix + projectName(i/clustersEach)
		cluster := &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: clusterName(i)},
			Spec:       v1alpha1.ClusterSpec{Datacenter: fmt.Sprintf("seed-%d", i%masterSeeds), Version: images.DefaultKubernetesVersion()},
		}
		pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: clusterName(i)}}
		pool.Spec.Cluster, pool.Spec.Provider.Local = cluster.Name, &hostingv1alpha1.LocalMachine{}
		if err := errors.Join(b.api.Create(ctx, cluster), b.api.Create(ctx, pool)); err != nil {
			return err
		}
	}
	b.emit("master_clusters_created_seconds", "s", time.Since(started).Seconds())
	n := projects * clustersEach
	if err := waitFor(ctx, func() (bool, error) {
		there := 0
		for _, seed := range b.seeds {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(hostingv1alpha1.GroupVersion.WithKind("HostedClusterList"))
			if err := seed.List(ctx, list); err != nil {
				return false, err
			}
			there += len(list.Items)
		}
		return there >= n, nil
	}); err != nil {
		return fmt.Errorf("waiting for the HostedClusters: %w", err)
	}
	b.emit("master_clusters_on_seeds_seconds", "s", time.Since(started).Seconds())
	if err := pause(ctx, window); err != nil { // status follows
		return err
	}
	b.emit("master_cpu_per_cluster", "ms", 1000*(processCPU(b.pid)-cpu)/float64(n))
	b.emit("master_memory_per_cluster", "KiB", (anonymous(b.pid)-memory)*mb/1024/float64(n))
	if b.heap != "" {
		if err := syscall.Kill(b.pid, syscall.SIGUSR1); err != nil {
			return err
		}
	}
	now, err := b.objects(ctx)
	if err != nil {
		return err
	}
	b.emit("master_objects_per_cluster", "objects", (now-objects)/float64(n))
	return nil
}

// rest measures what the master takes while nothing changes.
func (b *masterBench) rest(ctx context.Context, suffix string) error {
	cpu := processCPU(b.pid)
	if err := pause(ctx, window); err != nil {
		return err
	}
	b.emit("master_rest_cpu"+suffix, "mCPU", 1000*(processCPU(b.pid)-cpu)/window.Seconds())
	b.emit("master_rest_memory"+suffix, "MB", anonymous(b.pid))
	return nil
}

// edits measures changes of one cluster after the other, of the first seeds: from the master to the seed, and what the seed says of it back.
func (b *masterBench) edits(ctx context.Context, projects int, suffix string, seeds int) error {
	for _, m := range []struct {
		metric string
		once   func(context.Context, int) (float64, error)
	}{{"master_edit_to_seed", b.edit}, {"master_status_from_seed", b.mirror}} {
		var seconds []float64
		for range masterEdits {
			i := rand.IntN(projects * clustersEach) //nolint:gosec // which cluster is no secret
			i -= i % masterSeeds
			took, err := m.once(ctx, i+rand.IntN(seeds)) //nolint:gosec // nor is this
			if err != nil {
				return err
			}
			seconds = append(seconds, took)
		}
		b.emit(m.metric+suffix+"_seconds", "s", seconds...)
	}
	return nil
}

// cluster returns the i-th one as it is.
func (b *masterBench) cluster(ctx context.Context, i int) (*v1alpha1.Cluster, error) {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ProjectNamespacePrefix + projectName(i/clustersEach), Name: clusterName(i)}}
	return cluster, b.api.Get(ctx, client.ObjectKeyFromObject(cluster), cluster)
}

// mirror returns the seconds from what a seed says of a cluster to its arrival in the cluster's status.
func (b *masterBench) mirror(ctx context.Context, i int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cluster, err := b.cluster(ctx, i)
	if err != nil {
		return 0, err
	}
	changes, err := b.api.Watch(ctx, &v1alpha1.ClusterList{}, client.InNamespace(cluster.Namespace), client.MatchingFields{"metadata.name": cluster.Name})
	if err != nil {
		return 0, err
	}
	defer changes.Stop()
	hc := &hostingv1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Namespace: hostingv1alpha1.NamespacePrefix + cluster.Status.ID, Name: cluster.Status.ID}}
	seed := b.seeds[i%masterSeeds]
	if err := seed.Get(ctx, client.ObjectKeyFromObject(hc), hc); err != nil {
		return 0, err
	}
	before, nodes := hc.DeepCopy(), hc.Status.ReadyNodes+1
	hc.Status.ReadyNodes = nodes
	started := time.Now()
	if err := seed.Status().Patch(ctx, hc, client.MergeFrom(before)); err != nil {
		return 0, err
	}
	for event := range changes.ResultChan() {
		if cluster, ok := event.Object.(*v1alpha1.Cluster); ok && cluster.Status.ReadyNodes == nodes {
			return time.Since(started).Seconds(), nil
		}
	}
	return 0, fmt.Errorf("what the seed says of %s has not come back", cluster.Name)
}

// edit returns the seconds from the change of a cluster to its arrival on its seed.
func (b *masterBench) edit(ctx context.Context, i int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cluster, err := b.cluster(ctx, i)
	if err != nil {
		return 0, err
	}
	selector := labels.SelectorFromSet(labels.Set{hostingv1alpha1.LabelCluster: cluster.Status.ID})
	changes, err := b.seeds[i%masterSeeds].Watch(ctx, &hostingv1alpha1.HostedClusterList{},
		client.InNamespace(hostingv1alpha1.NamespacePrefix+cluster.Status.ID), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return 0, err
	}
	defer changes.Stop()
	wanted := rand.Int32N(1000) + 1 //nolint:gosec // any other number
	before := cluster.DeepCopy()
	cluster.Spec.APIServer.ExtraArgs = map[string]string{"goaway-chance": fmt.Sprintf("0.00%d", wanted)}
	started := time.Now()
	if err := b.api.Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return 0, err
	}
	for event := range changes.ResultChan() {
		if hc, ok := event.Object.(*hostingv1alpha1.HostedCluster); ok && maps.Equal(hc.Spec.APIServer.ExtraArgs, cluster.Spec.APIServer.ExtraArgs) {
			return time.Since(started).Seconds(), nil
		}
	}
	return 0, fmt.Errorf("a change of %s has not come to its seed", cluster.Name)
}

// restart measures how long a master that is started again takes until a change arrives: one that was made while it did not run, and
// the one after; and what it takes until it is at rest.
func (b *masterBench) restart(ctx context.Context, projects int) error {
	b.stop()
	started := time.Now()
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, metric := range []string{"master_restart_to_first_edit_seconds", "master_restart_to_second_edit_seconds"} {
		if _, err := b.edit(ctx, rand.IntN(projects*clustersEach)); err != nil { //nolint:gosec // which cluster is no secret
			return err
		}
		b.emit(metric, "s", time.Since(started).Seconds())
	}
	if err := pause(ctx, window); err != nil { // it looks at every cluster once
		return err
	}
	b.emit("master_restart_cpu", "s", processCPU(b.pid))
	return nil
}

// countedKinds are those of which the master makes objects, or is given them, for projects and clusters. Events go by themselves.
var countedKinds = []schema.GroupVersionKind{
	v1alpha1.GroupVersion.WithKind("Project"), v1alpha1.GroupVersion.WithKind("Cluster"), v1alpha1.GroupVersion.WithKind("NodePool"),
	corev1.SchemeGroupVersion.WithKind("Namespace"), corev1.SchemeGroupVersion.WithKind("Secret"), corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("ServiceAccount"), corev1.SchemeGroupVersion.WithKind("ResourceQuota"),
	rbacv1.SchemeGroupVersion.WithKind("Role"), rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
	rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
}

// objects returns the number of objects of countedKinds on the master.
func (b *masterBench) objects(ctx context.Context) (float64, error) {
	sum := 0
	for _, kind := range countedKinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		if err := b.api.List(ctx, list); err != nil {
			return 0, err
		}
		sum += len(list.Items)
	}
	return float64(sum), nil
}

func projectName(i int) string { return fmt.Sprintf("p%d", i) }

func clusterName(i int) string { return fmt.Sprintf("c%d", i) }

func waitFor(ctx context.Context, done func() (bool, error)) error {
	return wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, masterPatience, true, func(context.Context) (bool, error) { return done() })
}
