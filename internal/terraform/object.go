// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
)

// putAttempts is how often a change is made in what there is, while others change that at the same time.
const putAttempts = 5

// write creates what attributes say, or changes what was before to be that, and returns the operation that says how far it is.
// Fields and labels that the attributes do not know stay as they are.
func (r *kindResource) write(ctx context.Context, attributes, before map[string]tftypes.Value, query url.Values) (operation string, err error) {
	at, exists := r.locate(attributes), before != nil
	spec, err := r.spec.membersToJSON(attributes)
	if err != nil {
		return "", err
	}
	object := map[string]any{"metadata": map[string]any{"name": at.name}}
	request := api.Request{
		Method: http.MethodPost, Path: r.list(at), Query: query, Body: object,
		Header: http.Header{"Idempotency-Key": {rand.Text()}}, // a request that is sent twice makes one thing
	}
	for attempt := 1; ; attempt++ {
		if exists {
			object = map[string]any{}
			if err := r.platform.client.Into(ctx, api.Request{Path: r.item(at)}, &object); err != nil {
				return "", err
			}
			there := unstructured.Unstructured{Object: object}
			request.Method, request.Path, request.Body = http.MethodPut, r.item(at), object
			request.Header = http.Header{"If-Match": {`"` + there.GetResourceVersion() + `"`}}
			delete(object, "status")
		}
		r.put(object, spec, stringsOf(before[labels]), stringsOf(attributes[labels]))
		operation, err := r.platform.send(ctx, request)
		if !exists || !api.IsStale(err) || attempt == putAttempts {
			return operation, err
		}
	}
}

// put writes the spec and the labels to an object, beside those of others.
func (r *kindResource) put(object, spec map[string]any, old, own map[string]string) {
	if r.crd != "" {
		there, _ := object["spec"].(map[string]any) // none of a new object
		merged := maps.Clone(there)
		if merged == nil {
			merged = map[string]any{}
		}
		for _, f := range r.spec.fields {
			delete(merged, f.key)
		}
		maps.Copy(merged, spec)
		object["spec"] = merged
	}
	u := unstructured.Unstructured{Object: object}
	all := map[string]string{}
	maps.Copy(all, u.GetLabels())
	for name := range old {
		delete(all, name)
	}
	maps.Copy(all, own)
	if len(all)+len(old) > 0 {
		u.SetLabels(all)
	}
}

func stringsOf(v tftypes.Value) map[string]string {
	var members map[string]tftypes.Value
	if v.Type() == nil || v.IsNull() || !v.IsKnown() || v.As(&members) != nil {
		return nil
	}
	out := map[string]string{}
	for name := range members {
		out[name] = stringOf(members[name])
	}
	return out
}

// toState returns what there is as Terraform knows it.
func (k *kind) toState(there map[string]any, at place, before map[string]tftypes.Value, typ tftypes.Type) (tftypes.Value, error) {
	values, err := k.values(there, at, typ.(tftypes.Object), before)
	if err != nil {
		return tftypes.Value{}, err
	}
	if waits, ok := before["timeouts"]; ok {
		values["timeouts"] = waits
	}
	return tftypes.NewValue(typ, values), nil
}

// values returns the attributes of something, without timeouts.
func (k *kind) values(there map[string]any, at place, typ tftypes.Object, before map[string]tftypes.Value) (map[string]tftypes.Value, error) {
	specType := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	known := map[string]tftypes.Value{}
	for _, f := range k.spec.fields {
		specType.AttributeTypes[f.name] = typ.AttributeTypes[f.name]
		known[f.name] = tftypes.NewValue(typ.AttributeTypes[f.name], nil)
		if v, ok := before[f.name]; ok {
			known[f.name] = v
		}
	}
	spec, _ := there["spec"].(map[string]any) // a service account has none
	value, err := k.spec.membersFromJSON(spec, tftypes.NewValue(specType, known))
	if err != nil {
		return nil, err
	}
	out := map[string]tftypes.Value{}
	if err := value.As(&out); err != nil {
		return nil, err
	}
	out["id"], out["name"] = tftypes.NewValue(tftypes.String, k.id(at)), tftypes.NewValue(tftypes.String, at.name)
	if k.inProject {
		out["project"] = tftypes.NewValue(tftypes.String, at.project)
	}
	for _, f := range k.shown {
		text, _, err := unstructured.NestedString(there, strings.Split(f.path, ".")...)
		if err != nil {
			return nil, err
		}
		out[f.name] = tftypes.NewValue(tftypes.String, text)
	}
	out[labels] = ownLabels(there, typ.AttributeTypes[labels], before)
	return out, nil
}

// ownLabels returns the labels that Terraform has set, as they are now; all where it has not said which.
func ownLabels(there map[string]any, typ tftypes.Type, before map[string]tftypes.Value) tftypes.Value {
	u := unstructured.Unstructured{Object: there}
	said, ok := before[labels]
	if ok && said.IsNull() {
		return said
	}
	own := stringsOf(said)
	values := map[string]tftypes.Value{}
	for name, value := range u.GetLabels() {
		if _, mine := own[name]; mine || !ok {
			values[name] = tftypes.NewValue(tftypes.String, value)
		}
	}
	return tftypes.NewValue(typ, values)
}
