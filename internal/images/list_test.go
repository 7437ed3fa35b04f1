// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseResolvesPlaceholders(t *testing.T) {
	l, err := parse([]byte(`
kubernetes: [2.5.1, 2.4.9]
debian: {suite: trixie, updated: 2030-01-02, drop: [/dev]}
layers:
  server:
    go: {folder: images/server, modfile: "v2.{minor}.mod", ldflags: "-X version={kubernetes}", binaries: {/server: .}}
  tools:
    debian: {variant: extract, packages: [bash], drop: [/usr/share]}
    go: {folder: images/tools, binaries: {/tool: example.com/tool}}
images:
  - {name: server, repository: example.com/server, tags: ["v{kubernetes}"], layers: [server]}
  - {name: tools, repository: example.com/tools, tags: ["7"], layers: [tools, server]}
`))
	if err != nil {
		t.Fatal(err)
	}
	server := func(version, minor string) Layer {
		return Layer{Name: "server-" + version, Go: &Go{
			Folder: "images/server", ModFile: "v2." + minor + ".mod", LDFlags: "-X version=" + version,
			Binaries: map[string]string{"/server": "."},
		}}
	}
	tools := Layer{
		Name:   "tools",
		Debian: &Debian{Variant: "extract", Packages: []string{"bash"}, Drop: []string{"/dev", "/usr/share"}, Suite: "trixie", Updated: "2030-01-02"},
		Go:     &Go{Folder: "images/tools", LDFlags: "-s -w", Binaries: map[string]string{"/tool": "example.com/tool"}},
	}
	want := []Image{
		{Name: "server", Kubernetes: "2.5.1", Repository: "example.com/server", Tags: []string{"v2.5.1"}, Layers: []Layer{server("2.5.1", "5")}},
		{Name: "server", Kubernetes: "2.4.9", Repository: "example.com/server", Tags: []string{"v2.4.9"}, Layers: []Layer{server("2.4.9", "4")}},
		{Name: "tools", Repository: "example.com/tools", Tags: []string{"7"}, Layers: []Layer{tools, server("2.5.1", "5")}},
	}
	if diff := cmp.Diff(want, l.images); diff != "" {
		t.Error(diff)
	}
}

func TestParseRejects(t *testing.T) {
	tests := map[string]struct{ list, err string }{
		"a misspelt field":      {list: "kubernetes: [1.2.3]\nlayer: {}", err: "layer"},
		"no Kubernetes version": {list: "images: []", err: "no version"},
		"a layer that is not there": {
			list: "kubernetes: [1.2.3]\nimages: [{name: a, repository: b/c, layers: [gone]}]", err: `no layer "gone"`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := parse([]byte(tc.list)); err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error = %v, want one with %q", err, tc.err)
			}
		})
	}
}
