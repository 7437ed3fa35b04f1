// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package output is how the canopy command speaks: tables and documents for what was asked, errors that say what to do next,
// and exit codes. It runs on people's machines and writes to what it is given: data to standard output, all else to standard
// error.
package output

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

// Formats are what -o takes.
var Formats = []string{"table", "wide", "json", "yaml", "name", "csv", "jsonpath=", "go-template="}

// Options say how objects are printed.
type Options struct {
	Format    string
	NoHeaders bool
	SortBy    string
}

// AddFlags adds the flags by which people choose.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.Format, "output", "o", "table", "one of "+strings.Join(Formats, ", ")+"; the last two are followed by a template")
	flags.BoolVar(&o.NoHeaders, "no-headers", false, "leave out the names of columns")
	flags.StringVar(&o.SortBy, "sort-by", "", "name of a column, or a JSONPath such as .metadata.creationTimestamp")
}

// Machine says whether the output is for programs, so that nothing is added to it.
func (o *Options) Machine() bool { return o.Format != "table" && o.Format != "wide" && o.Format != "" }

// Validate says what is wrong with the flags, before anything is asked of a server.
func (o *Options) Validate() error {
	kind, template := o.split()
	if !slices.Contains(Formats, kind) {
		return Usage("there is no output format %q; there are %s", o.Format, strings.Join(Formats, ", "))
	}
	if strings.HasSuffix(kind, "=") && template == "" {
		return Usage("-o %s needs a template after it", kind)
	}
	_, err := o.template()
	return err
}

// split separates the name of the format, with its "=", from the template.
func (o *Options) split() (kind, template string) {
	name, template, ok := strings.Cut(cmp.Or(o.Format, "table"), "=")
	if ok {
		name += "="
	}
	return name, template
}

// template returns the printer of the formats that take one, and nil for the others.
func (o *Options) template() (printers.ResourcePrinter, error) {
	kind, text := o.split()
	var (
		printer printers.ResourcePrinter
		err     error
	)
	switch kind {
	case "jsonpath=":
		printer, err = printers.NewJSONPathPrinter(relaxed(text))
	case "go-template=":
		var p *printers.GoTemplatePrinter
		if p, err = printers.NewGoTemplatePrinter([]byte(text)); err == nil {
			p.AllowMissingKeys(true)
		}
		printer = p
	default:
		return nil, nil
	}
	if err != nil {
		return nil, Usage("the template after -o %s cannot be read: %v", kind, err)
	}
	return printer, nil
}

// relaxed lets people leave out the braces of a single path, as kubectl does.
func relaxed(path string) string {
	if strings.Contains(path, "{") {
		return path
	}
	return "{." + strings.TrimPrefix(path, ".") + "}"
}

// Column is one of a table.
type Column struct {
	Name string
	// Wide columns are there with -o wide only, and in CSV.
	Wide bool
}

// Table says how objects of one kind are printed as lines.
type Table struct {
	// Noun is what the kind is called in names, for example "cluster" in "cluster/demo".
	Noun    string
	Columns []Column
	// Row returns one value for each column.
	Row func(*unstructured.Unstructured) ([]string, error)
}

// Print writes objects. single says that one object was asked for, by name, and not a list.
func (o *Options) Print(w io.Writer, t Table, items []unstructured.Unstructured, single bool) error {
	items, err := o.sorted(t, items)
	if err != nil {
		return err
	}
	kind, _ := o.split()
	switch kind {
	case "table", "wide":
		return o.printTable(w, t, items, kind == "wide")
	case "csv":
		return o.printCSV(w, t, items)
	case "name":
		for _, item := range items {
			if _, err := fmt.Fprintf(w, "%s/%s\n", t.Noun, item.GetName()); err != nil {
				return err
			}
		}
		return nil
	}
	content := map[string]any{"apiVersion": "v1", "kind": "List", "items": contents(items)}
	if single && len(items) == 1 {
		content = items[0].Object
	}
	return o.PrintDocument(w, content)
}

// PrintDocument writes one document as JSON, as YAML or through a template.
func (o *Options) PrintDocument(w io.Writer, content map[string]any) error {
	kind, _ := o.split()
	switch kind {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(content)
	case "yaml":
		text, err := yaml.Marshal(content)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	printer, err := o.template()
	if err != nil {
		return err
	}
	if printer == nil {
		return Usage("-o %s is not for this command; there are json, yaml, jsonpath= and go-template=", o.Format)
	}
	var text bytes.Buffer
	if err := printer.PrintObj(&unstructured.Unstructured{Object: content}, &text); err != nil {
		return err
	}
	if !bytes.HasSuffix(text.Bytes(), []byte("\n")) {
		text.WriteByte('\n')
	}
	_, err = w.Write(text.Bytes())
	return err
}

func contents(items []unstructured.Unstructured) []any {
	list := make([]any, 0, len(items))
	for _, item := range items {
		list = append(list, item.Object)
	}
	return list
}

func (o *Options) printTable(w io.Writer, t Table, items []unstructured.Unstructured, wide bool) error {
	table := &metav1.Table{}
	for _, column := range t.Columns {
		priority := int32(0)
		if column.Wide {
			priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: column.Name, Type: "string", Priority: priority})
	}
	for i := range items {
		values, err := t.Row(&items[i])
		if err != nil {
			return err
		}
		row := metav1.TableRow{}
		for _, value := range values {
			row.Cells = append(row.Cells, cmp.Or(value, "-"))
		}
		table.Rows = append(table.Rows, row)
	}
	return printers.NewTablePrinter(printers.PrintOptions{NoHeaders: o.NoHeaders, Wide: wide}).PrintObj(table, w)
}

func (o *Options) printCSV(w io.Writer, t Table, items []unstructured.Unstructured) error {
	out := csv.NewWriter(w)
	if !o.NoHeaders {
		var names []string
		for _, column := range t.Columns {
			names = append(names, column.Name)
		}
		_ = out.Write(names) // errors come out of Error
	}
	for i := range items {
		values, err := t.Row(&items[i])
		if err != nil {
			return err
		}
		_ = out.Write(values) // errors come out of Error
	}
	out.Flush()
	return out.Error()
}

// sorted orders the objects by a column or a path. Numbers are compared as numbers.
func (o *Options) sorted(t Table, items []unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	if o.SortBy == "" {
		return items, nil
	}
	key, err := o.sortKey(t)
	if err != nil {
		return nil, err
	}
	type keyed struct {
		item unstructured.Unstructured
		key  string
	}
	all := make([]keyed, 0, len(items))
	for i := range items {
		k, err := key(&items[i])
		if err != nil {
			return nil, err
		}
		all = append(all, keyed{items[i], k})
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return CompareNatural(a.key, b.key) })
	out := make([]unstructured.Unstructured, 0, len(all))
	for _, k := range all {
		out = append(out, k.item)
	}
	return out, nil
}

func (o *Options) sortKey(t Table) (func(*unstructured.Unstructured) (string, error), error) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, o.SortBy) })
	if i >= 0 {
		return func(u *unstructured.Unstructured) (string, error) {
			values, err := t.Row(u)
			if err != nil {
				return "", err
			}
			return values[i], nil
		}, nil
	}
	path := jsonpath.New("sort-by").AllowMissingKeys(true)
	if err := path.Parse(relaxed(o.SortBy)); err != nil || !strings.ContainsAny(o.SortBy, ".{") {
		var names []string
		for _, column := range t.Columns {
			names = append(names, strings.ToLower(column.Name))
		}
		return nil, Usage("--sort-by %s is no column and no JSONPath; columns are %s", o.SortBy, strings.Join(names, ", "))
	}
	return func(u *unstructured.Unstructured) (string, error) {
		var text bytes.Buffer
		err := path.Execute(&text, u.Object)
		return text.String(), err
	}, nil
}

// CompareNatural compares texts with the numbers in them as numbers: 1.9.0 comes before 1.10.0.
func CompareNatural(a, b string) int {
	for a != "" && b != "" {
		x, restA, numberA := chunk(a)
		y, restB, numberB := chunk(b)
		var c int
		if numberA && numberB {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			c = cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
		} else {
			c = strings.Compare(x, y)
		}
		if c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// chunk cuts off the digits that s begins with, or what comes before the first digit.
func chunk(s string) (first, rest string, number bool) {
	isDigit := func(r rune) bool { return '0' <= r && r <= '9' }
	number = isDigit(rune(s[0]))
	end := strings.IndexFunc(s, func(r rune) bool { return isDigit(r) != number })
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], number
}

// RowOf makes the Row of a Table from a function over the kind's own type.
func RowOf[T any](row func(*T) []string) func(*unstructured.Unstructured) ([]string, error) {
	return func(u *unstructured.Unstructured) ([]string, error) {
		obj := new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", u.GetKind(), u.GetName(), err)
		}
		return row(obj), nil
	}
}
