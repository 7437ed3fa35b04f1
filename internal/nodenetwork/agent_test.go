// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"
)

// counter counts what is run, and fails if told to.
type counter struct {
	*knftables.Fake
	runs int
	fail error
}

func (c *counter) Run(ctx context.Context, tx *knftables.Transaction) error {
	c.runs++
	if c.fail != nil {
		return c.fail
	}
	return c.Fake.Run(ctx, tx)
}

// testAgent is an agent on node n, with a namespace and a policy that isolates all its pods.
func testAgent(t *testing.T) (*agent, *counter) {
	t.Helper()
	nft := &counter{Fake: knftables.NewFake(knftables.IPv4Family, table)}
	w := &watches{}
	for _, store := range []*cache.Store{&w.pods, &w.namespaces, &w.policies, &w.nodes} {
		*store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	}
	add(t, w.namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "x"}})
	add(t, w.policies, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: "deny"}})
	return &agent{node: "n", nft: nft, watches: w, results: t.TempDir(), wake: make(chan struct{}, 1)}, nft
}

func add(t *testing.T, store cache.Store, obj any) {
	t.Helper()
	kept, err := trim(obj)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Add(kept); err != nil {
		t.Fatal(err)
	}
}

func pod(name, node string, mods ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: node},
	}
	for _, mod := range mods {
		mod(p)
	}
	return p
}

func at(ip string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip}) }
}

// writeResult writes the result of a CNI plugin as containerd's library does.
func writeResult(t *testing.T, dir, name, uid, ip string, modified time.Time) {
	t.Helper()
	content := fmt.Sprintf(`{"kind":"cniCacheV1","ifName":"eth0","cniArgs":[["IgnoreUnknown","1"],["K8S_POD_UID",%q]],
		"result":{"cniVersion":"0.4.0","ips":[{"version":"4","address":%q},{"version":"6","address":"fd00::5/64"}]}}`, uid, ip+"/24")
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func enforce(t *testing.T, a *agent, again bool) {
	t.Helper()
	if err := a.enforce(t.Context(), again); err != nil {
		t.Fatal(err)
	}
}

func TestRulesAreWrittenWhenTheyChange(t *testing.T) {
	a, nft := testAgent(t)
	enforce(t, a, false)
	if nft.runs != 1 || !a.ready.Load() {
		t.Fatalf("the first time, %d transactions, ready %v", nft.runs, a.ready.Load())
	}
	add(t, a.watches.pods, pod("elsewhere", "other", at("10.0.9.9")))
	enforce(t, a, false)
	if nft.runs != 1 {
		t.Error("a pod of another node that no policy speaks of made the rules be written")
	}
	add(t, a.watches.pods, pod("here", "n", at("10.0.0.1")))
	enforce(t, a, false)
	if nft.runs != 2 || !strings.Contains(nft.Dump(), "ingress-pods { 10.0.0.1 : goto") {
		t.Errorf("%d transactions, and the table is\n%s", nft.runs, nft.Dump())
	}
	enforce(t, a, true)
	if nft.runs != 3 {
		t.Error("the rules were not written again")
	}
}

func TestAFailureIsTriedAgain(t *testing.T) {
	a, nft := testAgent(t)
	nft.fail = errors.New("no")
	if err := a.enforce(t.Context(), false); err == nil || a.ready.Load() {
		t.Fatalf("error %v, ready %v", err, a.ready.Load())
	}
	nft.fail = nil
	enforce(t, a, false)
	if !a.ready.Load() {
		t.Error("not ready after the rules were written")
	}
}

func TestAPodIsIsolatedBeforeTheAPIKnowsItsAddress(t *testing.T) {
	a, nft := testAgent(t)
	add(t, a.watches.pods, pod("new", "n"))
	writeResult(t, a.results, "canopy-1-eth0", "uid-new", "10.0.0.7", time.Now())
	enforce(t, a, false)
	if !strings.Contains(nft.Dump(), "ingress-pods { 10.0.0.7 : goto") {
		t.Error(nft.Dump())
	}
}

func TestPodsThatPoliciesDoNotSpeakOf(t *testing.T) {
	for name, p := range map[string]*corev1.Pod{
		"uses the node's network": pod("p", "n", at("10.0.0.1"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
		"has succeeded":           pod("p", "n", at("10.0.0.1"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		"has failed":              pod("p", "n", at("10.0.0.1"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		"has no address":          pod("p", "n"),
		"has only an IPv6 one":    pod("p", "n", at("fd00::1")),
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := toPod(p, "n", nil); ok {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestToPod(t *testing.T) {
	p := pod("p", "n", at("10.0.0.1"), at("fd00::1"), func(p *corev1.Pod) {
		p.Labels = map[string]string{"a": "b"}
		p.Spec.InitContainers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "sidecar", ContainerPort: 1}}}}
		p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 2}}}}
	})
	trimmed, err := trim(p)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := toPod(trimmed.(*corev1.Pod), "n", map[types.UID][]netip.Addr{
		"uid-p": {netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")},
	})
	want := Pod{
		Namespace: "x", Labels: map[string]string{"a": "b"}, Local: true,
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")},
		Ports:     []corev1.ContainerPort{{Name: "sidecar", ContainerPort: 1}, {Name: "web", ContainerPort: 2}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

func TestAttachedPods(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	writeResult(t, dir, "canopy-1-eth0", "a", "10.0.0.1", now)
	writeResult(t, dir, "canopy-2-eth0", "b", "10.0.0.2", now)
	// Left behind by a power cut: its address belongs to somebody else now.
	writeResult(t, dir, "canopy-3-eth0", "c", "10.0.0.2", now.Add(-time.Hour))
	for name, content := range map[string]string{
		"half":     `{"kind":"cniCacheV1","ifNa`,
		"loopback": `{"ifName":"lo","cniArgs":[["K8S_POD_UID","a"]],"result":{"ips":[{"address":"127.0.0.1/8"}]}}`,
		"no-pod":   `{"ifName":"eth0","result":{"ips":[{"address":"10.0.0.9/24"}]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := attachedPods(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[types.UID][]netip.Addr{"a": {netip.MustParseAddr("10.0.0.1")}, "b": {netip.MustParseAddr("10.0.0.2")}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}
