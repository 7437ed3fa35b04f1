// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canopy.dev/canopy/api/v1alpha1"
)

// MasterAccount is the name of the master's ServiceAccount on a seed, of its roles there and of their bindings.
const MasterAccount = "canopy-remote-master"

// The Service of the seed's Prometheus and its port: the API asks it what clusters use.
const (
	PrometheusService = "canopy-prometheus"
	PrometheusPort    = "http"
)

// Right is something that the master must be allowed to do on a seed.
type Right struct {
	// Namespace that the right is limited to; empty: the whole cluster.
	Namespace string
	Rule      rbacv1.PolicyRule
	// Why says what for.
	Why string
	// Optional rights are granted, but a seed without them is no worse for its clusters.
	Optional bool
	// Lent rights are used by the API, with the master's account. In the master's own cluster the API has an account of its own.
	Lent bool
}

// HandoverRights are what the master needs on each seed, whoever has installed it. They are the list: what is granted by
// `canopy seed add`, checked by the master and documented in docs/reference/permissions.md.
func HandoverRights() []Right {
	write := []string{"get", "list", "watch", "create", "patch", "delete"}
	read := []string{"get", "list"}
	return []Right{
		{Rule: rule(write, "hosting.canopy.dev", "hostedclusters"), Why: "hand clusters over, and follow how they are"},
		{Rule: rule(write, "", "namespaces"), Why: "make each cluster's namespace, and mark whose seed it is"},
		{Rule: rule(write, "", "secrets"), Why: "hand over credentials for infrastructure. RBAC cannot limit this to namespaces by prefix, so it is for all"},
		{Rule: rule(read, "", "nodes", "pods"), Why: "count the capacity, and say why a pod of Canopy's is not ready"},
		{Rule: rule(read, "storage.k8s.io", "storageclasses"), Why: "say that etcd's volumes need a default class"},
		{Rule: rule([]string{"list", "delete"}, "cluster.x-k8s.io", "machines"), Why: "show people the machines of their clusters, and delete one for them", Optional: true, Lent: true},
		{Rule: rule([]string{"get"}, "", "pods/log"), Why: "show people the logs of their control planes. RBAC cannot limit this to namespaces by prefix, so it is for all", Optional: true, Lent: true},
		{
			Namespace: v1alpha1.SystemNamespace, Why: "show people the charts of their clusters, which are asked of Prometheus", Optional: true, Lent: true,
			Rule: rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"services/proxy"}, ResourceNames: []string{PrometheusService + ":" + PrometheusPort}},
		},
		{Namespace: v1alpha1.SystemNamespace, Rule: rule(read, "apps", "deployments"), Why: "see whether the seed manager and the gateway run"},
		{
			Namespace: v1alpha1.SystemNamespace, Why: "renew its own token before it expires",
			Rule: rbacv1.PolicyRule{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{MasterAccount}},
		},
	}
}

// OwnRights are those that the master needs in its own cluster when that is a seed: it has no token to renew, and lends none.
func OwnRights() []Right {
	return slices.DeleteFunc(HandoverRights(), func(r Right) bool { return r.Lent || slices.Contains(r.Rule.ResourceNames, MasterAccount) })
}

func rule(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: resources}
}

// RightsFor are what the master needs besides to install these objects on a seed: the right to write exactly them, and
// all that the roles among them allow, because nobody can give what he has not. There is neither "bind" nor "escalate" in
// them, so a master can give nobody on a seed more than the administrator of the seed has approved.
func RightsFor(objs []*unstructured.Unstructured) ([]Right, error) {
	writer := &objectRights{cluster: map[schema.GroupResource][]string{}, namespaced: map[schema.GroupResource]bool{}}
	var granted []Right
	for _, obj := range objs {
		writer.add(obj)
		rights, err := grantedBy(obj)
		if err != nil {
			return nil, err
		}
		granted = append(granted, rights...)
	}
	return append(writer.rights(), granted...), nil
}

// objectRights collects what is written.
type objectRights struct {
	cluster    map[schema.GroupResource][]string // names of objects
	namespaced map[schema.GroupResource]bool
}

func (o *objectRights) add(obj *unstructured.Unstructured) {
	plural, _ := meta.UnsafeGuessKindToResource(obj.GroupVersionKind()) // right for the kinds of the chart, which a test checks
	if obj.GetNamespace() != "" {
		o.namespaced[plural.GroupResource()] = true
		return
	}
	o.cluster[plural.GroupResource()] = append(o.cluster[plural.GroupResource()], obj.GetName())
}

func (o *objectRights) rights() []Right {
	byName := func(x, y schema.GroupResource) int {
		return cmp.Or(strings.Compare(x.Group, y.Group), strings.Compare(x.Resource, y.Resource))
	}
	o.namespaced[schema.GroupResource{Resource: "secrets"}] = true // Helm's records
	var rights []Right
	for _, gr := range slices.SortedFunc(maps.Keys(o.cluster), byName) {
		r := rule([]string{"get", "create", "patch", "update", "delete"}, gr.Group, gr.Resource)
		r.ResourceNames = slices.Sorted(slices.Values(o.cluster[gr]))
		why := "install, upgrade and remove them"
		if gr.Resource == "customresourcedefinitions" {
			r.Verbs, why = []string{"get", "create", "patch", "update"}, "install and upgrade the kinds; they are never deleted, because with a kind go all of its objects"
		}
		rights = append(rights, Right{Rule: r, Why: why})
	}
	for _, gr := range slices.SortedFunc(maps.Keys(o.namespaced), byName) {
		rights = append(rights, Right{
			Namespace: v1alpha1.SystemNamespace, Why: "install, upgrade and remove them",
			Rule: rule([]string{"get", "list", "watch", "create", "patch", "update", "delete"}, gr.Group, gr.Resource),
		})
	}
	return rights
}

// grantedBy returns what a role allows.
func grantedBy(obj *unstructured.Unstructured) ([]Right, error) {
	if gvk := obj.GroupVersionKind(); gvk.Group != rbacv1.GroupName || gvk.Kind != "ClusterRole" && gvk.Kind != "Role" {
		return nil, nil
	}
	role := &rbacv1.ClusterRole{} // a Role has the same rules
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, role); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	var rights []Right
	for _, r := range role.Rules {
		rights = append(rights, Right{Namespace: obj.GetNamespace(), Rule: r, Why: fmt.Sprintf("give it to %s, by the %s of that name", obj.GetName(), obj.GetKind())})
	}
	return rights, nil
}

// Missing returns those of the rights that rules do not allow, one line for each verb and resource, such as
// "create namespaces" or "get deployments.apps in canopy-system". clusterWide are the rules for all namespaces, inSystem
// those for the namespace canopy-system.
func Missing(rights []Right, clusterWide, inSystem []rbacv1.PolicyRule) []Access {
	var missing []Access
	for _, right := range rights {
		rules := clusterWide
		if right.Namespace != "" {
			rules = inSystem
		}
		for _, access := range right.accesses() {
			if !allowed(rules, access) && !slices.Contains(missing, access) {
				missing = append(missing, access)
			}
		}
	}
	return missing
}

// Access is one verb on one resource.
type Access struct{ Verb, Group, Resource, Name, Namespace string }

// String says it as a person would ask for it.
func (a Access) String() string {
	s := a.Verb + " " + schema.GroupResource{Group: a.Group, Resource: a.Resource}.String()
	if a.Name != "" {
		s += " " + a.Name
	}
	if a.Namespace != "" {
		s += " in " + a.Namespace
	}
	return s
}

func (r Right) accesses() []Access {
	names := r.Rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var all []Access
	for _, group := range r.Rule.APIGroups {
		for _, resource := range r.Rule.Resources {
			for _, verb := range r.Rule.Verbs {
				for _, name := range names {
					all = append(all, Access{verb, group, resource, name, r.Namespace})
				}
			}
		}
	}
	return all
}

func allowed(rules []rbacv1.PolicyRule, a Access) bool {
	has := func(values []string, value string) bool {
		return slices.Contains(values, "*") || slices.Contains(values, value)
	}
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		named := len(r.ResourceNames) == 0 || a.Name != "" && slices.Contains(r.ResourceNames, a.Name)
		return named && has(r.Verbs, a.Verb) && has(r.APIGroups, a.Group) && has(r.Resources, a.Resource)
	})
}

// SeedRights returns all that the master is given on a seed: to hand clusters over and, if it is to install there, to install
// whatever a Seed can ask for.
func SeedRights(ctx context.Context, installs bool) ([]Right, error) {
	if !installs {
		return HandoverRights(), nil
	}
	image := map[string]any{"image": "registry.example.com/image:tag"} // no right depends on it
	objs, err := Canopy(map[string]any{
		"image": image["image"], "nodeNetworkImage": image["image"], "openvpnImage": image["image"],
		"master": map[string]any{"enabled": false}, "seed": map[string]any{"address": "192.0.2.1"}, "gateway": map[string]any{"domain": "example.com"},
		"monitoring": map[string]any{"prometheus": image, "alertmanager": image},
	}).Render(ctx)
	if err != nil {
		return nil, err
	}
	rights, err := RightsFor(objs)
	return append(HandoverRights(), rights...), err
}
