// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/pki"
)

// gather returns the metrics of a collector as lines "name{labels} value", without the build's.
func gather(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		if family.GetName() == "canopy_build_info" {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			lines = append(lines, family.GetName()+"{"+strings.Join(labels, ",")+"} "+regexp.MustCompile(`.*value:`).ReplaceAllString(m.GetGauge().String(), ""))
		}
	}
	return lines
}

func TestMetricsOfAClusterAndItsSeed(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ca, err := pki.NewCA("test", created)
	if err != nil {
		t.Fatal(err)
	}
	hc := &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "cluster-demo", CreationTimestamp: metav1.NewTime(created)},
		Spec: v1alpha1.HostedClusterSpec{
			Profile: v1alpha1.ProfileCompact, Network: v1alpha1.Network{Tunnel: v1alpha1.TunnelOpenVPN},
			NodePools: []v1alpha1.NodePool{{Name: "a", Replicas: new(int32(2))}, {Name: "b", Replicas: new(int32(1))}},
		},
		Status: v1alpha1.HostedClusterStatus{
			Version:    "1.37.2",
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse}},
			Components: []v1alpha1.ComponentStatus{{Name: "etcd", Ready: true}, {Name: "prometheus"}},
			NodePools:  []v1alpha1.NodePoolStatus{{Name: "a", WantedReplicas: 2, Replicas: 2, ReadyReplicas: 1, UpToDateReplicas: 2}, {Name: "b", WantedReplicas: 1, Replicas: 1}},
		},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "ca", Namespace: "cluster-demo", Labels: clusterLabels(hc)},
		Data:       map[string][]byte{"tls.crt": ca.Cert, "tls.key": ca.Key, "broken.crt": []byte("?")},
	}
	kubeconfig := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-kubeconfig", Namespace: "cluster-demo", Labels: clusterLabels(hc)},
		Data:       map[string][]byte{"client.crt": ca.Cert, "ca.crt": ca.Cert},
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("1Ki"), corev1.ResourcePods: resource.MustParse("110"),
	}}}
	away := node.DeepCopy()
	away.Name, away.Spec.Unschedulable = "away", true
	reader := fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(hc, secret, kubeconfig, node, away).Build()

	synced := false
	c := &collector{reader: reader, synced: func(context.Context) bool { return synced }}
	if lines := gather(t, c); len(lines) > 0 {
		t.Errorf("before the cache is filled: %v", lines)
	}
	synced = true
	want := []string{
		"canopy_cluster_certificate_expiry_timestamp_seconds{cert=ca,cluster=demo} 2.082683045e+09",
		"canopy_cluster_certificate_expiry_timestamp_seconds{cert=kubeconfig/client,cluster=demo} 2.082683045e+09",
		"canopy_cluster_component_ready{cluster=demo,component=etcd} 1",
		"canopy_cluster_component_ready{cluster=demo,component=prometheus} 0",
		"canopy_cluster_created_timestamp_seconds{cluster=demo} 1.767323045e+09",
		"canopy_cluster_info{cluster=demo,monitoring=true,profile=Compact,tunnel=OpenVPN,version=1.37.2} 1",
		"canopy_cluster_status_condition{cluster=demo,status=false,type=Ready} 1",
		"canopy_cluster_status_condition{cluster=demo,status=true,type=Ready} 0",
		"canopy_cluster_status_condition{cluster=demo,status=unknown,type=Ready} 0",
		"canopy_nodepool_replicas{cluster=demo,state=existing} 3",
		"canopy_nodepool_replicas{cluster=demo,state=ready} 1",
		"canopy_nodepool_replicas{cluster=demo,state=up_to_date} 2",
		"canopy_nodepool_replicas{cluster=demo,state=wanted} 3",
		"canopy_seed_allocatable{resource=cpu} 1.5",
		"canopy_seed_allocatable{resource=memory} 1024",
		"canopy_seed_allocatable{resource=pods} 110",
	}
	if diff := cmp.Diff(want, gather(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestOperationsAreCountedOnce(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cluster := func(condition string, status metav1.ConditionStatus, since time.Duration) *v1alpha1.HostedCluster {
		return &v1alpha1.HostedCluster{
			ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)},
			Status: v1alpha1.HostedClusterStatus{Conditions: []metav1.Condition{
				{Type: condition, Status: status, LastTransitionTime: metav1.NewTime(created.Add(since))},
			}},
		}
	}
	const available, upToDate = v1alpha1.ConditionControlPlaneAvailable, v1alpha1.ConditionControlPlaneUpToDate
	for name, tc := range map[string]struct {
		before, after *v1alpha1.HostedCluster
		now           time.Duration      // since the creation
		want          map[string]float64 // by type, the sum of the durations
	}{
		"the API of a new cluster answers":   {cluster(available, "False", time.Second), cluster(available, "True", 4*time.Second), 4 * time.Second, map[string]float64{"create": 4}},
		"an API comes again":                 {cluster(available, "False", time.Hour), cluster(available, "True", time.Hour), time.Hour, map[string]float64{}},
		"it still answers":                   {cluster(available, "True", 0), cluster(available, "True", 0), time.Hour, map[string]float64{}},
		"an upgrade is done":                 {cluster(upToDate, "False", time.Hour), cluster(upToDate, "True", time.Hour), time.Hour + 30*time.Second, map[string]float64{"update": 30}},
		"the first roll-out is the creation": {cluster(upToDate, "False", time.Second), cluster(upToDate, "True", time.Minute), 2 * time.Minute, map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			operations.Reset()
			observeOperations(tc.before, tc.after, created.Add(tc.now))
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(operations)
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, family := range families {
				for _, m := range family.GetMetric() {
					got[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleSum()
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
