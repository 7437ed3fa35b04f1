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
)

// SystemNamespaceLabel is on the namespace in which the seed manager runs; its pods may reach every control plane.
const SystemNamespaceLabel = "hosting.canopy.dev/system"

// networkPolicies separate the namespaces of clusters: nothing comes in from another namespace but to the API, which
// anybody may reach and which knows whom to let in, and from the seed manager. What Prometheus knows is asked by the
// seed's own and by nobody in the namespace, where machines may be as well.
func networkPolicies(in Input) []client.Object {
	policy := func(name string, spec networkingv1.NetworkPolicySpec) client.Object {
		spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		return &networkingv1.NetworkPolicy{ObjectMeta: in.meta(name, ""), Spec: spec}
	}
	controlPlane := metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: Name}}
	system := metav1.LabelSelector{MatchLabels: map[string]string{SystemNamespaceLabel: "true"}}
	return []client.Object{
		policy("same-namespace", networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: v1alpha1.LabelComponent, Operator: metav1.LabelSelectorOpNotIn, Values: []string{Prometheus}},
			}},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}},
		}),
		policy("api", networkingv1.NetworkPolicySpec{
			PodSelector: controlPlane,
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromString(PortAPI))}},
			}},
		}),
		policy("seed-manager", networkingv1.NetworkPolicySpec{
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &system}}}},
		}),
	}
}
