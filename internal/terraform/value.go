// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"k8s.io/apimachinery/pkg/api/resource"
)

// toJSON returns a value as it is in JSON, and nil for one that is not there.
func (n *node) toJSON(v tftypes.Value) (any, error) {
	if v.IsNull() || !v.IsKnown() {
		return nil, nil
	}
	switch n.shape {
	case integer:
		var number big.Float
		err := v.As(&number)
		whole, _ := number.Int64()
		return whole, err
	case boolean:
		var b bool
		err := v.As(&b)
		return b, err
	case list, set:
		var elems []tftypes.Value
		if err := v.As(&elems); err != nil {
			return nil, err
		}
		out := make([]any, len(elems))
		for i := range elems {
			var err error
			if out[i], err = n.elem.toJSON(elems[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case dict, object:
		var members map[string]tftypes.Value
		if err := v.As(&members); err != nil {
			return nil, err
		}
		return n.membersToJSON(members)
	}
	var s string
	err := v.As(&s)
	return s, err
}

func (n *node) membersToJSON(members map[string]tftypes.Value) (map[string]any, error) {
	out := map[string]any{}
	put := func(key string, of *node, v tftypes.Value) error {
		value, err := of.toJSON(v)
		if err == nil && value != nil {
			out[key] = value
		}
		return err
	}
	if n.shape == dict {
		for key, v := range members {
			if err := put(key, n.elem, v); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	for _, f := range n.fields {
		if err := put(f.key, f.node, members[f.name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fromJSON returns what the server says. before is what Terraform knew, or a null of the type: the server leaves out what is
// empty, and has one spelling for each amount, neither of which is a difference.
func (n *node) fromJSON(value any, before tftypes.Value) (tftypes.Value, error) {
	typ := before.Type()
	nothing := n.preset == nil && !n.telling && isEmpty(value)
	switch {
	case (nothing || value == nil) && isBlank(before):
		return before, nil
	case value == nil:
		return tftypes.NewValue(typ, nil), nil
	}
	switch value := value.(type) {
	case string:
		if n.shape == quantity && sameAmount(value, before) {
			return before, nil
		}
		return checked(typ, value)
	case bool:
		return checked(typ, value)
	case int64, float64, json.Number:
		return numberFromJSON(n, typ, value)
	case []any:
		return n.elemsFromJSON(value, before)
	case map[string]any:
		return n.membersFromJSON(value, before)
	}
	return tftypes.Value{}, fmt.Errorf("%T is nothing that JSON has", value)
}

// checked makes a value of what the server said, which may be another type than this version knows.
func checked(typ tftypes.Type, value any) (tftypes.Value, error) {
	if err := tftypes.ValidateValue(typ, value); err != nil {
		return tftypes.Value{}, fmt.Errorf("the platform answers otherwise than this version of the provider knows: %w", err)
	}
	return tftypes.NewValue(typ, value), nil
}

func numberFromJSON(n *node, typ tftypes.Type, value any) (tftypes.Value, error) {
	if n.shape == quantity {
		return checked(typ, fmt.Sprint(value))
	}
	number, err := strconv.ParseFloat(fmt.Sprint(value), 64)
	if err != nil {
		return tftypes.Value{}, err
	}
	return checked(typ, big.NewFloat(number))
}

func (n *node) elemsFromJSON(value []any, before tftypes.Value) (tftypes.Value, error) {
	if n.elem == nil {
		return checked(before.Type(), value)
	}
	var known []tftypes.Value
	if !before.IsNull() && before.IsKnown() {
		if err := before.As(&known); err != nil {
			return tftypes.Value{}, err
		}
	}
	elemType := elemOf(before.Type())
	elems := make([]tftypes.Value, len(value))
	for i := range value {
		prior := tftypes.NewValue(elemType, nil)
		if n.shape == list && i < len(known) {
			prior = known[i]
		}
		var err error
		if elems[i], err = n.elem.fromJSON(value[i], prior); err != nil {
			return tftypes.Value{}, err
		}
	}
	return checked(before.Type(), elems)
}

func (n *node) membersFromJSON(value map[string]any, before tftypes.Value) (tftypes.Value, error) {
	known := map[string]tftypes.Value{}
	if !before.IsNull() && before.IsKnown() {
		if err := before.As(&known); err != nil {
			return tftypes.Value{}, err
		}
	}
	members := map[string]tftypes.Value{}
	put := func(name string, of *node, typ tftypes.Type, value any) error {
		prior, ok := known[name]
		if !ok {
			prior = tftypes.NewValue(typ, nil)
		}
		var err error
		if members[name], err = of.fromJSON(value, prior); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if n.shape == dict {
		for name := range value {
			if err := put(name, n.elem, elemOf(before.Type()), value[name]); err != nil {
				return tftypes.Value{}, err
			}
		}
		return checked(before.Type(), members)
	}
	types := before.Type().(tftypes.Object).AttributeTypes
	for _, f := range n.fields {
		if err := put(f.name, f.node, types[f.name], value[f.key]); err != nil {
			return tftypes.Value{}, err
		}
	}
	return checked(before.Type(), members)
}

func elemOf(typ tftypes.Type) tftypes.Type {
	switch typ := typ.(type) {
	case tftypes.List:
		return typ.ElementType
	case tftypes.Set:
		return typ.ElementType
	case tftypes.Map:
		return typ.ElementType
	}
	return tftypes.DynamicPseudoType
}

// isEmpty says whether a value of JSON is one that Go leaves out.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case bool:
		return !value
	case int64:
		return value == 0
	case float64:
		return value == 0
	case []any:
		return len(value) == 0
	case map[string]any:
		for _, member := range value {
			if !isEmpty(member) {
				return false
			}
		}
		return true
	}
	return false
}

// isBlank says whether a value says nothing: it is not there, or the one that is meant where nothing is said.
func isBlank(v tftypes.Value) bool {
	if v.IsNull() {
		return true
	}
	if !v.IsKnown() {
		return false
	}
	var (
		s       string
		b       bool
		number  big.Float
		elems   []tftypes.Value
		members map[string]tftypes.Value
	)
	switch {
	case v.As(&s) == nil:
		return s == ""
	case v.As(&b) == nil:
		return !b
	case v.As(&number) == nil:
		return number.Sign() == 0
	case v.As(&elems) == nil:
		return len(elems) == 0
	case v.As(&members) == nil:
		for _, member := range members {
			if !isBlank(member) {
				return false
			}
		}
	}
	return true
}

func sameAmount(said string, before tftypes.Value) bool {
	var s string
	if before.IsNull() || !before.IsKnown() || before.As(&s) != nil {
		return false
	}
	x, errX := resource.ParseQuantity(said)
	y, errY := resource.ParseQuantity(s)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
