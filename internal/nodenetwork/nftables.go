// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/knftables"
)

// table is the nftables table that holds the rules, and nothing else's.
const table = "canopy-network-policy"

// side is how one direction looks in nftables. Egress comes before ingress, in a base chain of its own: what accepts a packet
// in one goes on to the other.
type side struct {
	name, pod, peer string // the fields of a packet that hold the isolated pod's address and the other end's
	priority        knftables.BaseChainPriority
}

var (
	egress  = side{name: "egress", pod: "ip saddr", peer: "ip daddr", priority: knftables.FilterPriority}
	ingress = side{name: "ingress", pod: "ip daddr", peer: "ip saddr", priority: knftables.FilterPriority + "+10"}
)

// writer adds rules to a transaction. Sets are named after their content, so that what many lines speak of is written once.
type writer struct {
	*knftables.Transaction
	written map[string]bool
}

// write makes tx replace the whole table by the rules, at once: no packet sees half of them.
//
//	chain egress, ingress       every forwarded packet; looks up the pod's address in the map of the same name
//	chain egress-pods-<hash>    of all pods with the same policies: jumps to each policy's chain, then drops
//	chain egress-<hash>         of a policy: accepts what it allows
//	set   pods-<hash>           addresses of pods
//	set   ports-<hash>          addresses of pods, each with a port
//
// The node itself reaches its pods always, as the API demands: what it sends and receives is not forwarded.
func (r Ruleset) write(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{}) // so that there is one to delete
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("NetworkPolicies of the pods on this node")})
	w := writer{tx, map[string]bool{}}
	w.side(r.Egress, egress)
	w.side(r.Ingress, ingress)
}

func (w writer) side(s Side, d side) {
	for _, policy := range slices.Sorted(maps.Keys(s.Allowed)) {
		chain := d.name + "-" + hash(policy)
		w.Add(&knftables.Chain{Name: chain, Comment: knftables.PtrTo(shorten(policy))})
		for _, match := range s.Allowed[policy] {
			w.Add(&knftables.Rule{Chain: chain, Rule: strings.Join(append(w.match(match, d), "accept"), " ")})
		}
	}
	pods, self := d.name+"-pods", d.name+"-self"
	w.Add(&knftables.Map{Name: pods, Type: "ipv4_addr : verdict"})
	w.Add(&knftables.Set{Name: self, Type: "ipv4_addr . ipv4_addr"})
	for _, address := range slices.SortedFunc(maps.Keys(s.Isolated), netip.Addr.Compare) {
		chain := w.group(d, pods, s.Isolated[address])
		w.Add(&knftables.Element{Map: pods, Key: []string{address.String()}, Value: []string{"goto " + chain}})
		w.Add(&knftables.Element{Set: self, Key: []string{address.String(), address.String()}})
	}
	w.Add(&knftables.Chain{
		Name:     d.name,
		Type:     knftables.PtrTo(knftables.FilterType),
		Hook:     knftables.PtrTo(knftables.ForwardHook),
		Priority: knftables.PtrTo(d.priority),
	})
	// A policy decides about new connections; answers and what is open already pass.
	w.Add(&knftables.Rule{Chain: d.name, Rule: "ct state established,related accept"})
	// A pod that calls a Service may be led back to itself.
	w.Add(&knftables.Rule{Chain: d.name, Rule: knftables.Concat("ip saddr . ip daddr", "@"+self, "accept")})
	w.Add(&knftables.Rule{Chain: d.name, Rule: knftables.Concat(d.pod, "vmap", "@"+pods)})
}

// group returns the chain of the pods that have these policies.
func (w writer) group(d side, prefix string, policies []string) string {
	chain := prefix + "-" + hash(strings.Join(policies, " "))
	if !w.first(chain) {
		return chain
	}
	w.Add(&knftables.Chain{Name: chain})
	for _, policy := range policies {
		w.Add(&knftables.Rule{Chain: chain, Rule: "jump " + d.name + "-" + hash(policy)})
	}
	w.Add(&knftables.Rule{Chain: chain, Rule: "drop"})
	return chain
}

// match says in a rule's words what m describes, and adds the sets that those speak of.
func (w writer) match(m Match, d side) []string {
	var words []string
	if m.Block.IsValid() && m.Block.Bits() > 0 {
		words = append(words, d.peer, m.Block.String())
	}
	for _, except := range m.Except {
		words = append(words, d.peer, "!=", except.String())
	}
	if m.Pods != nil {
		var elements [][]string
		for _, address := range m.Pods {
			elements = append(elements, []string{address.String()})
		}
		words = append(words, d.peer, "@"+w.set("pods", "ipv4_addr", elements))
	}
	switch {
	case m.Targets != nil:
		var elements [][]string
		for _, t := range m.Targets {
			elements = append(elements, []string{t.Address.String(), protocol(t.Protocol), strconv.Itoa(int(t.Port))})
		}
		words = append(words, "ip daddr . meta l4proto . th dport", "@"+w.set("ports", "ipv4_addr . inet_proto . inet_service", elements))
	case m.Protocol == "":
	case m.Port == 0:
		words = append(words, "meta l4proto", protocol(m.Protocol))
	case m.EndPort > m.Port:
		words = append(words, protocol(m.Protocol), "dport", fmt.Sprintf("%d-%d", m.Port, m.EndPort))
	default:
		words = append(words, protocol(m.Protocol), "dport", strconv.Itoa(int(m.Port)))
	}
	return words
}

// set returns the name of a set with these elements.
func (w writer) set(prefix, kind string, elements [][]string) string {
	name := prefix + "-" + hash(fmt.Sprint(elements))
	if !w.first(name) {
		return name
	}
	w.Add(&knftables.Set{Name: name, Type: kind})
	for _, element := range elements {
		w.Add(&knftables.Element{Set: name, Key: element})
	}
	return name
}

// first reports whether nothing of this name has been written yet.
func (w writer) first(name string) bool {
	known := w.written[name]
	w.written[name] = true
	return !known
}

func protocol(p corev1.Protocol) string { return strings.ToLower(string(p)) }

// hash makes a name that nftables takes of one that may be too long for it.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func shorten(comment string) string { return comment[:min(len(comment), knftables.CommentLengthMax)] }
