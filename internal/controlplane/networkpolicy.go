// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
)

// SystemNamespaceLabel is on the namespace in which the seed manager runs; its pods may reach every control plane.
const SystemNamespaceLabel = "hosting.canopy.dev/system"

// networkPolicies let into a cluster's pods only what they are there for. Its machines, where they are pods of the seed, are
// reached by each other alone: the control plane has no way to them but the tunnel, as with machines of a cloud.
func networkPolicies(in Input) []client.Object {
	controlPlane := component(metav1.LabelSelectorOpIn, Name)
	return []client.Object{
		in.policy("deny", metav1.LabelSelector{}),
		// What people and nodes reach; it knows itself whom to let in.
		in.policy("exposed", metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelExposed: "true"}},
			networkingv1.NetworkPolicyIngressRule{Ports: ports(PortAPI, PortTunnel)}),
		in.policy("relay", component(metav1.LabelSelectorOpIn, openvpn.Server),
			networkingv1.NetworkPolicyIngressRule{From: pods(controlPlane), Ports: ports(portRelay)}),
		// Prometheus asks the components, and is asked by nobody in the namespace.
		in.policy("metrics", component(metav1.LabelSelectorOpNotIn, v1alpha1.ComponentMachine),
			networkingv1.NetworkPolicyIngressRule{From: pods(component(metav1.LabelSelectorOpIn, Prometheus)), Ports: ports(metricsPorts...)}),
		in.policy("machines", component(metav1.LabelSelectorOpIn, v1alpha1.ComponentMachine),
			networkingv1.NetworkPolicyIngressRule{From: pods(component(metav1.LabelSelectorOpIn, v1alpha1.ComponentMachine))}),
		in.policy("seed-manager", component(metav1.LabelSelectorOpNotIn, v1alpha1.ComponentMachine),
			networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{SystemNamespaceLabel: "true"}},
			}}}),
	}
}

func (in Input) policy(name string, selected metav1.LabelSelector, ingress ...networkingv1.NetworkPolicyIngressRule) client.Object {
	return &networkingv1.NetworkPolicy{ObjectMeta: in.meta(name, ""), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: selected,
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     ingress,
	}}
}

func component(operator metav1.LabelSelectorOperator, name string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelComponent, Operator: operator, Values: []string{name}}}}
}

func pods(selected metav1.LabelSelector) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{PodSelector: &selected}}
}

func ports(names ...string) []networkingv1.NetworkPolicyPort {
	allowed := make([]networkingv1.NetworkPolicyPort, 0, len(names))
	for _, name := range names {
		allowed = append(allowed, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromString(name))})
	}
	return allowed
}
