// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// world has three namespaces, each with pods a and b, all of them on this node but those of namespace z.
func world(t *testing.T, policies ...string) Cluster {
	t.Helper()
	c := Cluster{Namespaces: map[string]labels.Set{}}
	for i, namespace := range []string{"x", "y", "z"} {
		c.Namespaces[namespace] = labels.Set{"ns": namespace, "team": map[string]string{"x": "red", "y": "blue", "z": "blue"}[namespace]}
		for j, name := range []string{"a", "b"} {
			c.Pods = append(c.Pods, Pod{
				Namespace: namespace,
				Labels:    labels.Set{"pod": name},
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i + 1), byte(j + 1)})},
				// The same name is another number in each pod, and b has it for UDP, too.
				Ports: []corev1.ContainerPort{
					{Name: "web", ContainerPort: int32(8080 + 10*i + j)},
					{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
				},
				Local: namespace != "z",
			})
		}
	}
	for _, text := range policies {
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: "p"}}
		if err := yaml.UnmarshalStrict([]byte(text), &policy); err != nil {
			t.Fatal(err)
		}
		c.Policies = append(c.Policies, policy)
	}
	return c
}

// address of a pod of world, such as "x/a", or of somebody outside the cluster.
func address(t *testing.T, s string) netip.Addr {
	t.Helper()
	if len(s) == 3 {
		return netip.AddrFrom4([4]byte{10, 0, s[0] - 'x' + 1, s[2] - 'a' + 1})
	}
	return netip.MustParseAddr(s)
}

// packet is the first one of a connection.
type packet struct {
	from, to string
	protocol corev1.Protocol
	port     uint16
}

// passes says what the node does with a packet, as nftables.go says it in rules.
func (r Ruleset) passes(t *testing.T, p packet) bool {
	t.Helper()
	from, to := address(t, p.from), address(t, p.to)
	return from == to || r.Egress.passes(from, to, to, p) && r.Ingress.passes(to, from, to, p)
}

func (s Side) passes(pod, peer, to netip.Addr, p packet) bool {
	policies, isolated := s.Isolated[pod]
	if !isolated {
		return true
	}
	for _, policy := range policies {
		for _, m := range s.Allowed[policy] {
			if m.fits(peer, to, p) {
				return true
			}
		}
	}
	return false
}

func (m Match) fits(peer, to netip.Addr, p packet) bool {
	if m.Pods != nil && !slices.Contains(m.Pods, peer) {
		return false
	}
	if m.Block.IsValid() && !m.Block.Contains(peer) || slices.ContainsFunc(m.Except, func(e netip.Prefix) bool { return e.Contains(peer) }) {
		return false
	}
	if m.Targets != nil {
		return slices.Contains(m.Targets, Target{Address: to, Protocol: p.protocol, Port: p.port})
	}
	if m.Protocol != "" && m.Protocol != p.protocol {
		return false
	}
	return m.Port == 0 || p.port >= m.Port && p.port <= max(m.Port, m.EndPort)
}

const (
	tcp  = corev1.ProtocolTCP
	udp  = corev1.ProtocolUDP
	sctp = corev1.ProtocolSCTP
)

func TestRules(t *testing.T) {
	for name, tc := range map[string]struct {
		policies []string
		pass     []packet
		drop     []packet
	}{
		"without policies everything passes": {
			pass: []packet{{"x/a", "x/b", tcp, 80}, {"z/a", "x/a", udp, 53}, {"198.51.100.1", "x/a", tcp, 80}, {"x/a", "198.51.100.1", tcp, 80}},
		},
		"a policy without rules isolates what it selects, in the default direction only": {
			policies: []string{`{spec: {podSelector: {matchLabels: {pod: a}}}}`},
			drop:     []packet{{"x/b", "x/a", tcp, 80}, {"198.51.100.1", "x/a", tcp, 80}, {"z/a", "x/a", sctp, 80}},
			pass:     []packet{{"x/a", "x/b", tcp, 80}, {"x/a", "198.51.100.1", tcp, 80}, {"x/b", "y/a", tcp, 80}, {"y/a", "x/b", tcp, 80}},
		},
		"a pod always reaches itself": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`},
			pass:     []packet{{"x/a", "x/a", tcp, 80}},
			drop:     []packet{{"x/a", "x/b", tcp, 80}},
		},
		"egress rules make a policy one for egress, too, if it does not say": {
			policies: []string{`{spec: {podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]}}`},
			pass:     []packet{},
			drop:     []packet{{"x/a", "y/b", tcp, 80}, {"x/a", "198.51.100.1", tcp, 80}, {"x/a", "x/b", tcp, 80}, {"y/a", "x/b", tcp, 80}},
		},
		"egress only leaves ingress open": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Egress]}}`},
			pass:     []packet{{"y/a", "x/b", tcp, 80}},
			drop:     []packet{{"x/a", "y/a", tcp, 80}},
		},
		"an empty rule allows everything": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}}`},
			pass:     []packet{{"198.51.100.1", "x/a", tcp, 80}, {"x/a", "198.51.100.1", udp, 53}, {"y/a", "x/a", sctp, 9}},
		},
		"a pod selector alone means pods of the same namespace": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}}`},
			pass:     []packet{{"x/b", "x/a", tcp, 80}},
			drop:     []packet{{"y/b", "x/a", tcp, 80}, {"x/a", "x/b", tcp, 80}},
		},
		"a namespace selector alone means all pods there": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}}`},
			pass:     []packet{{"y/a", "x/a", tcp, 80}, {"z/b", "x/a", tcp, 80}},
			drop:     []packet{{"x/b", "x/a", tcp, 80}, {"198.51.100.1", "x/a", tcp, 80}},
		},
		"an empty namespace selector means all pods of the cluster and nobody else": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}}`},
			pass:     []packet{{"y/a", "x/a", tcp, 80}, {"x/b", "x/a", tcp, 80}},
			drop:     []packet{{"198.51.100.1", "x/a", tcp, 80}},
		},
		"both selectors in one peer must fit": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {pod: a}}}]}]}}`},
			pass:     []packet{{"y/a", "x/a", tcp, 80}},
			drop:     []packet{{"y/b", "x/a", tcp, 80}, {"x/a", "x/b", tcp, 80}},
		},
		"of two peers one is enough": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}, {podSelector: {matchLabels: {pod: a}}}]}]}}`},
			pass:     []packet{{"y/b", "x/a", tcp, 80}, {"x/a", "x/b", tcp, 80}},
			drop:     []packet{{"x/b", "x/a", tcp, 80}},
		},
		"expressions are understood": {
			policies: []string{`{spec: {podSelector: {matchExpressions: [{key: pod, operator: In, values: [a]}]}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x, "y"]}]}}]}]}}`},
			pass:     []packet{{"z/a", "x/a", tcp, 80}, {"y/a", "x/b", tcp, 80}},
			drop:     []packet{{"y/a", "x/a", tcp, 80}, {"x/b", "x/a", tcp, 80}},
		},
		"selectors that fit nobody allow nobody": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: none}}}]}]}}`},
			drop:     []packet{{"x/a", "x/b", tcp, 80}, {"y/a", "x/b", tcp, 80}, {"198.51.100.1", "x/a", tcp, 80}},
		},
		"a block allows its range without the exceptions, which may overlap": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.64/26, 198.51.100.96/27]}}]}]}}`},
			pass:     []packet{{"198.51.100.1", "x/a", tcp, 80}, {"198.51.100.200", "x/a", udp, 80}},
			drop:     []packet{{"198.51.100.65", "x/a", tcp, 80}, {"198.51.100.97", "x/a", tcp, 80}, {"203.0.113.1", "x/a", tcp, 80}, {"x/b", "x/a", tcp, 80}},
		},
		"an exception of one block does not touch another": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [198.51.100.0/24]}}, {ipBlock: {cidr: 198.51.100.7/32}}]}]}}`},
			pass:     []packet{{"x/a", "203.0.113.1", tcp, 80}, {"x/a", "198.51.100.7", tcp, 80}, {"x/a", "z/a", tcp, 80}},
			drop:     []packet{{"x/a", "198.51.100.8", tcp, 80}},
		},
		"IPv6 blocks alone allow nobody": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}}`},
			drop:     []packet{{"198.51.100.1", "x/a", tcp, 80}, {"y/a", "x/a", tcp, 80}},
		},
		"a port is TCP if it does not say": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}`},
			pass:     []packet{{"198.51.100.1", "x/a", tcp, 80}},
			drop:     []packet{{"198.51.100.1", "x/a", udp, 80}, {"198.51.100.1", "x/a", tcp, 81}},
		},
		"a protocol without a port means all its ports": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}}`},
			pass:     []packet{{"x/b", "x/a", udp, 1}, {"x/b", "x/a", udp, 65535}},
			drop:     []packet{{"x/b", "x/a", tcp, 80}},
		},
		"ranges of ports include both ends and may overlap": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}, {port: 85, endPort: 100}, {protocol: SCTP, port: 7, endPort: 7}]}]}}`},
			pass:     []packet{{"x/b", "x/a", tcp, 80}, {"x/b", "x/a", tcp, 90}, {"x/b", "x/a", tcp, 100}, {"x/b", "x/a", sctp, 7}},
			drop:     []packet{{"x/b", "x/a", tcp, 79}, {"x/b", "x/a", tcp, 101}, {"x/b", "x/a", sctp, 8}},
		},
		"a port's name is the selected pod's own, for ingress": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: web}]}]}}`},
			pass:     []packet{{"x/b", "x/a", tcp, 8080}, {"x/a", "x/b", tcp, 8081}},
			drop:     []packet{{"x/b", "x/a", tcp, 8081}, {"x/a", "x/b", tcp, 8080}, {"y/a", "x/b", tcp, 8081}, {"x/b", "x/a", udp, 8080}},
		},
		"a port's name is the other pod's own, for egress": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: z}}}], ports: [{port: web}, {port: dns, protocol: UDP}]}]}}`},
			pass:     []packet{{"x/a", "z/a", tcp, 8100}, {"x/a", "z/b", tcp, 8101}, {"x/a", "z/b", udp, 53}},
			drop:     []packet{{"x/a", "z/a", tcp, 8101}, {"x/a", "y/a", tcp, 8090}, {"x/a", "z/a", tcp, 53}},
		},
		"a port's name to everybody means every pod that has it": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: web}]}]}}`},
			pass:     []packet{{"x/a", "y/b", tcp, 8091}, {"x/a", "z/a", tcp, 8100}},
			drop:     []packet{{"x/a", "y/b", tcp, 8090}, {"x/a", "198.51.100.1", tcp, 8091}},
		},
		"a port's name means nothing in a block": {
			policies: []string{`{spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: web}, {port: 443}]}]}}`},
			pass:     []packet{{"x/a", "y/b", tcp, 443}},
			drop:     []packet{{"x/a", "y/b", tcp, 8091}},
		},
		"a name that no pod has allows nothing": {
			policies: []string{`{spec: {podSelector: {}, ingress: [{ports: [{port: nothing}]}]}}`},
			drop:     []packet{{"x/b", "x/a", tcp, 8080}, {"x/b", "x/a", tcp, 0}},
		},
		"policies add up": {
			policies: []string{
				`{metadata: {name: p1}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}`,
				`{metadata: {name: p2}, spec: {podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 80}]}]}}`,
			},
			pass: []packet{{"x/b", "x/a", tcp, 1}, {"y/a", "x/a", tcp, 80}, {"x/a", "x/b", tcp, 1}},
			drop: []packet{{"y/a", "x/b", tcp, 80}, {"y/a", "x/a", tcp, 1}},
		},
		"both ends must allow": {
			policies: []string{
				`{metadata: {name: p1}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}}`,
				`{metadata: {name: p2, namespace: "y"}, spec: {podSelector: {}, ingress: [{ports: [{port: 80}, {port: 81}]}]}}`,
			},
			pass: []packet{{"x/a", "y/a", tcp, 80}, {"z/a", "y/a", tcp, 81}},
			drop: []packet{{"x/a", "y/a", tcp, 81}, {"z/a", "y/a", tcp, 82}},
		},
		"pods of other nodes are left to those": {
			policies: []string{`{metadata: {namespace: z}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`},
			pass:     []packet{{"z/a", "x/a", tcp, 80}, {"x/a", "z/a", tcp, 80}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rules := Rules(world(t, tc.policies...))
			for _, p := range tc.pass {
				if !rules.passes(t, p) {
					t.Errorf("%v is dropped, and should pass", p)
				}
			}
			for _, p := range tc.drop {
				if rules.passes(t, p) {
					t.Errorf("%v passes, and should be dropped", p)
				}
			}
		})
	}
}

// The rules are only written when they differ from the last ones, so the same cluster must give the same.
func TestRulesDoNotDependOnTheOrderOfWhatWasRead(t *testing.T) {
	policies := []string{
		`{metadata: {name: p1}, spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: web}]}]}}`,
		`{metadata: {name: p2}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}`,
	}
	c := world(t, policies...)
	want := dump(t, Rules(c))
	slices.Reverse(c.Pods)
	slices.Reverse(c.Policies)
	if got := dump(t, Rules(c)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
