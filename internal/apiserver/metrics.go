// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// ClusterMetrics are the charts of a cluster's last hours.
type ClusterMetrics struct {
	From   time.Time `json:"from" doc:"The time of the first point that there can be."`
	To     time.Time `json:"to" doc:"The time of the last point that there can be."`
	Step   int       `json:"step" doc:"The seconds from one point to the next."`
	Series []Series  `json:"series" doc:"What was measured, sorted by name and labels. What was not measured is not there."`
	Reason string    `json:"reason,omitempty" doc:"Why there are no series, if there are none."`
}

// Series is one line of a chart.
type Series struct {
	Name   string            `json:"name" enum:"nodeCPU,nodeCPUAllocatable,nodeMemory,nodeMemoryAllocatable,controlPlaneCPU,controlPlaneMemory,apiserverRequests,apiserverErrors,apiserverLatency,etcdSize,etcdSizeInUse,etcdFsync" doc:"What it is."`
	Unit   string            `json:"unit" enum:"cores,bytes,requests/s,ratio,seconds"`
	Labels map[string]string `json:"labels" doc:"Of what it is: the node, the component, or the verb."`
	Points []Point           `json:"points" doc:"The earliest first. Where nothing was measured there is none."`
}

// Point is a time, in seconds since 1970, and a value.
type Point [2]float64

// ClusterUsage is what a cluster's nodes use, for a line in a list.
type ClusterUsage struct {
	Project           string  `json:"project"`
	Cluster           string  `json:"cluster"`
	CPU               []Point `json:"cpu" doc:"The cores that its nodes use."`
	Memory            []Point `json:"memory" doc:"The bytes that its nodes use."`
	CPUAllocatable    float64 `json:"cpuAllocatable,omitempty" doc:"The cores that its nodes have for pods."`
	MemoryAllocatable float64 `json:"memoryAllocatable,omitempty" doc:"The bytes that its nodes have for pods."`
}

// chart is a line or some lines that the seed's Prometheus is asked for, of what each cluster's own has recorded. {CLUSTERS} is a
// regular expression of ids.
type chart struct{ name, unit, expr string }

// clusterCharts are all that there are: nobody can ask for others.
var clusterCharts = []chart{
	{"nodeCPU", "cores", `label_replace(cluster:node_cpu_usage:rate5m{cluster=~"{CLUSTERS}"}, "node", "$1", "instance", "(.+)")`},
	{"nodeCPUAllocatable", "cores", `sum(cluster:node_allocatable:sum{cluster=~"{CLUSTERS}", resource="cpu"})`},
	{"nodeMemory", "bytes", `label_replace(cluster:node_memory_working_set_bytes:sum{cluster=~"{CLUSTERS}"}, "node", "$1", "instance", "(.+)")`},
	{"nodeMemoryAllocatable", "bytes", `sum(cluster:node_allocatable:sum{cluster=~"{CLUSTERS}", resource="memory"})`},
	{"controlPlaneCPU", "cores", `label_replace(cluster:process_cpu_seconds:rate5m{cluster=~"{CLUSTERS}", job=~"etcd|kube-apiserver"}, "component", "$1", "job", "(.+)")`},
	{"controlPlaneMemory", "bytes", `label_replace(cluster:process_resident_memory_bytes:sum{cluster=~"{CLUSTERS}", job=~"etcd|kube-apiserver"}, "component", "$1", "job", "(.+)")`},
	{"apiserverRequests", "requests/s", `sum by (verb) (cluster:apiserver_requests:rate5m{cluster=~"{CLUSTERS}"})`},
	{"apiserverErrors", "ratio", `max(cluster:apiserver_request_errors:ratio_rate5m{cluster=~"{CLUSTERS}"})`},
	{"apiserverLatency", "seconds", `max by (verb) (cluster:apiserver_request_duration_seconds:p99_5m{cluster=~"{CLUSTERS}"})`},
	{"etcdSize", "bytes", `max(cluster:etcd_db_size_bytes:max{cluster=~"{CLUSTERS}"})`},
	{"etcdSizeInUse", "bytes", `max(cluster:etcd_db_size_in_use_bytes:max{cluster=~"{CLUSTERS}"})`},
	{"etcdFsync", "seconds", `max(cluster:etcd_disk_wal_fsync_duration_seconds:p99_5m{cluster=~"{CLUSTERS}"})`},
}

// usageCharts are those of a list of clusters.
var usageCharts = []chart{
	{"cpu", "cores", `sum by (cluster) (cluster:node_cpu_usage:rate5m{cluster=~"{CLUSTERS}"})`},
	{"memory", "bytes", `sum by (cluster) (cluster:node_memory_working_set_bytes:sum{cluster=~"{CLUSTERS}"})`},
	{"cpuAllocatable", "cores", `max by (cluster) (cluster:node_allocatable:sum{cluster=~"{CLUSTERS}", resource="cpu"})`},
	{"memoryAllocatable", "bytes", `max by (cluster) (cluster:node_allocatable:sum{cluster=~"{CLUSTERS}", resource="memory"})`},
}

// shownLabels are the labels of series that say of what they are.
var shownLabels = []string{"node", "component", "verb"}

// spans are how long charts can be, and the seconds from point to point of each.
var spans = map[string]span{"1h": {time.Hour, 60 * time.Second}, "6h": {6 * time.Hour, 5 * time.Minute}, "24h": {24 * time.Hour, 15 * time.Minute}}

type span struct{ length, step time.Duration }

// usageSpan is that of lists: a few points, because they are drawn small.
var usageSpan = span{time.Hour, 2 * time.Minute}

type metricsInput struct {
	Place place
	Range string `query:"range" enum:"1h,6h,24h" default:"1h" doc:"How long the charts are."`
}

type metricsOutput struct{ Body ClusterMetrics }

type usageInput struct {
	Clusters []string `query:"clusters" maxItems:"100" doc:"Which clusters, each as project/cluster. Those that you may not see, or that are not there, are left out."`
}

type usageOutput struct{ Body List[ClusterUsage] }

// serveMetrics registers what is read from the Prometheus of seeds.
func serveMetrics(s *Server) {
	metrics := operation(http.MethodGet, "/projects/{project}/clusters/{cluster}/metrics", "getClusterMetrics", "Get the charts of a cluster's last hours")
	metrics.Description = "What its nodes and its control plane use, how its API and etcd do. Measured every 30 seconds; an answer may be as old."
	huma.Register(s.api, metrics, func(ctx context.Context, in *metricsInput) (*metricsOutput, error) {
		body, err := s.clusterMetrics(ctx, in)
		return &metricsOutput{Body: body}, fail(ctx, err)
	})
	usage := operation(http.MethodGet, "/clusters/usage", "listClusterUsage", "Say what the nodes of some clusters have used in the last hour")
	usage.Description = "For all clusters of a page at once. A cluster of which nothing was measured has no points; partial says which seeds could not be asked."
	huma.Register(s.api, usage, func(ctx context.Context, in *usageInput) (*usageOutput, error) {
		body, err := s.clusterUsage(ctx, in.Clusters)
		return &usageOutput{Body: body}, fail(ctx, err)
	})
}

func (s *Server) clusterMetrics(ctx context.Context, in *metricsInput) (ClusterMetrics, error) {
	span := spans[in.Range]
	from, to := span.window(time.Now())
	out := ClusterMetrics{From: from.UTC(), To: to.UTC(), Step: int(span.step.Seconds()), Series: []Series{}}
	cluster, err := s.cluster(ctx, in.Place)
	if err != nil {
		return out, err
	}
	switch {
	case cluster.Status.ID == "":
		out.Reason = "the cluster has no place on a seed yet"
	case cluster.Spec.Monitoring.Enabled != nil && !*cluster.Spec.Monitoring.Enabled:
		out.Reason = "nothing watches this cluster: spec.monitoring.enabled is false"
	}
	if out.Reason != "" {
		return out, nil
	}
	found, reason := s.ask(ctx, cluster.Status.Seed, query(clusterCharts, cluster.Status.ID), span)
	if out.Reason = reason; reason != "" {
		return out, nil
	}
	if out.Series = seriesOf(found); len(out.Series) == 0 {
		out.Reason = "nothing was measured in this time"
	}
	return out, nil
}

// seriesOf names what was found, and sorts it.
func seriesOf(found []sampled) []Series {
	series := make([]Series, 0, len(found))
	for _, f := range found {
		i := slices.IndexFunc(clusterCharts, func(c chart) bool { return c.name == f.labels[chartLabel] })
		if i < 0 || len(f.points) == 0 {
			continue
		}
		labels := map[string]string{}
		for _, name := range shownLabels {
			if f.labels[name] != "" {
				labels[name] = f.labels[name]
			}
		}
		series = append(series, Series{Name: clusterCharts[i].name, Unit: clusterCharts[i].unit, Labels: labels, Points: f.points})
	}
	slices.SortFunc(series, func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})
	return series
}

// clusterUsage asks each of the clusters' seeds once, all at the same time.
func (s *Server) clusterUsage(ctx context.Context, names []string) (List[ClusterUsage], error) {
	out := List[ClusterUsage]{Items: []ClusterUsage{}}
	bySeed := map[string][]string{}
	byID := map[string]int{}
	for _, name := range names {
		cluster, err := s.namedCluster(ctx, name)
		if err != nil {
			return out, err
		}
		if cluster == nil {
			continue
		}
		if cluster.Status.ID != "" {
			bySeed[cluster.Status.Seed] = append(bySeed[cluster.Status.Seed], cluster.Status.ID)
			byID[cluster.Status.ID] = len(out.Items)
		}
		project := strings.TrimPrefix(cluster.Namespace, v1alpha1.ProjectNamespacePrefix)
		out.Items = append(out.Items, ClusterUsage{Project: project, Cluster: cluster.Name, CPU: []Point{}, Memory: []Point{}})
	}
	out.TotalSize = len(out.Items)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for seed, ids := range bySeed {
		wait.Go(func() {
			slices.Sort(ids)
			found, reason := s.ask(ctx, seed, query(usageCharts, strings.Join(slices.Compact(ids), "|")), usageSpan)
			mu.Lock()
			defer mu.Unlock()
			if reason != "" {
				out.Partial = append(out.Partial, Partial{Seed: seed, Reason: reason})
			}
			for _, f := range found {
				if i, ok := byID[f.labels["cluster"]]; ok && len(f.points) > 0 {
					out.Items[i].add(f)
				}
			}
		})
	}
	wait.Wait()
	slices.SortFunc(out.Partial, func(a, b Partial) int { return cmp.Compare(a.Seed, b.Seed) })
	return out, nil
}

func (u *ClusterUsage) add(f sampled) {
	last := f.points[len(f.points)-1][1]
	switch f.labels[chartLabel] {
	case "cpu":
		u.CPU = f.points
	case "memory":
		u.Memory = f.points
	case "cpuAllocatable":
		u.CPUAllocatable = last
	case "memoryAllocatable":
		u.MemoryAllocatable = last
	}
}

// namedCluster returns the cluster project/cluster; nil: there is none that the caller may see.
func (s *Server) namedCluster(ctx context.Context, name string) (*v1alpha1.Cluster, error) {
	project, cluster, _ := strings.Cut(name, "/")
	if !validName.MatchString(project) || !validName.MatchString(cluster) {
		return nil, problem(CodeInvalid, "%.100q names no cluster", name).at("query.clusters", "must be names such as project/cluster")
	}
	namespace := v1alpha1.ProjectNamespacePrefix + project
	allowed, err := s.access.Allowed(ctx, Question{Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Namespace: namespace})
	if err != nil || !allowed {
		return nil, err
	}
	found := &v1alpha1.Cluster{}
	if err := s.cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: cluster}, found); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return found, nil
}
