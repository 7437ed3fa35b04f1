// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// core calls the provider as Terraform does, where there is no Terraform.
type core struct {
	t       *testing.T
	server  tfprotov6.ProviderServer
	schemas map[string]*tfprotov6.Schema
}

func newCore(t *testing.T) core {
	t.Helper()
	provider, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	c := core{t: t, server: providerserver.NewProtocol6(provider())()}
	all, err := c.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	c.check(err, all.Diagnostics)
	c.schemas = all.ResourceSchemas
	config := c.value(all.Provider.ValueType(), map[string]any{"server": test.URL, "token": admin, "ca_certificate": string(test.CA)})
	configured, err := c.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: c.pack(config)})
	c.check(err, configured.Diagnostics)
	return c
}

func (c core) check(err error, diags []*tfprotov6.Diagnostic) {
	c.t.Helper()
	if text := problems(diags); err != nil || text != "" {
		c.t.Fatal(err, text)
	}
}

func problems(diags []*tfprotov6.Diagnostic) string {
	var lines []string
	for _, d := range diags {
		lines = append(lines, d.Attribute.String()+": "+d.Summary+": "+d.Detail)
	}
	return strings.Join(lines, "\n")
}

// value makes a value of a type; what is not said is null.
func (c core) value(typ tftypes.Type, said any) tftypes.Value {
	switch said := said.(type) {
	case nil:
		return tftypes.NewValue(typ, nil)
	case []any:
		elems := []tftypes.Value{}
		for _, elem := range said {
			elems = append(elems, c.value(elemOf(typ), elem))
		}
		return tftypes.NewValue(typ, elems)
	case map[string]any:
		members := map[string]tftypes.Value{}
		if of, ok := typ.(tftypes.Object); ok {
			for name, member := range of.AttributeTypes {
				members[name] = c.value(member, said[name])
			}
			return tftypes.NewValue(typ, members)
		}
		for name, member := range said {
			members[name] = c.value(elemOf(typ), member)
		}
		return tftypes.NewValue(typ, members)
	}
	return tftypes.NewValue(typ, said)
}

func (c core) pack(v tftypes.Value) *tfprotov6.DynamicValue {
	c.t.Helper()
	packed, err := tfprotov6.NewDynamicValue(v.Type(), v)
	if err != nil {
		c.t.Fatal(err)
	}
	return &packed
}

func (c core) unpack(name string, packed *tfprotov6.DynamicValue) tftypes.Value {
	c.t.Helper()
	v, err := packed.Unmarshal(c.schemas[name].ValueType())
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// planned is a change that can be applied.
type planned struct {
	name                string
	prior, plan, config tftypes.Value
	private             []byte
	problems            string
}

// plan plans what is said, after prior. What the provider determines is proposed to stay as it is.
func (c core) plan(name string, prior tftypes.Value, said map[string]any) planned {
	c.t.Helper()
	typ := c.schemas[name].ValueType()
	if prior.Type() == nil {
		prior = tftypes.NewValue(typ, nil)
	}
	config := tftypes.NewValue(typ, nil)
	proposed := config
	if said != nil {
		config = c.value(typ, said)
		var members, before map[string]tftypes.Value
		if err := config.As(&members); err != nil {
			c.t.Fatal(err)
		}
		_ = prior.As(&before) // null: there is nothing
		for _, a := range c.schemas[name].Block.Attributes {
			if old, ok := before[a.Name]; ok && a.Computed && members[a.Name].IsNull() {
				members[a.Name] = old
			}
		}
		proposed = tftypes.NewValue(typ, members)
	}
	resp, err := c.server.PlanResourceChange(c.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: name, PriorState: c.pack(prior), ProposedNewState: c.pack(proposed), Config: c.pack(config),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	p := planned{name: name, prior: prior, config: config, private: resp.PlannedPrivate, problems: problems(resp.Diagnostics)}
	if p.problems == "" {
		p.plan = c.unpack(name, resp.PlannedState)
	}
	return p
}

// apply applies a plan and returns the state, which has to be what was planned, and stays so.
func (c core) apply(p planned) tftypes.Value {
	c.t.Helper()
	if p.problems != "" {
		c.t.Fatal(p.problems)
	}
	resp, err := c.server.ApplyResourceChange(c.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: p.name, PriorState: c.pack(p.prior), PlannedState: c.pack(p.plan), Config: c.pack(p.config), PlannedPrivate: p.private,
	})
	c.check(err, resp.Diagnostics)
	state := c.unpack(p.name, resp.NewState)
	differences, err := p.plan.Diff(state)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range differences {
		if d.Value1 != nil && d.Value1.IsFullyKnown() && !p.plan.IsNull() {
			c.t.Errorf("%s: planned %s, but there is %s", d.Path, d.Value1, d.Value2)
		}
	}
	if state.IsNull() {
		return state
	}
	return c.read(p.name, state)
}

func (c core) read(name string, state tftypes.Value) tftypes.Value {
	c.t.Helper()
	resp, err := c.server.ReadResource(c.t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: c.pack(state)})
	c.check(err, resp.Diagnostics)
	return c.unpack(name, resp.NewState)
}

// TestProtocol makes a cluster with what belongs to it, changes it, and takes it away, as Terraform would.
func TestProtocol(t *testing.T) {
	c := newCore(t)
	said := []struct {
		name string
		said map[string]any
	}{
		{"canopy_project", map[string]any{"name": "proto", "quota": map[string]any{"cpu": "0.5", "nodes": 5}}},
		{"canopy_member", map[string]any{"project": "proto", "name": admin, "role": "Owner"}},
		{"canopy_cluster", map[string]any{
			"project": "proto", "name": "one", "datacenter": "local", "version": "1.37.2", "paused": false, "etcd": map[string]any{"storage": "1024Mi"},
			"api_server": map[string]any{"extra_args": map[string]any{"v": "1"}}, "metadata_labels": map[string]any{"team": "proto"},
		}},
		{"canopy_node_pool", map[string]any{
			"project": "proto", "cluster": "one", "name": "one-workers", "replicas": 2, "infrastructure": map[string]any{"local": map[string]any{}},
			"taints": []any{map[string]any{"key": "a", "effect": "NoSchedule"}}, "labels": map[string]any{"a": "b"},
		}},
		{"canopy_service_account", map[string]any{"project": "proto", "name": "ci"}},
		{"canopy_service_account_token", map[string]any{"project": "proto", "service_account": "ci", "ttl": "20m"}},
	}
	states := make([]tftypes.Value, len(said))
	for i, s := range said {
		states[i] = c.apply(c.plan(s.name, tftypes.Value{}, s.said))
		if again := c.plan(s.name, states[i], s.said); !again.plan.Equal(states[i]) {
			t.Errorf("%s: the second plan is not empty: %s", s.name, again.plan)
		}
	}
	said[3].said["replicas"] = 3
	states[3] = c.apply(c.plan(said[3].name, states[3], said[3].said))
	pool := &v1alpha1.NodePool{}
	if err := test.Master.Get(t.Context(), client.ObjectKey{Namespace: "project-proto", Name: "one-workers"}, pool); err != nil || pool.Status.ReadyReplicas != 3 {
		t.Errorf("the pool has %d ready machines, want 3: %v", pool.Status.ReadyReplicas, err)
	}
	said[3].said["replicas"] = 9
	if got := c.plan(said[3].name, states[3], said[3].said).problems; !strings.Contains(got, "quota") {
		t.Errorf("a plan beyond the quota: %q", got)
	}
	said[2].said["version"] = "1.36.0"
	if got := c.plan(said[2].name, states[2], said[2].said).problems; !strings.Contains(got, "can only go up") {
		t.Errorf("a plan of a downgrade: %q", got)
	}
	for i := len(said) - 1; i >= 0; i-- {
		if left := c.apply(c.plan(said[i].name, states[i], nil)); !left.IsNull() {
			t.Errorf("%s is still there", said[i].name)
		}
	}
	if err := test.Master.Get(context.Background(), client.ObjectKey{Name: "proto"}, &v1alpha1.Project{}); !apierrors.IsNotFound(err) {
		t.Errorf("the project is still there: %v", err)
	}
}
