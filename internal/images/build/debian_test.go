// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/images"
)

func TestSourceLines(t *testing.T) {
	targets := `Debian main bookworm http://deb.example.com/debian/
Debian main bookworm-security http://deb.example.com/debian-security/
Debian main trixie http://deb.example.com/debian/
Debian contrib bookworm http://deb.example.com/debian/
Vendor main bookworm http://vendor.example.com/
`
	want := []string{
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.example.com/debian/ bookworm main",
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.example.com/debian-security/ bookworm-security main",
	}
	if diff := cmp.Diff(want, sourceLines(targets, "bookworm")); diff != "" {
		t.Error(diff)
	}
	if got := sourceLines("Ubuntu main noble http://archive.example.com/ubuntu/\n", "bookworm"); got != nil {
		t.Errorf("on another distribution: %v, want none", got)
	}
}

func TestWanted(t *testing.T) {
	drop := []string{"/dev/*", "/usr/share/doc", "/etc/*-"}
	tests := map[string]struct {
		keep []string
		path string
		want bool
	}{
		"a file that nothing is said about":       {path: "./usr/bin/tool", want: true},
		"a file in a dropped folder":              {path: "./usr/share/doc/tool/changelog.gz"},
		"a licence in a dropped folder":           {path: "./usr/share/doc/tool/copyright", want: true},
		"a licence that is not in the kept paths": {keep: []string{"/usr/bin"}, path: "./usr/share/doc/tool/copyright", want: true},
		"a folder whose content is dropped":       {path: "./dev/", want: true},
		"the content of that folder":              {path: "./dev/null"},
		"a backup":                                {path: "./etc/passwd-"},
		"a file whose name starts like a kept one": {
			keep: []string{"/usr/bin"}, path: "./usr/binary",
		},
		"a file in a kept folder":              {keep: []string{"/usr/bin"}, path: "./usr/bin/tool", want: true},
		"a file that is both kept and dropped": {keep: []string{"/dev"}, path: "./dev/null"},
		"the root":                             {keep: []string{"/usr"}, path: "./"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := wanted(tc.path, images.Debian{Keep: tc.keep, Drop: drop}); got != tc.want {
				t.Errorf("wanted(%s) = %v, want %v", tc.path, got, tc.want)
			}
		})
	}
}

func TestAddPackages(t *testing.T) {
	updated := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	before, after := updated.Add(-time.Hour), updated.Add(time.Hour)
	in := packageArchive(t, []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: after},
		{Typeflag: tar.TypeDir, Name: "./usr/share/doc/", Mode: 0o755, ModTime: before},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/su", Mode: 0o4755, Uid: 0, Gid: 42, Uname: "root", ModTime: before},
		{
			Typeflag: tar.TypeReg, Name: "./usr/bin/ping", Mode: 0o755, ModTime: after,
			PAXRecords: map[string]string{xattrRecord + "security.capability": "raw", "LIBARCHIVE.creationtime": "1"},
		},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/ping6", Linkname: "./usr/bin/ping", Mode: 0o755, ModTime: after},
	})
	var out bytes.Buffer
	a := newArchive(&out)
	if err := a.addPackages(in, images.Debian{Drop: []string{"/usr/share/doc"}}, updated); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Link, Uname string
		Mode              int64
		Gid               int
		ModTime           time.Time
		Xattr             string
	}
	var got []entry
	for result := tar.NewReader(&out); ; {
		h, err := result.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := h.PAXRecords["LIBARCHIVE.creationtime"]; ok {
			t.Errorf("%s kept a record that differs from machine to machine", h.Name)
		}
		got = append(got, entry{h.Name, h.Linkname, h.Uname, h.Mode, h.Gid, h.ModTime.UTC(), h.PAXRecords[xattrRecord+"security.capability"]})
	}
	want := []entry{
		{Name: "usr/", Mode: 0o755, ModTime: time.Unix(0, 0).UTC()},
		{Name: "usr/bin/", Mode: 0o755, ModTime: time.Unix(0, 0).UTC()},
		{Name: "usr/bin/su", Mode: 0o4755, Gid: 42, ModTime: before},
		{Name: "usr/bin/ping", Mode: 0o755, ModTime: updated, Xattr: "raw"},
		{Name: "usr/bin/ping6", Link: "usr/bin/ping", Mode: 0o755, ModTime: updated},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddPackagesRefusesALinkToADroppedFile(t *testing.T) {
	in := packageArchive(t, []tar.Header{
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/a", Mode: 0o644},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/b", Linkname: "./usr/share/doc/a", Mode: 0o644},
	})
	err := newArchive(io.Discard).addPackages(in, images.Debian{Drop: []string{"/usr/share/doc"}}, time.Now())
	if err == nil || !strings.Contains(err.Error(), "hard link") {
		t.Errorf("error = %v, want one about the hard link", err)
	}
}

func packageArchive(t *testing.T, headers []tar.Header) io.Reader {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buffer
}
