// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func thing(name, version string) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"kind": "Thing", "metadata": map[string]any{"name": name}, "spec": map[string]any{"version": version},
	}}
}

var things = Table{
	Noun: "thing", Columns: []Column{{Name: "Name"}, {Name: "Version"}, {Name: "Kind", Wide: true}},
	Row: func(u *unstructured.Unstructured) ([]string, error) {
		version, _, _ := unstructured.NestedString(u.Object, "spec", "version")
		return []string{u.GetName(), version, u.GetKind()}, nil
	},
}

func TestPrint(t *testing.T) {
	items := []unstructured.Unstructured{thing("b", "1.10.0"), thing("a", "1.9.0"), thing("c", "")}
	tests := map[string]struct {
		options Options
		single  bool
		want    string
	}{
		"a table": {Options{}, false, "NAME   VERSION\nb      1.10.0\na      1.9.0\nc      -\n"},
		"a wide table, sorted by a column with numbers": {
			Options{Format: "wide", SortBy: "version"}, false, "NAME   VERSION   KIND\nc      -         Thing\na      1.9.0     Thing\nb      1.10.0    Thing\n",
		},
		"no headers, sorted by a path": {Options{NoHeaders: true, SortBy: ".metadata.name"}, false, "a     1.9.0\nb     1.10.0\nc     -\n"},
		"names":                        {Options{Format: "name"}, false, "thing/b\nthing/a\nthing/c\n"},
		"csv has all columns":          {Options{Format: "csv"}, false, "Name,Version,Kind\nb,1.10.0,Thing\na,1.9.0,Thing\nc,,Thing\n"},
		"a JSONPath without braces":    {Options{Format: "jsonpath=.items[1].metadata.name"}, false, "a\n"},
		"a template":                   {Options{Format: "go-template={{range .items}}{{.metadata.name}},{{end}}"}, false, "b,a,c,\n"},
		"one that was asked for is no list": {
			Options{Format: "yaml"}, true, "kind: Thing\nmetadata:\n  name: b\nspec:\n  version: 1.10.0\n",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := tc.options.Validate(); err != nil {
				t.Fatal(err)
			}
			printed := items
			if tc.single {
				printed = items[:1]
			}
			var out bytes.Buffer
			if err := tc.options.Print(&out, things, printed, tc.single); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrongOptionsAreOfTheUse(t *testing.T) {
	for _, format := range []string{"xml", "jsonpath=", "jsonpath={.a", "go-template={{"} {
		if err := (&Options{Format: format}).Validate(); ExitCode(err) != ExitUsage {
			t.Errorf("-o %s: %v", format, err)
		}
	}
	err := (&Options{SortBy: "colour"}).Print(&bytes.Buffer{}, things, []unstructured.Unstructured{thing("a", "1")}, false)
	if ExitCode(err) != ExitUsage {
		t.Errorf("--sort-by colour: %v", err)
	}
}

func TestExitCode(t *testing.T) {
	tests := map[int]error{
		ExitOK: nil, ExitFailed: errors.New("x"), ExitConflict: fmt.Errorf("a: %w", &Error{Exit: ExitConflict}),
		ExitDetached: fmt.Errorf("a: %w", context.Canceled), ExitTimeout: context.DeadlineExceeded, ExitUsage: Usage("x"),
	}
	for want, err := range tests {
		if got := ExitCode(err); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}

func TestErrorsSayWhatWhyAndWhatNext(t *testing.T) {
	var out bytes.Buffer
	PrintError(&out, &Error{
		What: "creating cluster/shop", Why: "2 of 2 clusters are used", Next: "delete one", Details: []string{"spec.version: unknown"}, Reference: "ERR_QUOTA_EXCEEDED",
	}, Style{})
	want := "Error: creating cluster/shop\n  why    2 of 2 clusters are used\n         • spec.version: unknown\n  next   delete one\n  ref    ERR_QUOTA_EXCEEDED\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
