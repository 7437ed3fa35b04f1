// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Tunnel is this end of the way from the control plane to the cluster's pods, Services and kubelets.
type Tunnel struct {
	Kind v1alpha1.Tunnel
	// Host and Port are where the server is reached.
	Host string
	Port int32
	// OpenVPNImage is the image of both ends, and OpenVPNKeys are the files of the clients' keys.
	OpenVPNImage string
	OpenVPNKeys  map[string][]byte
}

// tunnelClients are two, on two nodes where there are two, so that losing a node does not cut the tunnel.
func tunnelClients(in Input) []client.Object {
	if in.Tunnel.Kind == v1alpha1.TunnelKonnectivity {
		return konnectivityAgent(in)
	}
	return openVPNClient(in)
}

// tunnelPod makes pods that go on at another node soon when theirs is dead, and that do not stand on the same one.
func tunnelPod(component string, pod *corev1.PodSpec) {
	pod.PriorityClassName = "system-cluster-critical"
	pod.DNSPolicy = corev1.DNSDefault // the server's name is not the cluster's
	pod.Tolerations = coreDNSTolerations()
	pod.TerminationGracePeriodSeconds = new(int64(5))
	pod.Affinity = apart(component)
}

func keepOne(component string) client.Object {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: meta(component, component),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)), Selector: selector(component), UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}
}

// apart asks for pods of a component on different nodes.
func apart(component string) *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight:          100,
			PodAffinityTerm: corev1.PodAffinityTerm{LabelSelector: selector(component), TopologyKey: corev1.LabelHostname},
		}},
	}}
}

func withoutToken(component string) client.Object {
	return &corev1.ServiceAccount{ObjectMeta: meta(component, component), AutomountServiceAccountToken: new(false)}
}
