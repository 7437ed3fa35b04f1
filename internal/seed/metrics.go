// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// gatherTimeout bounds how long the cache may take to answer a scrape.
const gatherTimeout = 5 * time.Second

// describe makes the description of a metric of one cluster.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("canopy_"+name, help, labels, nil)
}

var (
	clusterInfo        = describe("cluster_info", "1 for each cluster on this seed, with what it is.", "cluster", "version", "profile", "tunnel", "monitoring")
	clusterCreated     = describe("cluster_created_timestamp_seconds", "When the cluster was created.", "cluster")
	clusterDeletion    = describe("cluster_deletion_timestamp_seconds", "When the deletion of the cluster began.", "cluster")
	clusterCondition   = describe("cluster_status_condition", "1 for the status that a condition of the cluster has: true, false or unknown.", "cluster", "type", "status")
	clusterComponent   = describe("cluster_component_ready", "Whether a component of the cluster is ready.", "cluster", "component")
	clusterCertificate = describe("cluster_certificate_expiry_timestamp_seconds", "When a certificate of the cluster's control plane ends.", "cluster", "cert")
	nodePoolReplicas   = describe("nodepool_replicas", "Machines of all pools of the cluster: wanted, existing, ready or up_to_date.", "cluster", "state")
	seedAllocatable    = describe("seed_allocatable", "What pods can have of the seed's nodes, in cores, bytes or pods.", "resource")
	buildInfo          = describe("build_info", "1, with what this program was built from.", "version", "goversion")
)

// operations are how long what people ask for takes, from the request to the end.
var operations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "canopy_cluster_operation_duration_seconds",
	Help:    "How long it took until the API of a new cluster answered (create), a change of the control plane ran (update), a cluster was gone (delete).",
	Buckets: []float64{1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 600, 1800},
}, []string{"type"})

// collector makes metrics of what the manager's cache holds, at each scrape. All replicas have the same: queries take one.
type collector struct {
	reader client.Reader
	// synced tells whether the cache is filled; half of the clusters would be worse than none.
	synced func(context.Context) bool
}

// Describe sends nothing: the collector is unchecked, because what there is depends on the clusters.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of all clusters.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()
	if info, ok := debug.ReadBuildInfo(); ok {
		gauge(out, buildInfo, 1, info.Main.Version, info.GoVersion)
	}
	if !c.synced(ctx) {
		return
	}
	var clusters v1alpha1.HostedClusterList
	if err := c.reader.List(ctx, &clusters); err != nil {
		out <- prometheus.NewInvalidMetric(clusterInfo, err)
		return
	}
	for i := range clusters.Items {
		collectCluster(out, &clusters.Items[i])
	}
	var secrets corev1.SecretList
	if err := c.reader.List(ctx, &secrets, client.HasLabels{v1alpha1.LabelCluster}); err != nil {
		out <- prometheus.NewInvalidMetric(clusterCertificate, err)
		return
	}
	for i := range secrets.Items {
		collectCertificates(out, &secrets.Items[i])
	}
	var nodes corev1.NodeList
	if err := c.reader.List(ctx, &nodes); err != nil {
		out <- prometheus.NewInvalidMetric(seedAllocatable, err)
		return
	}
	collectNodes(out, nodes.Items)
}

func gauge(out chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func collectCluster(out chan<- prometheus.Metric, hc *v1alpha1.HostedCluster) {
	gauge(out, clusterInfo, 1, hc.Name, hc.Status.Version, string(hc.Spec.Profile), string(hc.Spec.Network.Tunnel), strconv.FormatBool(hc.Monitored()))
	gauge(out, clusterCreated, float64(hc.CreationTimestamp.Unix()), hc.Name)
	if !hc.DeletionTimestamp.IsZero() {
		gauge(out, clusterDeletion, float64(hc.DeletionTimestamp.Unix()), hc.Name)
	}
	for _, c := range hc.Status.Conditions {
		for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			gauge(out, clusterCondition, number(c.Status == status), hc.Name, c.Type, strings.ToLower(string(status)))
		}
	}
	for _, c := range hc.Status.Components {
		gauge(out, clusterComponent, number(c.Ready), hc.Name, c.Name)
	}
	var wanted, existing, ready, upToDate int32
	for _, pool := range hc.Status.NodePools {
		wanted += pool.WantedReplicas
		existing, ready, upToDate = existing+pool.Replicas, ready+pool.ReadyReplicas, upToDate+pool.UpToDateReplicas
	}
	for state, n := range map[string]int32{"wanted": wanted, "existing": existing, "ready": ready, "up_to_date": upToDate} {
		gauge(out, nodePoolReplicas, float64(n), hc.Name, state)
	}
}

// collectCertificates names a certificate by its Secret, and by its file where there can be several: "ca",
// "control-plane/apiserver".
func collectCertificates(out chan<- prometheus.Metric, secret *corev1.Secret) {
	cluster := secret.Labels[v1alpha1.LabelCluster]
	where := strings.TrimPrefix(secret.Name, cluster+"-")
	for file, content := range secret.Data {
		name, isCertificate := strings.CutSuffix(file, ".crt")
		if !isCertificate || name == "ca" {
			continue // the authority is in a Secret of its own
		}
		name = where + "/" + name
		if file == corev1.TLSCertKey {
			name = where
		}
		block, _ := pem.Decode(content)
		if block == nil {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			gauge(out, clusterCertificate, float64(cert.NotAfter.Unix()), cluster, name)
		}
	}
}

func collectNodes(out chan<- prometheus.Metric, nodes []corev1.Node) {
	sums := map[corev1.ResourceName]float64{}
	for i := range nodes {
		if nodes[i].Spec.Unschedulable {
			continue
		}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods} {
			quantity := nodes[i].Status.Allocatable[name]
			sums[name] += quantity.AsApproximateFloat64()
		}
	}
	for name, sum := range sums {
		gauge(out, seedAllocatable, sum, string(name))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// observeOperations counts what came to its end between two states of a HostedCluster.
func observeOperations(before, after *v1alpha1.HostedCluster, now time.Time) {
	turnedTrue := func(condition string) (since time.Time, ok bool) {
		was, is := meta.FindStatusCondition(before.Status.Conditions, condition), meta.FindStatusCondition(after.Status.Conditions, condition)
		if was == nil || is == nil || was.Status == metav1.ConditionTrue || is.Status != metav1.ConditionTrue {
			return time.Time{}, false
		}
		return was.LastTransitionTime.Time, true
	}
	// What was never true since the creation is the creation; an API that went and comes again, or a roll-out, is not.
	created := after.CreationTimestamp.Time
	fromTheBeginning := func(since time.Time) bool { return since.Sub(created) < time.Minute }
	if since, ok := turnedTrue(v1alpha1.ConditionControlPlaneAvailable); ok && fromTheBeginning(since) {
		operations.WithLabelValues("create").Observe(now.Sub(created).Seconds())
	}
	if since, ok := turnedTrue(v1alpha1.ConditionControlPlaneUpToDate); ok && !fromTheBeginning(since) {
		operations.WithLabelValues("update").Observe(now.Sub(since).Seconds())
	}
}

// observeDeletion counts a cluster that is gone.
func observeDeletion(hc *v1alpha1.HostedCluster, now time.Time) {
	operations.WithLabelValues("delete").Observe(now.Sub(hc.DeletionTimestamp.Time).Seconds())
}
