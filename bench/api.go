// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/apiserver"
	"canopy.dev/canopy/internal/testenv"
)

const (
	apiRequests = 2000 // of each kind
	apiWorkers  = 4
	apiStreams  = 500
	apiChanges  = 50
	apiGroup    = "bench"
)

// named lets in whoever says a name, as one of the group that may do everything.
type named struct{}

// AuthenticateRequest returns who the token says.
func (named) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	name := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	return &authenticator.Response{User: &user.DefaultInfo{Name: name, Groups: []string{apiGroup}}}, name != "", nil
}

// serveAPI is the API in a process of its own. It says where it is, and writes a profile if it is told to.
func serveAPI(profile string) error {
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server, err := apiserver.New(apiserver.Options{Config: config, Authenticator: named{}})
	if err != nil {
		return err
	}
	go func() { _ = server.Start(ctx) }() // what it has not, nobody gets
	if !server.WaitForSync(ctx) {
		return errors.New("the cache does not come to know what there is")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	web := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = web.Close() })
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// apiBench is an API with clusters that nobody hosts.
type apiBench struct {
	kube client.Client
	url  string
	http *http.Client
	pid  int
}

// benchAPI measures the API with n clusters: lists, reads, and how long a change of a status takes to those who watch.
func benchAPI(ctx context.Context, n int, profile string) (err error) {
	ctrl.SetLogger(logr.Discard())
	env, err := testenv.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	b := &apiBench{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: apiWorkers, MaxConnsPerHost: 0}}}
	config := *env.Config
	config.QPS = -1
	if b.kube, err = client.New(&config, client.Options{Scheme: apiserver.Scheme()}); err != nil {
		return err
	}
	if err := b.fill(ctx, n); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "canopy-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(path, env.KubeConfig, 0o600); err != nil {
		return err
	}
	stop, err := b.start(ctx, path, profile)
	if err != nil {
		return err
	}
	defer stop()
	for _, m := range []struct{ metric, path string }{
		{"api_list_50_of_all", "/api/v1/clusters?pageSize=50"},
		{"api_list_of_project", "/api/v1/projects/p0/clusters?pageSize=50"},
		{"api_get", "/api/v1/projects/p0/clusters/c0"},
	} {
		before := processCPU(b.pid)
		values, err := b.requests(ctx, m.path)
		if err != nil {
			return err
		}
		emit(m.metric+"_milliseconds", "ms", values)
		emit(m.metric+"_cpu_milliseconds", "ms", []float64{(processCPU(b.pid) - before) * 1000 / apiRequests})
	}
	if err := b.commands(ctx, dir); err != nil {
		return err
	}
	if err := b.streams(ctx); err != nil {
		return err
	}
	memory, err := residentKiB(b.pid)
	if err == nil {
		emit("api_memory_kib", "KiB", []float64{memory})
	}
	return err
}

// fill makes projects with clusters, and lets the group do everything.
func (b *apiBench) fill(ctx context.Context, n int) error {
	role := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: apiGroup}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: apiGroup}},
	}
	if err := b.kube.Create(ctx, role); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for p := range n / clustersEach {
		group.Go(func() error {
			namespace := v1alpha1.ProjectNamespacePrefix + projectName(p)
			err := errors.Join(
				b.kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}),
				b.kube.Create(ctx, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: projectName(p)}}))
			for c := range clustersEach {
				err = errors.Join(err, b.kube.Create(ctx, &v1alpha1.Cluster{
					ObjectMeta: metav1.ObjectMeta{Name: clusterName(c), Namespace: namespace},
					Spec:       v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"},
				}))
			}
			return err
		})
	}
	return group.Wait()
}

func (b *apiBench) start(ctx context.Context, kubeconfig, profile string) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve-api", "-profile="+profile)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	b.url, b.pid = "http://"+strings.TrimSpace(address), cmd.Process.Pid
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}, err
}

func (b *apiBench) do(ctx context.Context, path string, caller int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", fmt.Sprintf("Bearer u%d@example.com", caller))
	resp, err := b.http.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return resp, err
}

// requests returns how many milliseconds each of many requests takes, of as many people that no limit is in the way.
func (b *apiBench) requests(ctx context.Context, path string) ([]float64, error) {
	values := make([]float64, apiRequests)
	group, ctx := errgroup.WithContext(ctx)
	for w := range apiWorkers {
		group.Go(func() error {
			for i := w; i < apiRequests; i += apiWorkers {
				begin := time.Now()
				resp, err := b.do(ctx, path, i%100)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				if err = errors.Join(err, resp.Body.Close()); err != nil {
					return err
				}
				values[i] = time.Since(begin).Seconds() * 1000
			}
			return nil
		})
	}
	return values, group.Wait()
}

// streams measures from the request that changes a status until each of those who watch has it.
func (b *apiBench) streams(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var values []float64
	var begin time.Time
	var seen sync.WaitGroup
	for i := range apiStreams {
		resp, err := b.do(ctx, "/api/v1/watch?kinds=clusters", i) //nolint:bodyclose // who reads it closes it
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		go func() {
			defer resp.Body.Close()
			for lines.Scan() {
				if lines.Text() != "event: modified" {
					continue
				}
				mu.Lock()
				values = append(values, time.Since(begin).Seconds()*1000)
				mu.Unlock()
				seen.Done()
			}
		}()
	}
	before := processCPU(b.pid)
	for i := range apiChanges {
		cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "c1", Namespace: v1alpha1.ProjectNamespacePrefix + projectName(0)}}
		seen.Add(apiStreams)
		mu.Lock()
		begin = time.Now()
		mu.Unlock()
		patch := fmt.Sprintf(`{"status":{"version":"1.37.%d","readyNodes":0}}`, i)
		if err := b.kube.Status().Patch(ctx, cluster, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			return err
		}
		seen.Wait()
	}
	emit("api_status_to_500_streams_milliseconds", "ms", values)
	emit("api_status_to_500_streams_cpu_milliseconds", "ms", []float64{(processCPU(b.pid) - before) * 1000 / apiChanges})
	return nil
}
