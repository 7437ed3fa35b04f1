// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package golden compares what pure functions render with files in a test package's testdata. It runs in tests only. One
// file holds a whole base scenario; a variant holds only its unified diff against the base, so that a review shows what
// an option does. With -update the files are written anew.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write testdata anew")

// Check compares got with testdata/name.
func Check(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update and review what it writes", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs from what is rendered (-want +got); if that is meant, run the test with -update:\n%s", path, diff)
	}
}

// CheckVariant compares with testdata/name the unified diff that leads from base to got.
func CheckVariant(t *testing.T, name, base, got string) {
	t.Helper()
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(base), B: difflib.SplitLines(got), FromFile: "base", ToFile: strings.TrimSuffix(name, ".diff"), Context: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	Check(t, name, diff)
}

// YAML renders objects as one stream, in their order, with the kinds that scheme knows for them.
func YAML(t *testing.T, scheme *runtime.Scheme, objs []client.Object) string {
	t.Helper()
	var b strings.Builder
	for i, obj := range objs {
		if i > 0 {
			b.WriteString("---\n")
		}
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			t.Fatal(err)
		}
		obj = obj.DeepCopyObject().(client.Object)
		obj.GetObjectKind().SetGroupVersionKind(gvk)
		content, err := yaml.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(content)
	}
	return b.String()
}
