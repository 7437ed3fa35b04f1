// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"canopy.dev/canopy/test/cloud/core"
)

// page returns what a request for a list asks for: those that its filter lets through, in its order, and where the next page
// begins.
func page[T any](c *Cloud, r call, all []T) ([]T, string, error) {
	query := r.URL.Query()
	keep, err := parseFilter(query.Get("filter"))
	if err != nil {
		return nil, "", err
	}
	var kept []T
	for _, item := range all {
		object, err := generic(item)
		if err != nil {
			return nil, "", err
		}
		if keep(object) {
			kept = append(kept, item)
		}
	}
	switch order := query.Get("orderBy"); order {
	case "", "name": // they are made in the order of their names, or need no order
	case "creationTimestamp desc":
		slices.Reverse(kept)
	default:
		return nil, "", core.Refuse(core.Invalid, "Invalid value for field 'orderBy': '%s'", order)
	}
	size := 500
	if s := query.Get("maxResults"); s != "" {
		if size, err = strconv.Atoi(s); err != nil || size < 1 || size > 500 {
			return nil, "", core.Refuse(core.Invalid, "Invalid value for field 'maxResults': '%s'. Values must be within the range: [1, 500]", s)
		}
	}
	offset := 0
	if token := query.Get("pageToken"); token != "" {
		if _, err := fmt.Sscanf(token, "from-%d", &offset); err != nil {
			return nil, "", core.Refuse(core.Invalid, "Invalid value for field 'pageToken': '%s'", token)
		}
	}
	kept, next := core.Page(c.Cloud, kept, offset, size)
	if next == 0 {
		return kept, "", nil
	}
	return kept, fmt.Sprintf("from-%d", next), nil
}

func list[T any](c *Cloud, r call, all []T) (any, error) {
	items, next, err := page(c, r, all)
	if err != nil {
		return nil, err
	}
	result := map[string]any{"items": items}
	if next != "" {
		result["nextPageToken"] = next
	}
	return result, nil
}

// generic returns a value as JSON has it.
func generic(value any) (any, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var object any
	return object, json.Unmarshal(content, &object)
}

var clauseForm = regexp.MustCompile(`^\(?([a-zA-Z][-a-zA-Z0-9_.]*) (=|!=|eq|ne) ("(?:[^"\\]|\\.)*")\)?$`)

// parseFilter understands clauses such as (name = "a") between AND or OR, and one clause with a regular expression such as
// name eq "a.*". Google does not take those together with others.
func parseFilter(filter string) (func(any) bool, error) {
	if filter == "" {
		return func(any) bool { return true }, nil
	}
	invalid := core.Refuse(core.Invalid, "Invalid value for field 'filter': '%s'. Invalid list filter expression.", filter)
	separator, one := " OR ", true
	if !strings.Contains(filter, separator) {
		separator, one = " AND ", false
	}
	clauses := strings.Split(filter, separator)
	var tests []func(object any) bool
	for _, clause := range clauses {
		parts := clauseForm.FindStringSubmatch(clause)
		if parts == nil {
			return nil, invalid
		}
		value, err := strconv.Unquote(parts[3])
		if err != nil {
			return nil, invalid
		}
		pattern := regexp.QuoteMeta(value)
		if parts[2] == "eq" || parts[2] == "ne" {
			pattern = value
			if len(clauses) > 1 {
				return nil, invalid
			}
		}
		form, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, invalid
		}
		field, equal := strings.Split(parts[1], "."), parts[2] == "=" || parts[2] == "eq"
		tests = append(tests, func(object any) bool {
			return form.MatchString(fmt.Sprint(lookUp(object, field))) == equal
		})
	}
	return func(object any) bool {
		for _, test := range tests {
			if test(object) == one {
				return one
			}
		}
		return !one
	}, nil
}

func lookUp(object any, field []string) any {
	for _, name := range field {
		fields, ok := object.(map[string]any)
		if !ok {
			return ""
		}
		object = fields[name]
	}
	if object == nil {
		return ""
	}
	return object
}

// mask leaves of a result what fields names, such as "a,b/c,items/*/d(e,f)".
func mask(result any, fields string) (any, error) {
	if fields == "" {
		return result, nil
	}
	object, err := generic(result)
	if err != nil {
		return nil, err
	}
	kept, rest := cut(object, fields)
	if rest != "" {
		return nil, core.Refuse(core.Invalid, "Invalid field selection %s", fields)
	}
	return kept, nil
}

var maskName = regexp.MustCompile(`^(\*|[a-zA-Z][a-zA-Z0-9]*)`)

// cut returns of the object what a list of fields names, and what comes behind the list.
func cut(object any, fields string) (kept any, rest string) {
	result := map[string]any{}
	for rest = fields; ; rest = rest[1:] {
		name := maskName.FindString(rest)
		if name == "" {
			return result, "?" + rest
		}
		inner, behind, ok := innerFields(rest[len(name):])
		if !ok {
			return result, "?" + rest
		}
		rest = behind
		of, _ := object.(map[string]any)
		for field, value := range of {
			if field == name || name == "*" {
				result[field] = each(value, inner)
			}
		}
		if rest == "" || rest[0] != ',' {
			return result, rest
		}
	}
}

// innerFields returns which fields of a field are meant, all if it is empty, and what comes behind them.
func innerFields(s string) (inner, behind string, ok bool) {
	switch {
	case strings.HasPrefix(s, "/"): // up to the comma, or to the parenthesis that ends a list around it
		end := 1 + elementEnd(s[1:])
		return s[1:end], s[end:], true
	case strings.HasPrefix(s, "("):
		_, behind = cut(nil, s[1:])
		if !strings.HasPrefix(behind, ")") {
			return "", "", false
		}
		return s[1 : len(s)-len(behind)], behind[1:], true
	default:
		return "", s, true
	}
}

// each cuts an object, or each of a list of them.
func each(value any, fields string) any {
	if fields == "" {
		return value
	}
	items, ok := value.([]any)
	if !ok {
		kept, _ := cut(value, fields)
		return kept
	}
	kept := make([]any, len(items))
	for i := range items {
		kept[i], _ = cut(items[i], fields)
	}
	return kept
}

// elementEnd returns where the first of a list of fields ends.
func elementEnd(fields string) int {
	depth := 0
	for i, r := range fields {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth == 0, r == ',' && depth == 0:
			return i
		case r == ')':
			depth--
		}
	}
	return len(fields)
}
