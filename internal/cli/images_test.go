// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/images"
)

func TestImageTable(t *testing.T) {
	var out bytes.Buffer
	err := printImageTable(&out, []imageRow{
		{Name: "etcd", Reference: "registry.example.com/etcd:3", MadeFrom: []string{"go:example.com/etcd"}, Built: true, Size: 22_750_000},
		{Name: "tools", Reference: "registry.example.com/tools:1", MadeFrom: []string{"deb:a", "deb:b", "deb:c", "deb:d", "deb:e"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `NAME    REFERENCE                      BUILT   SIZE      MADE FROM
etcd    registry.example.com/etcd:3    yes     22.8 MB   go:example.com/etcd
tools   registry.example.com/tools:1   no      -         deb:a deb:b deb:c and 2 more
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSelectImages(t *testing.T) {
	tests := map[string]struct {
		names []string
		all   bool
		want  int
		err   string
	}{
		"nothing given":       {want: len(images.Default())},
		"all":                 {all: true, want: len(images.Built())},
		"a name":              {names: []string{"etcd"}, want: 1},
		"names and all":       {names: []string{"etcd"}, all: true, err: "either"},
		"a name nobody knows": {names: []string{"ectd"}, err: "there is no image"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := selectImages(tc.names, tc.all)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Fatalf("error = %v, want one with %q", err, tc.err)
			}
			if len(got) != tc.want {
				t.Errorf("%d images, want %d", len(got), tc.want)
			}
		})
	}
}
