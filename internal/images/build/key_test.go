// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"testing"

	"canopy.dev/canopy/internal/images"
)

func TestKeyOfAGoLayer(t *testing.T) {
	b, _ := testBuilder(t, map[string]string{
		"go.mod":                 "module canopy.dev/canopy\n",
		"images/tool/go.mod":     "module placeholder\n",
		"images/tool/v2.mod":     "module tool\n",
		"images/tool/v2.sum":     "sums\n",
		"images/tool/v1.mod":     "module tool\n",
		"images/tool/sub/sub.go": "package sub\n",
	})
	layer := images.Layer{Name: "tool", Go: &images.Go{
		Folder: "images/tool", ModFile: "v2.mod", Binaries: map[string]string{"/tool": ".", "/other": "example.com/other"},
	}}
	key := func() string {
		k, err := b.key(layer)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	tests := []struct {
		name, file string
		changes    bool
	}{
		{"its module file", "images/tool/v2.mod", true},
		{"the checksums of its modules", "images/tool/v2.sum", true},
		{"a source below its folder", "images/tool/sub/sub.go", true},
		{"a new source", "images/tool/new.go", true},
		{"a test", "images/tool/new_test.go", false},
		{"the module file of another version", "images/tool/v1.mod", false},
		{"another file", "images/tool/README.md", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			before := key()
			writeFiles(t, b.source, map[string]string{tc.file: "// changed\n"})
			if changed := key() != before; changed != tc.changes {
				t.Errorf("the key changed: %v, want %v", changed, tc.changes)
			}
		})
	}
	layer.Go.Binaries = map[string]string{"/other": "example.com/other"}
	before := key()
	writeFiles(t, b.source, map[string]string{"images/tool/sub/sub.go": "package sub // changed again\n"})
	if key() != before {
		t.Error("the key changed with a source of the folder, though nothing is compiled from there")
	}
	layer.Go.LDFlags = "-X main.version=2"
	if key() == before {
		t.Error("the key did not change with the linker's flags")
	}
}
