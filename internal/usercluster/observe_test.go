// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
)

// agents are the DaemonSets of a cluster with that many nodes, all of them well.
func agents(nodes int32) []appsv1.DaemonSet {
	var all []appsv1.DaemonSet
	for _, name := range []string{NodeNetwork, KubeProxy, Flannel} {
		all = append(all, appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1},
			Status: appsv1.DaemonSetStatus{
				ObservedGeneration: 1, DesiredNumberScheduled: nodes, NumberReady: nodes, UpdatedNumberScheduled: nodes,
			},
		})
	}
	return all
}

func dns(replicas int32, status appsv1.DeploymentStatus) appsv1.Deployment {
	status.ObservedGeneration++
	return appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: CoreDNS, Generation: 1},
		Spec:       appsv1.DeploymentSpec{Replicas: new(replicas)},
		Status:     status,
	}
}

func metrics() appsv1.Deployment {
	d := dns(1, appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1})
	d.Name = MetricsServer
	return d
}

func vpn() appsv1.StatefulSet {
	return appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: openvpn.Client, Generation: 1},
		Spec:       appsv1.StatefulSetSpec{Replicas: new(int32(2))},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
	}
}

func TestComponents(t *testing.T) {
	well := appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
	running := v1alpha1.ComponentStatus{Ready: true, Reason: "Running"}
	noNode := v1alpha1.ComponentStatus{Ready: true, Reason: "WaitingForNodes", Message: "there is no node yet"}
	for name, tc := range map[string]struct {
		nodes      int32
		change     func(ds []appsv1.DaemonSet)
		deployment appsv1.Deployment
		want       map[string]v1alpha1.ComponentStatus // the others are running
	}{
		"all are well": {nodes: 2, deployment: dns(1, well)},
		"without a node everything waits for one and is not to blame": {
			deployment: dns(1, appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1}),
			want:       map[string]v1alpha1.ComponentStatus{CoreDNS: noNode, Flannel: noNode, KubeProxy: noNode, MetricsServer: noNode, NodeNetwork: noNode, openvpn.Client: noNode},
		},
		"a node that does not have it yet": {
			nodes: 3, deployment: dns(1, well),
			change: func(ds []appsv1.DaemonSet) { ds[1].Status.NumberReady = 2 },
			want:   map[string]v1alpha1.ComponentStatus{KubeProxy: {Reason: "Starting", Message: "2 of 3 nodes have it ready"}},
		},
		"a version that is on one node only": {
			nodes: 3, deployment: dns(1, well),
			change: func(ds []appsv1.DaemonSet) { ds[2].Status.UpdatedNumberScheduled = 1 },
			want:   map[string]v1alpha1.ComponentStatus{Flannel: {Reason: "RollingOut", Message: "1 of 3 nodes run the newest version"}},
		},
		"a change that nobody has seen yet": {
			nodes: 1, deployment: dns(1, well),
			change: func(ds []appsv1.DaemonSet) { ds[0].Generation = 2 },
			want:   map[string]v1alpha1.ComponentStatus{NodeNetwork: {Reason: "RollingOut", Message: "its controller has not seen the newest version yet"}},
		},
		"a replica too few": {
			nodes: 1, deployment: dns(2, well),
			want: map[string]v1alpha1.ComponentStatus{CoreDNS: {Reason: "Starting", Message: "1 of 2 replicas are ready"}},
		},
		"an old replica is still there": {
			nodes: 1, deployment: dns(1, appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 1, AvailableReplicas: 2}),
			want: map[string]v1alpha1.ComponentStatus{CoreDNS: {Reason: "RollingOut", Message: "1 of 1 replicas run the newest version"}},
		},
		"pods are refused": {
			nodes: 1, deployment: dns(1, appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{{
				Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota",
			}}}),
			want: map[string]v1alpha1.ComponentStatus{CoreDNS: {Reason: "FailedCreate", Message: "exceeded quota"}},
		},
		"none is wanted": {
			nodes: 1, deployment: dns(0, appsv1.DeploymentStatus{}),
			want: map[string]v1alpha1.ComponentStatus{CoreDNS: {Ready: true, Reason: "Running", Message: "none is wanted"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			daemonSets := agents(tc.nodes)
			if tc.change != nil {
				tc.change(daemonSets)
			}
			var want []v1alpha1.ComponentStatus
			for _, component := range []string{CoreDNS, Flannel, KubeProxy, MetricsServer, NodeNetwork, openvpn.Client} {
				status, ok := tc.want[component]
				if !ok {
					status = running
				}
				status.Name = component
				want = append(want, status)
			}
			if diff := cmp.Diff(want, Components(v1alpha1.TunnelOpenVPN, Live{
				DaemonSets: daemonSets, Deployments: []appsv1.Deployment{tc.deployment, metrics()}, StatefulSets: []appsv1.StatefulSet{vpn()},
			})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestComponentsThatDoNotExistAreMissed(t *testing.T) {
	for kind, want := range map[v1alpha1.Tunnel]string{
		v1alpha1.TunnelOpenVPN: openvpn.Client, v1alpha1.TunnelKonnectivity: KonnectivityAgent,
	} {
		var names []string
		for _, status := range Components(kind, Live{}) {
			if status.Ready || status.Reason != reasonMissing {
				t.Errorf("%+v", status)
			}
			names = append(names, status.Name)
		}
		if !slices.Contains(names, want) {
			t.Errorf("with %s, got %v, want %s among them", kind, names, want)
		}
	}
}

func TestNobodyWaitsForMetricsServer(t *testing.T) {
	all := []v1alpha1.ComponentStatus{{Name: CoreDNS}, {Name: MetricsServer}, {Name: openvpn.Client}}
	if got := Needed(all); len(got) != 2 || got[0].Name != CoreDNS || got[1].Name != openvpn.Client || len(all) != 3 {
		t.Errorf("%+v", got)
	}
}
