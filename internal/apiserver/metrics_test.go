// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// fakeSeed is what the API sees of a seed: a Prometheus behind a Service, and a pod with a log.
type fakeSeed struct {
	*httptest.Server

	asked  atomic.Int32
	mu     sync.Mutex
	query  url.Values
	status int
}

func newFakeSeed(t *testing.T) *fakeSeed {
	t.Helper()
	f := &fakeSeed{status: http.StatusOK}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/canopy-system/services/canopy-prometheus:http/proxy/api/v1/query_range", f.prometheus)
	mux.HandleFunc("GET /api/v1/namespaces/cluster-abcdefghij/pods", func(w http.ResponseWriter, r *http.Request) {
		pods := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
		if r.URL.Query().Get("labelSelector") == "hosting.canopy.dev/cluster=abcdefghij,hosting.canopy.dev/component=control-plane" {
			pods.Items = []corev1.Pod{{
				ObjectMeta: metav1.ObjectMeta{Name: "control-plane-0", Namespace: "cluster-abcdefghij"},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd"}, {Name: "kubernetes"}}},
			}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(pods)
	})
	mux.HandleFunc("GET /api/v1/namespaces/cluster-abcdefghij/pods/control-plane-0/log", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		fmt.Fprintf(w, "container=%s tail=%s bytes=%s\n", q.Get("container"), q.Get("tailLines"), q.Get("limitBytes"))
		if q.Get("follow") == "true" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeSeed) prometheus(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.query = r.URL.Query()
	if f.status != http.StatusOK {
		w.WriteHeader(f.status)
		return
	}
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[
		{"metric":{"chart":"nodeCPU","cluster":"abcdefghij","instance":"n1","node":"n1"},"values":[[1700000000,"0.5"],[1700000060,"NaN"],[1700000120,"0.75"]]},
		{"metric":{"chart":"etcdSize"},"values":[[1700000000,"4096"]]},
		{"metric":{"chart":"cpu","cluster":"abcdefghij"},"values":[[1700000000,"1"],[1700000120,"2"]]},
		{"metric":{"chart":"cpuAllocatable","cluster":"abcdefghij"},"values":[[1700000000,"4"]]},
		{"metric":{"chart":"cpu","cluster":"othersothe"},"values":[[1700000000,"9"]]}]}}`)
}

// answers lets the next questions be answered with a status.
func (f *fakeSeed) answers(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

// remoteSeed makes a Seed whose kubeconfig leads to a server.
func remoteSeed(t *testing.T, name, server string) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["seed"] = &clientcmdapi.Cluster{Server: server}
	config.AuthInfos["seed"] = &clientcmdapi.AuthInfo{Token: "seed"}
	config.Contexts["seed"] = &clientcmdapi.Context{Cluster: "seed", AuthInfo: "seed"}
	config.CurrentContext = "seed"
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "seed-" + name}, Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: content},
	}
	seed := &v1alpha1.Seed{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: secret.Name, Install: v1alpha1.InstallManual},
	}
	for _, err := range []error{shared.kube.Create(t.Context(), secret), shared.kube.Create(t.Context(), seed)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// placed makes a cluster that says that it is on a seed. Its datacenter does not exist, so that no master changes that.
func placed(t *testing.T, project, name, seed, id, viewer string, change ...func(*v1alpha1.Cluster)) {
	t.Helper()
	cluster := &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "project-" + project, Name: name}, Spec: v1alpha1.ClusterSpec{Datacenter: "nowhere", Version: "1.37.2"},
	}
	for _, change := range change {
		change(cluster)
	}
	if err := shared.kube.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	before := cluster.DeepCopy()
	cluster.Status.Seed, cluster.Status.ID = seed, id
	if err := shared.kube.Status().Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/projects/" + project + "/clusters/" + name
	eventually(t, "the server knows the cluster", func(context.Context) bool {
		return into[v1alpha1.Cluster](t, shared.as(t, viewer).get(path)).Status.ID == id
	})
}

func TestWhatIsReadFromSeeds(t *testing.T) {
	vera := v1alpha1.Member{Name: "vera@charts.example.com", Role: v1alpha1.RoleViewer}
	shared.project(t, "charts", vera)
	far := newFakeSeed(t)
	remoteSeed(t, "far", far.URL)
	remoteSeed(t, "gone", "http://127.0.0.1:1")
	placed(t, "charts", "shop", "far", "abcdefghij", vera.Name)
	placed(t, "charts", "dark", "gone", "bcdefghijk", vera.Name)
	placed(t, "charts", "unwatched", "far", "cdefghijkl", vera.Name, func(c *v1alpha1.Cluster) { c.Spec.Monitoring.Enabled = new(false) })
	viewer := shared.as(t, vera.Name)
	const path = "/api/v1/projects/charts/clusters/"

	t.Run("charts have the points that were measured, with one question for all who look", func(t *testing.T) {
		got := into[ClusterMetrics](t, viewer.get(path+"shop/metrics?range=6h").is(t, http.StatusOK))
		want := []Series{
			{Name: "etcdSize", Unit: "bytes", Labels: map[string]string{}, Points: []Point{{1700000000, 4096}}},
			{Name: "nodeCPU", Unit: "cores", Labels: map[string]string{"node": "n1"}, Points: []Point{{1700000000, 0.5}, {1700000120, 0.75}}},
		}
		if diff := cmp.Diff(want, got.Series); diff != "" || got.Step != 300 || got.Reason != "" {
			t.Errorf("step %d, reason %q, -want +got:\n%s", got.Step, got.Reason, diff)
		}
		if expr := far.query.Get("query"); strings.Contains(expr, "{CLUSTERS}") || strings.Count(expr, `cluster=~"abcdefghij"`) != len(clusterCharts) {
			t.Errorf("the question is not about the cluster alone: %s", expr)
		}
		for range 3 {
			viewer.get(path+"shop/metrics?range=6h").is(t, http.StatusOK)
		}
		if n := far.asked.Load(); n > 2 { // a new time may have come in between
			t.Errorf("the seed was asked %d times", n)
		}
	})
	t.Run("what a range is, is fixed", func(t *testing.T) {
		viewer.get(path+"shop/metrics?range=1h)%20or%20vector(1").isProblem(t, CodeInvalid)
	})
	t.Run("a reason is said where there is nothing", func(t *testing.T) {
		for cluster, want := range map[string]string{"dark": "it does not answer", "unwatched": "spec.monitoring.enabled"} {
			got := into[ClusterMetrics](t, viewer.get(path+cluster+"/metrics").is(t, http.StatusOK))
			if !strings.Contains(got.Reason, want) || got.Series == nil {
				t.Errorf("%s: %+v", cluster, got)
			}
		}
		for status, want := range map[int]string{
			http.StatusNotFound: "no monitoring", http.StatusForbidden: "canopy seed add", http.StatusServiceUnavailable: "does not run",
		} {
			far.answers(status)
			shared.answers = newAnswers()
			if got := into[ClusterMetrics](t, viewer.get(path+"shop/metrics").is(t, http.StatusOK)); !strings.Contains(got.Reason, want) {
				t.Errorf("%d: the reason is %q", status, got.Reason)
			}
		}
		far.answers(http.StatusOK)
		shared.answers = newAnswers()
	})
	t.Run("a list gets what its clusters use, without what is down and what is others'", func(t *testing.T) {
		got := into[List[ClusterUsage]](t, viewer.get("/api/v1/clusters/usage?clusters=charts/shop,charts/dark,charts/none,matrix/shop").is(t, http.StatusOK))
		want := []ClusterUsage{
			{Project: "charts", Cluster: "shop", CPU: []Point{{1700000000, 1}, {1700000120, 2}}, Memory: []Point{}, CPUAllocatable: 4},
			{Project: "charts", Cluster: "dark", CPU: []Point{}, Memory: []Point{}},
		}
		if diff := cmp.Diff(want, got.Items); diff != "" || len(got.Partial) != 1 || got.Partial[0].Seed != "gone" {
			t.Errorf("partial %v, -want +got:\n%s", got.Partial, diff)
		}
		viewer.get("/api/v1/clusters/usage?clusters=a%7Cb/c").isProblem(t, CodeInvalid)
	})
	t.Run("a log is read from the container that has it, and bounded", func(t *testing.T) {
		got := viewer.get(path+"shop/components/kube-scheduler/logs?tailLines=5").is(t, http.StatusOK)
		if want := "container=kubernetes tail=5 bytes=16777216\n"; string(got.body) != want || got.Header.Get("Content-Type") != logType {
			t.Errorf("%s: %s", got.Header.Get("Content-Type"), got.body)
		}
		for _, component := range []string{"openvpn", "machine", "coredns"} {
			viewer.get(path+"shop/components/"+component+"/logs").isProblem(t, CodeNotFound)
		}
		viewer.get(path+"dark/components/etcd/logs").isProblem(t, CodeUnavailable)
		shared.as(t, "nobody@example.com").get(path+"shop/components/etcd/logs").isProblem(t, CodeForbidden)
	})
	t.Run("a log that is followed comes as it is written, until the client goes", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, shared.url+path+"shop/components/etcd/logs?follow=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+vera.Name)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "container=etcd tail=200 bytes=\n" {
			t.Errorf("%q, %v", line, err)
		}
		cancel()
		eventually(t, "the stream is not counted any more", func(context.Context) bool {
			shared.streams.mu.Lock()
			defer shared.streams.mu.Unlock()
			return shared.streams.byUser[vera.Name] == 0
		})
	})
}
