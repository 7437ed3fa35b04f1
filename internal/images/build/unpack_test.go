// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnpack(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	image := stored(t, b, func(a *archive) {
		entries := []*tar.Header{
			{Typeflag: tar.TypeDir, Name: "bin", Mode: 0o755},
			{Typeflag: tar.TypeReg, Name: "bin/su", Mode: 0o4755, Size: 4},
			{Typeflag: tar.TypeLink, Name: "bin/sudo", Linkname: "bin/su"},
			{Typeflag: tar.TypeSymlink, Name: "sbin", Linkname: "bin", Mode: 0o777},
			{Typeflag: tar.TypeReg, Name: "sbin/through-the-link", Mode: 0o640, Size: 4},
			{Typeflag: tar.TypeDir, Name: "tmp", Mode: 0o1777},
			{Typeflag: tar.TypeFifo, Name: "run/pipe", Mode: 0o620},
			{Typeflag: tar.TypeReg, Name: "bin/ping", Mode: 0o755, Size: 4, PAXRecords: map[string]string{xattrRecord + "user.test": "value"}},
		}
		for _, h := range entries {
			h.Uid, h.Gid, h.ModTime = os.Getuid(), os.Getgid(), modified
			if err := a.add(h, strings.NewReader("file"[:h.Size])); err != nil {
				t.Fatal(err)
			}
		}
	})
	dir := filepath.Join(t.TempDir(), "root")
	writeFiles(t, dir, map[string]string{"bin/ping": "an older one", "etc/kept": ""})
	for range 2 { // over itself, as after a crash
		if err := Unpack(t.Context(), image, dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"bin": "drwxr-xr-x", "bin/su": "urwxr-xr-x", "sbin": "Lrwxrwxrwx", "bin/through-the-link": "-rw-r-----",
		"tmp": "dtrwxrwxrwx", "run/pipe": "prw--w----", "bin/ping": "-rwxr-xr-x", "etc/kept": "-rw-r--r--",
	} {
		stat, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := stat.Mode().String(); got != want {
			t.Errorf("%s: mode %s, want %s", name, got, want)
		}
		if stat.Mode().IsRegular() && name != "etc/kept" && (stat.Size() != 4 || !stat.ModTime().Equal(modified)) {
			t.Errorf("%s: %d bytes of %s, want 4 of %s", name, stat.Size(), stat.ModTime(), modified)
		}
	}
	su, errSu := os.Stat(filepath.Join(dir, "bin/su"))
	sudo, errSudo := os.Stat(filepath.Join(dir, "bin/sudo"))
	if errSu != nil || errSudo != nil || !os.SameFile(su, sudo) {
		t.Errorf("bin/su and bin/sudo are not the same file: %v, %v", errSu, errSudo)
	}
	value := make([]byte, 16)
	n, err := unix.Getxattr(filepath.Join(dir, "bin/ping"), "user.test", value)
	if err != nil || string(value[:n]) != "value" {
		t.Errorf("extended attribute = %q, %v", value[:max(n, 0)], err)
	}
}

func TestUnpackStaysInItsFolder(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	outside := t.TempDir()
	image := stored(t, b, func(a *archive) {
		for _, h := range []*tar.Header{
			{Typeflag: tar.TypeSymlink, Name: "link", Linkname: outside, Mode: 0o777, Uid: os.Getuid(), Gid: os.Getgid()},
			{Typeflag: tar.TypeReg, Name: "link/file", Mode: 0o644, Uid: os.Getuid(), Gid: os.Getgid()},
		} {
			if err := a.add(h, nil); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := Unpack(t.Context(), image, filepath.Join(t.TempDir(), "root")); err == nil {
		t.Error("unpacking through a link out of the folder was not refused")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("the folder outside holds %v, %v", entries, err)
	}
}

func TestExtractFile(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	image := build(t, b, treeImage("tool", "1"))[0]
	target := filepath.Join(t.TempDir(), "tool")
	for range 2 {
		if err := ExtractFile(t.Context(), image, "/bin/tool", target); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(target)
	if err != nil || string(content) != treeFiles["images/tree/bin/tool"] {
		t.Errorf("got %q, %v", content, err)
	}
	err = ExtractFile(t.Context(), image, "/bin/missing", target)
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error for a missing file = %v", err)
	}
}
