// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"canopy.dev/canopy/test/cloud/core"
)

// params are those of a call, as EC2's query protocol writes lists and structures: "TagSpecification.1.Tag.2.Key".
type params map[string][]string

// jsonParams returns the parameters of a call whose body is a JSON object of strings.
func jsonParams(body []byte) params {
	var object map[string]any
	_ = json.Unmarshal(body, &object) // what is not there is missed later
	p := params{}
	for name, value := range object {
		p[name] = []string{fmt.Sprint(value)}
	}
	return p
}

func (p params) get(name string) string {
	if values := p[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// has reports whether there is the parameter, or something of the list or structure.
func (p params) has(name string) bool {
	for known := range p {
		if known == name || strings.HasPrefix(known, name+".") {
			return true
		}
	}
	return false
}

// list returns the members of a list of strings.
func (p params) list(name string) []string {
	var all []string
	for i := 1; p.has(fmt.Sprintf("%s.%d", name, i)); i++ {
		all = append(all, p.get(fmt.Sprintf("%s.%d", name, i)))
	}
	return all
}

// each returns the members of a list of structures.
func (p params) each(name string) []params {
	var all []params
	for i := 1; p.has(fmt.Sprintf("%s.%d", name, i)); i++ {
		all = append(all, p.in(fmt.Sprintf("%s.%d", name, i)))
	}
	return all
}

// in returns the members of a structure.
func (p params) in(name string) params {
	inside := params{}
	for known, values := range p {
		if rest, ok := strings.CutPrefix(known, name+"."); ok {
			inside[rest] = values
		}
	}
	return inside
}

// tagSet are tags as EC2 shows them.
type tagSet struct {
	Items []tagItem `xml:"item"`
}

type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func (t tagSet) value(key string) (string, bool) {
	for _, item := range t.Items {
		if item.Key == key {
			return item.Value, true
		}
	}
	return "", false
}

// tags returns those that what is being made is to have.
func (r *call) tags(kind string) (tagSet, error) {
	var tags tagSet
	for _, spec := range r.params.each("TagSpecification") {
		if spec.get("ResourceType") != kind {
			if !slices.Contains(taggable[kind], spec.get("ResourceType")) {
				return tagSet{}, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", spec.get("ResourceType"))
			}
			continue
		}
		for _, t := range spec.each("Tag") {
			item := tagItem{t.get("Key"), t.get("Value")}
			if _, twice := tags.value(item.Key); twice || item.Key == "" || len(item.Key) > 127 || len(item.Value) > 255 || strings.HasPrefix(item.Key, "aws:") {
				return tagSet{}, fail("InvalidParameterValue", "Tag keys are distinct, of 1 to 127 characters, and do not begin with aws: (%q).", item.Key)
			}
			tags.Items = append(tags.Items, item)
		}
	}
	return tags, nil
}

// taggable are the kinds that are made, and tagged, with another one.
var taggable = map[string][]string{"instance": {"volume", "network-interface", "spot-instances-request"}}

// object is what is described.
type object interface {
	// name is its ID, and home its region; empty: it is in all.
	name() string
	home() string
	// attribute returns the values that a filter is compared with, and false if there is no such filter.
	attribute(filter string) ([]string, bool)
}

// about is what all objects have.
type about struct {
	id, region string
	Tags       tagSet `xml:"tagSet"`
}

func (a about) name() string { return a.id }
func (a about) home() string { return a.region }

// tag answers filters for tags.
func (a about) tag(filter string) ([]string, bool) {
	key, ok := strings.CutPrefix(filter, "tag:")
	if !ok {
		return nil, false
	}
	if value, has := a.Tags.value(key); has {
		return []string{value}, true
	}
	return nil, true
}

// choose returns one page of the objects that a call asks for, by IDs and filters, and the token of the next one.
func choose[T object](c *Cloud, r *call, all []T, ids, kind string) (page []T, next string, err error) {
	wanted := r.params.list(ids)
	if len(wanted) > 0 && r.params.has("MaxResults") {
		return nil, "", fail("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", ids)
	}
	var found []T
	for _, o := range all {
		if o.home() != "" && o.home() != r.region {
			continue
		}
		if len(wanted) > 0 && !slices.Contains(wanted, o.name()) {
			continue
		}
		matches, err := passes(r, o)
		if err != nil {
			return nil, "", err
		}
		if matches {
			found = append(found, o)
		}
	}
	for _, id := range wanted {
		if !slices.ContainsFunc(found, func(o T) bool { return o.name() == id }) && !r.params.has("Filter") {
			return nil, "", notFound(kind, id)
		}
	}
	offset, _ := strconv.Atoi(strings.TrimPrefix(r.params.get("NextToken"), "token-"))
	size, _ := strconv.Atoi(r.params.get("MaxResults"))
	if len(wanted) > 0 {
		return found, "", nil
	}
	page, more := core.Page(c.Cloud, found, offset, size)
	if more > 0 {
		next = fmt.Sprintf("token-%d", more)
	}
	return page, next, nil
}

// passes reports whether an object passes all filters.
func passes(r *call, o object) (bool, error) {
	for _, f := range r.params.each("Filter") {
		values, known := o.attribute(f.get("Name"))
		if !known {
			return false, fail("InvalidParameterValue", "The filter '%s' is invalid", f.get("Name"))
		}
		if !slices.ContainsFunc(f.list("Value"), func(pattern string) bool {
			return slices.ContainsFunc(values, func(value string) bool { ok, _ := path.Match(pattern, value); return ok || pattern == value })
		}) {
			return false, nil
		}
	}
	return true, nil
}

// find returns an object by its ID, if it is in the region.
func find[T object](r *call, table *core.Table[T], kind, id string) (T, error) {
	o, ok := table.Get(id)
	if !ok || o.home() != r.region {
		var none T
		return none, notFound(kind, id)
	}
	return o, nil
}

// list is a page of what is described.
type list[T any] struct {
	set   string
	items []T
	next  string
}

// MarshalXML writes it as EC2 does: <vpcSet><item>…</item></vpcSet><nextToken>…</nextToken>.
func (l list[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	var errs []error
	errs = append(errs, e.EncodeToken(start))
	errs = append(errs, e.EncodeElement(struct {
		Items []T `xml:"item"`
	}{l.items}, xml.StartElement{Name: xml.Name{Local: l.set}}))
	if l.next != "" {
		errs = append(errs, e.EncodeElement(l.next, xml.StartElement{Name: xml.Name{Local: "nextToken"}}))
	}
	return errors.Join(append(errs, e.EncodeToken(start.End()))...)
}

// describe returns the operation that describes the objects of a kind, by IDs and filters.
func describe[T object](set, ids, kind string, all func(*Cloud, *call) []T) operation {
	return func(c *Cloud, r *call) (any, error) {
		page, next, err := choose(c, r, all(c, r), ids, kind)
		return list[T]{set, page, next}, err
	}
}

// of returns all objects of a table.
func of[T any](table func(*Cloud) *core.Table[T]) func(*Cloud, *call) []T {
	return func(c *Cloud, _ *call) []T { return table(c).All() }
}
