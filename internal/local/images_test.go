// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutdated(t *testing.T) {
	const list = `REF                            TYPE                                  DIGEST      SIZE    PLATFORMS   LABELS
registry.example.com/a:1       application/vnd.oci.image.manifest.v1 sha256:old  1.0 MiB linux/amd64 io.cri=image
registry.example.com/b:1       application/vnd.oci.image.manifest.v1 sha256:new  1.0 MiB linux/amd64 -
registry.example.com/other:1   application/vnd.oci.image.manifest.v1 sha256:old  1.0 MiB linux/amd64 -
sha256:0123                    application/vnd.oci.image.manifest.v1 sha256:old  1.0 MiB linux/amd64 -
`
	wanted := map[string]string{
		"registry.example.com/a:1": "sha256:new", "registry.example.com/b:1": "sha256:new", "registry.example.com/c:1": "sha256:new",
	}
	if diff := cmp.Diff([]string{"registry.example.com/a:1"}, outdated(list, wanted)); diff != "" {
		t.Error(diff)
	}
}

func TestMissingPackages(t *testing.T) {
	tools := map[string]string{"ip": "iproute2", "ss": "iproute2", "nft": "nftables", "tar": "tar"}
	got := missingPackages(tools, func(tool string) bool { return tool == "tar" })
	if diff := cmp.Diff([]string{"iproute2", "nftables"}, got); diff != "" {
		t.Error(diff)
	}
	if got := missingPackages(tools, func(string) bool { return true }); got != nil {
		t.Errorf("%v, want none", got)
	}
}

func TestWriteRootFilesLeavesUnchangedFilesAlone(t *testing.T) {
	root := t.TempDir()
	files := map[string]string{"/etc/a": "1", "/etc/deep/b": "2"}
	if err := writeRootFiles(root, files); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(root, "etc/a"))
	if err != nil {
		t.Fatal(err)
	}
	files["/etc/deep/b"] = "3"
	if err := writeRootFiles(root, files); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(root, "etc/a"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("a file with the same content was replaced (%v)", err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "etc/deep/b")); err != nil || string(b) != "3" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestRemoveOtherRoots(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new", "old", "old.half"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeOtherRoots(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "new" {
		t.Errorf("left %v, %v", entries, err)
	}
}
