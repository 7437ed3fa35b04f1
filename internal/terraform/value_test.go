// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func loaded(t *testing.T, k *kind) *kind {
	t.Helper()
	if err := k.load(); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNames(t *testing.T) {
	for key, want := range map[string]string{
		"podCIDR": "pod_cidr", "certSANs": "cert_sans", "nodeCIDRs": "node_cidrs", "floatingIPs": "floating_ips", "authURL": "auth_url", "coreDNS": "core_dns",
		"insecureSkipTLSVerify": "insecure_skip_tls_verify", "apiServer": "api_server", "sshKeys": "ssh_keys", "version": "version", "provider": "infrastructure",
		"endOfLife": "end_of_life", "httpProxy": "http_proxy", "upgradesFrom": "upgrades_from",
	} {
		if got := nameOf(key); got != want {
			t.Errorf("%s becomes %s, want %s", key, got, want)
		}
	}
}

func TestWhatCannotBeChangedComesFromTheRules(t *testing.T) {
	var found []string
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for _, f := range n.fields {
			if f.fixed {
				found = append(found, prefix+f.name)
			}
			walk(prefix+f.name+".", f.node)
		}
	}
	for _, k := range []*kind{&cluster, &nodePool, &preset} {
		walk(k.name+".", loaded(t, k).spec)
	}
	slices.Sort(found)
	want := []string{
		"cluster.datacenter", "cluster.network.agent_address", "cluster.network.dns_domain", "cluster.network.pod_cidr", "cluster.network.service_cidr",
		"cluster.profile", "node_pool.cluster", "preset.infrastructure",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

func TestIDs(t *testing.T) {
	at, err := nodePool.parse("shop/eu/workers")
	if err != nil || at != (place{"shop", "eu", "workers"}) || nodePool.id(at) != "shop/eu/workers" {
		t.Errorf("%+v, %v", at, err)
	}
	if got := nodePool.item(at); got != "/api/v1/projects/shop/clusters/eu/nodepools/workers" {
		t.Errorf("it is at %s", got)
	}
	for _, id := range []string{"", "shop", "shop/eu", "shop//workers", "a/b/c/d"} {
		if at, err := nodePool.parse(id); err == nil {
			t.Errorf("%q is %+v", id, at)
		}
	}
}

func TestErrorsAreAtTheirAttributes(t *testing.T) {
	k := loaded(t, &cluster)
	for location, want := range map[string]path.Path{
		"body.spec.version": path.Root("version"), "body.spec.network.podCIDR": path.Root("network").AtName("pod_cidr"),
		"body.spec.sshKeys[2]": path.Root("ssh_keys"), "body.spec.network.nothing": path.Root("network"),
	} {
		if got, ok := k.attributePath(location); !ok || !got.Equal(want) {
			t.Errorf("%s is at %s, want %s", location, got, want)
		}
	}
	if got, ok := k.attributePath("body.metadata.name"); ok {
		t.Errorf("what is no attribute is at %s", got)
	}
}

// TestWhatTheServerSaysIsNoDifference plays a plan, what the server makes of it, and what Terraform is told then.
func TestWhatTheServerSaysIsNoDifference(t *testing.T) {
	cases := map[string]struct {
		kind               *kind
		said, sent, answer string
	}{
		"an amount in another spelling": {&project, `{"quota":{"cpu":"0.5","memory":"1024Mi"}}`, `{"quota":{"cpu":"0.5","memory":"1024Mi"}}`, `{"quota":{"cpu":"500m","memory":"1Gi"}}`},
		"what is empty is left out":     {&cluster, `{"paused":false,"sshKeys":[],"preset":""}`, `{"paused":false,"sshKeys":[],"preset":""}`, `{"apiServer":{},"scheduler":{}}`},
		"one of several, without members": {
			&nodePool, `{"provider":{"local":{}},"replicas":2}`, `{"provider":{"local":{}},"replicas":2}`, `{"provider":{"local":{}},"replicas":2}`,
		},
		"lists of objects": {
			&nodePool, `{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute","value":"x"}]}`,
			`{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute","value":"x"}]}`,
			`{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute","value":"x"}]}`,
		},
		"dictionaries": {&nodePool, `{"labels":{"a":"b"}}`, `{"labels":{"a":"b"}}`, `{"labels":{"a":"b"}}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := loaded(t, tc.kind).spec
			plan := parse(t, spec, tc.said)
			var sent any
			sent, err := spec.toJSON(plan)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fromText(t, tc.sent), throughJSON(t, sent)); diff != "" {
				t.Error("what is sent:", diff)
			}
			after, err := spec.membersFromJSON(fromText(t, tc.answer).(map[string]any), plan)
			if err != nil {
				t.Fatal(err)
			}
			if !after.Equal(plan) {
				t.Errorf("planned %s\nbut there is %s", plan, after)
			}
		})
	}
}

func TestAnImportHasWhatThereIs(t *testing.T) {
	spec := loaded(t, &nodePool).spec
	empty := parse(t, spec, `{}`)
	got, err := spec.membersFromJSON(fromText(t, `{"cluster":"eu","provider":{"local":{}},"replicas":0}`).(map[string]any), empty)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := spec.toJSON(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromText(t, `{"cluster":"eu","provider":{"local":{}},"replicas":0}`), throughJSON(t, sent)); diff != "" {
		t.Error(diff)
	}
}

// parse makes a value of JSON in which nothing is left to defaults.
func parse(t *testing.T, n *node, text string) tftypes.Value {
	t.Helper()
	types := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	for name, a := range n.attributes() {
		types.AttributeTypes[name] = a.GetType().TerraformType(context.Background())
	}
	return literal(t, n, types, fromText(t, text))
}

// literal makes a value as a configuration would, without what the provider does for answers.
func literal(t *testing.T, n *node, typ tftypes.Type, value any) tftypes.Value {
	t.Helper()
	switch value := value.(type) {
	case nil:
		return tftypes.NewValue(typ, nil)
	case []any:
		elems := []tftypes.Value{}
		for _, elem := range value {
			elems = append(elems, literal(t, n.elem, elemOf(typ), elem))
		}
		return tftypes.NewValue(typ, elems)
	case map[string]any:
		members := map[string]tftypes.Value{}
		if n.shape == dict {
			for name, member := range value {
				members[name] = literal(t, n.elem, elemOf(typ), member)
			}
			return tftypes.NewValue(typ, members)
		}
		for _, f := range n.fields {
			members[f.name] = literal(t, f.node, typ.(tftypes.Object).AttributeTypes[f.name], value[f.key])
		}
		return tftypes.NewValue(typ, members)
	}
	return tftypes.NewValue(typ, value)
}

func fromText(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func throughJSON(t *testing.T, value any) any {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return fromText(t, string(content))
}
