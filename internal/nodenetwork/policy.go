// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Cluster is what is known of the cluster. Of pods it holds those that can be addressed by policies: they have an address of
// their own, and have not ended.
type Cluster struct {
	Policies   []*networkingv1.NetworkPolicy
	Pods       []Pod
	Namespaces map[string]labels.Set // the labels of each namespace
}

// Pod is what matters of a pod.
type Pod struct {
	Namespace string
	Labels    labels.Set
	Addresses []netip.Addr // IPv4
	Ports     []corev1.ContainerPort
	Local     bool // it runs on this node
}

// Ruleset is what the node has to enforce, in a form that can be compared.
type Ruleset struct{ Ingress, Egress Side }

// Side is one direction of a Ruleset: what comes to pods, or what leaves them.
type Side struct {
	// Isolated are the addresses of this node's pods that are selected by policies, with the names of those, sorted. What
	// none of them allows is dropped.
	Isolated map[netip.Addr][]string
	// Allowed is what a policy lets through, by the policy's name.
	Allowed map[string][]Match
}

// Match describes packets: all of its fields that are set must fit. The zero value describes every packet.
type Match struct {
	// Pods are the addresses of the pods on the other end. Nil is any, none is none.
	Pods []netip.Addr
	// Block is the range that the other end's address is in, and Except are parts of it that do not count.
	Block  netip.Prefix
	Except []netip.Prefix
	// Protocol, and Port to EndPort (0: just Port; 0 as Port: all).
	Protocol      corev1.Protocol
	Port, EndPort uint16
	// Targets are the receiving ends, where the policy names a port that each pod has a number of its own for. Nil is any,
	// none is none.
	Targets []Target
}

// Target is a port of a pod.
type Target struct {
	Address  netip.Addr
	Protocol corev1.Protocol
	Port     uint16
}

// Rules returns what this node has to enforce. Of each connection, the sender's node enforces the sender's egress and the
// receiver's node the receiver's ingress.
func Rules(c Cluster) Ruleset {
	return Ruleset{Ingress: c.side(networkingv1.PolicyTypeIngress), Egress: c.side(networkingv1.PolicyTypeEgress)}
}

func (c Cluster) side(direction networkingv1.PolicyType) Side {
	side := Side{Isolated: map[netip.Addr][]string{}, Allowed: map[string][]Match{}}
	for _, policy := range c.Policies {
		if !applies(policy, direction) {
			continue
		}
		selected := c.selected(policy)
		name := policy.Namespace + "/" + policy.Name
		for _, pod := range selected {
			for _, address := range pod.Addresses {
				side.Isolated[address] = append(side.Isolated[address], name)
			}
		}
		if len(selected) == 0 {
			continue
		}
		if direction == networkingv1.PolicyTypeIngress {
			side.Allowed[name] = c.ingress(policy, selected)
		} else {
			side.Allowed[name] = c.egress(policy)
		}
	}
	for address, names := range side.Isolated {
		side.Isolated[address] = compact(names, strings.Compare)
	}
	return side
}

// applies follows the API's rule for policies that do not say what they are for.
func applies(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) > 0 {
		return slices.Contains(policy.Spec.PolicyTypes, direction)
	}
	return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
}

// selected returns the pods of this node that a policy isolates.
func (c Cluster) selected(policy *networkingv1.NetworkPolicy) []Pod {
	fits := selector(&policy.Spec.PodSelector)
	return slices.DeleteFunc(slices.Clone(c.Pods), func(pod Pod) bool {
		return !pod.Local || pod.Namespace != policy.Namespace || !fits.Matches(pod.Labels)
	})
}

// ingress: a port's name is looked up in the selected pods.
func (c Cluster) ingress(policy *networkingv1.NetworkPolicy, selected []Pod) []Match {
	var matches []Match
	for _, rule := range policy.Spec.Ingress {
		for _, from := range c.ends(policy.Namespace, rule.From) {
			matches = append(matches, withPorts(from, rule.Ports, selected)...)
		}
	}
	return matches
}

// egress: a port's name is looked up in the pods on the other end. An address block has no pods that could know it.
func (c Cluster) egress(policy *networkingv1.NetworkPolicy) []Match {
	var matches []Match
	for _, rule := range policy.Spec.Egress {
		for _, to := range c.ends(policy.Namespace, rule.To) {
			var receivers []Pod
			switch {
			case to.Pods != nil:
				receivers = c.peers(policy.Namespace, rule.To)
			case !to.Block.IsValid():
				receivers = c.Pods
			}
			matches = append(matches, withPorts(to, rule.Ports, receivers)...)
		}
	}
	return matches
}

// ends returns what a rule says of the other end: one Match for all pods, and one for each block. No peers mean everybody.
func (c Cluster) ends(namespace string, peers []networkingv1.NetworkPolicyPeer) []Match {
	if len(peers) == 0 {
		return []Match{{}}
	}
	var ends []Match
	selectsPods := false
	for _, peer := range peers {
		if peer.IPBlock == nil {
			selectsPods = true
		} else if block, ok := block(peer.IPBlock); ok {
			ends = append(ends, block)
		}
	}
	if selectsPods {
		pods := []netip.Addr{}
		for _, pod := range c.peers(namespace, peers) {
			pods = append(pods, pod.Addresses...)
		}
		ends = append(ends, Match{Pods: compact(pods, netip.Addr.Compare)})
	}
	return ends
}

// block returns false for ranges that are not IPv4, in which no pod and nobody who reaches one can be.
func block(b *networkingv1.IPBlock) (Match, bool) {
	prefix, err := netip.ParsePrefix(b.CIDR)
	if err != nil || !prefix.Addr().Is4() {
		return Match{}, false
	}
	match := Match{Block: prefix.Masked()}
	for _, s := range b.Except {
		if except, err := netip.ParsePrefix(s); err == nil && except.Addr().Is4() {
			match.Except = append(match.Except, except.Masked())
		}
	}
	return match, true
}

// peers returns the pods that any of the peers selects.
func (c Cluster) peers(namespace string, peers []networkingv1.NetworkPolicyPeer) []Pod {
	var anyOf []func(Pod) bool
	for _, peer := range peers {
		if peer.IPBlock == nil {
			anyOf = append(anyOf, c.selects(namespace, peer))
		}
	}
	return slices.DeleteFunc(slices.Clone(c.Pods), func(pod Pod) bool {
		return !slices.ContainsFunc(anyOf, func(selects func(Pod) bool) bool { return selects(pod) })
	})
}

// selects: without a selector for namespaces a peer means pods of the policy's own, without one for pods all of them.
func (c Cluster) selects(namespace string, peer networkingv1.NetworkPolicyPeer) func(Pod) bool {
	pods := labels.Everything()
	if peer.PodSelector != nil {
		pods = selector(peer.PodSelector)
	}
	if peer.NamespaceSelector == nil {
		return func(pod Pod) bool { return pod.Namespace == namespace && pods.Matches(pod.Labels) }
	}
	namespaces := selector(peer.NamespaceSelector)
	return func(pod Pod) bool { return namespaces.Matches(c.Namespaces[pod.Namespace]) && pods.Matches(pod.Labels) }
}

// withPorts returns match narrowed to each of the ports. No ports mean all.
func withPorts(match Match, ports []networkingv1.NetworkPolicyPort, receivers []Pod) []Match {
	if len(ports) == 0 {
		return []Match{match}
	}
	var matches []Match
	for _, port := range ports {
		m := match
		m.Protocol = corev1.ProtocolTCP
		if port.Protocol != nil {
			m.Protocol = *port.Protocol
		}
		switch {
		case port.Port == nil:
		case port.Port.Type == intstr.String:
			m.Targets = targets(receivers, m.Protocol, port.Port.StrVal)
		default:
			m.Port = uint16(port.Port.IntVal)
			if port.EndPort != nil {
				m.EndPort = uint16(*port.EndPort)
			}
		}
		matches = append(matches, m)
	}
	return matches
}

func targets(pods []Pod, protocol corev1.Protocol, name string) []Target {
	found := []Target{}
	for _, pod := range pods {
		for _, port := range pod.Ports {
			if port.Name != name || cmp.Or(port.Protocol, corev1.ProtocolTCP) != protocol {
				continue
			}
			for _, address := range pod.Addresses {
				found = append(found, Target{Address: address, Protocol: protocol, Port: uint16(port.ContainerPort)})
			}
		}
	}
	return compact(found, func(a, b Target) int { return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port)) })
}

// selector returns one that selects nothing if s is malformed, which the API does not let in.
func selector(s *metav1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return parsed
}

func compact[T comparable](list []T, compare func(a, b T) int) []T {
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}
