// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// description is what of Google's description of an API is compared.
type description struct {
	Resources map[string]struct {
		Methods map[string]struct {
			ID, Path, HTTPMethod string
			ParameterOrder       []string
		}
	}
	Schemas map[string]struct {
		Properties map[string]struct {
			Pattern     string
			Annotations struct{ Required []string }
		}
	}
}

func published(t *testing.T, api, file string) description {
	t.Helper()
	directory, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "google.golang.org/api/"+api).Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), file))
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRoutesAreAsGooglePublishesThem(t *testing.T) {
	d := published(t, "compute/v1", "compute-api.json")
	parameter := regexp.MustCompile(`{(\w+)}`)
	for _, route := range New().table() {
		parts := strings.Split(route.id, ".")
		m, ok := d.Resources[parts[1]].Methods[parts[2]]
		if !ok || m.ID != route.id || m.Path != route.path || m.HTTPMethod != route.method {
			t.Errorf("%s is %s %s, published is %+v", route.id, route.method, route.path, m)
		}
		var names []string
		for _, match := range parameter.FindAllStringSubmatch(route.path, -1) {
			names = append(names, match[1])
		}
		slices.Sort(names)
		slices.Sort(m.ParameterOrder)
		if diff := cmp.Diff(m.ParameterOrder, names); diff != "" {
			t.Errorf("%s: parameters (-published +ours):\n%s", route.id, diff)
		}
	}
	for _, kind := range []string{"Network", "Firewall", "Instance", "Subnetwork"} {
		name := d.Schemas[kind].Properties["name"]
		if form := "^" + name.Pattern + "$"; form != nameForm.String() {
			t.Errorf("a name of a %s is %s, ours %s", kind, form, nameForm)
		}
	}
}

func TestFilters(t *testing.T) {
	object := map[string]any{"name": "a", "labels": map[string]any{"x-y": "1"}, "network": "https://h/projects/p/n"}
	for filter, want := range map[string]bool{
		"":                                   true,
		`name = "a"`:                         true,
		`(name = "b")`:                       false,
		`labels.x-y = "1"`:                   true,
		`labels.z = "1"`:                     false,
		`(name = "b") OR (labels.x-y = "1")`: true,
		`(name = "a") AND (name = "b")`:      false,
		`network eq ".*/p/n"`:                true,
		`network eq "p/n"`:                   false,
	} {
		keep, err := parseFilter(filter)
		if err != nil || keep(object) != want {
			t.Errorf("%s = %t, %v, want %t", filter, !want, err, want)
		}
	}
	for _, filter := range []string{"name", `name = a`, `(name eq "a") AND (name eq "b")`} {
		if _, err := parseFilter(filter); err == nil {
			t.Errorf("%s is no filter", filter)
		}
	}
}

func TestFieldsCutOutWhatTheyName(t *testing.T) {
	result := map[string]any{"a": 1, "b": 2, "items": map[string]any{"z": map[string]any{"list": []any{map[string]any{"c": 3, "d": map[string]any{"e": 4, "f": 5}, "g": 6}}}}}
	kept, err := mask(result, "a,items/*/list(c,d/e)")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": 1.0, "items": map[string]any{"z": map[string]any{"list": []any{map[string]any{"c": 3.0, "d": map[string]any{"e": 4.0}}}}}}
	if diff := cmp.Diff(any(want), kept); diff != "" {
		t.Error(diff)
	}
	if _, err := mask(result, "a(b"); err == nil {
		t.Error("a list that does not end is no selection")
	}
}
