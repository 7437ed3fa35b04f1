// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// testRegistry serves an empty registry and counts what is uploaded to it.
func testRegistry(t *testing.T) (url string, uploads *atomic.Int64) {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	uploads = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch || r.Method == http.MethodPut {
			uploads.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, uploads
}

func TestPushedImagesCanBePulled(t *testing.T) {
	b, progress := testBuilder(t, treeFiles)
	built := build(t, b, treeImage("one", "1", "1.0"), treeImage("two", "2"))
	url, uploads := testRegistry(t)
	if err := b.Push(t.Context(), url, built); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Image{
		"registry.example.com/one:1": built[0], "registry.example.com/one:1.0": built[0], "registry.example.com/two:2": built[1],
	} {
		reference, err := name.ParseReference(strings.TrimPrefix(url, "http://") + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Image(reference, remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, pulled)
		if digest, err := pulled.Digest(); digest != want.Digest || err != nil {
			t.Errorf("%s is %s, %v, want %s", path, digest, err, want.Digest)
		}
	}

	uploads.Store(0)
	progress.Reset()
	if err := b.Push(t.Context(), url+"/", built); err != nil {
		t.Fatal(err)
	}
	if uploads.Load() > 0 || progress.Len() > 0 {
		t.Errorf("pushing again uploaded %d times and said %q, want nothing", uploads.Load(), progress)
	}
}

func TestWhatWasSavedCanBePushed(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	built := build(t, b, treeImage("one", "1", "1.0"), treeImage("two", "2"))
	folder := filepath.Join(t.TempDir(), "images")
	if err := b.Save(t.Context(), folder, built); err != nil {
		t.Fatal(err)
	}
	url, _ := testRegistry(t)
	if err := PushSaved(t.Context(), url, folder, io.Discard); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Image{
		"registry.example.com/one:1": built[0], "registry.example.com/one:1.0": built[0], "registry.example.com/two:2": built[1],
	} {
		reference, err := name.ParseReference(strings.TrimPrefix(url, "http://") + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := remote.Head(reference, remote.WithContext(t.Context())); err != nil || got.Digest != want.Digest {
			t.Errorf("%s: %v, want %s: %v", path, got, want.Digest, err)
		}
	}
	if err := PushSaved(t.Context(), url, t.TempDir(), io.Discard); err == nil {
		t.Error("an empty folder is taken for images")
	}
}

func TestPushRejectsWhatIsNoURL(t *testing.T) {
	b, _ := testBuilder(t, nil)
	for _, mirror := range []string{"", "192.0.2.1:5000", "ftp://192.0.2.1", "http://"} {
		if err := b.Push(t.Context(), mirror, nil); err == nil || !strings.Contains(err.Error(), "registry URL") {
			t.Errorf("Push to %q: %v, want an error about the URL", mirror, err)
		}
	}
}

func TestSave(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	built := build(t, b, treeImage("one", "1", "1.0"), treeImage("two", "2"))
	dir := t.TempDir()
	folder, archived := filepath.Join(dir, "images"), filepath.Join(dir, "images.tar")
	for _, path := range []string{folder, folder, archived, archived} { // the second time over the first
		if err := b.Save(t.Context(), path, built); err != nil {
			t.Fatal(err)
		}
	}
	checkLayout(t, folder, built)

	unpacked := filepath.Join(dir, "unpacked")
	file, err := os.Open(archived)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for in := tar.NewReader(file); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		writeFiles(t, unpacked, map[string]string{h.Name: string(content)})
	}
	checkLayout(t, unpacked, built)
	if left, err := filepath.Glob(filepath.Join(dir, "*.partial")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func checkLayout(t *testing.T, dir string, built []Image) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, image)
		got[m.Annotations["org.opencontainers.image.ref.name"]] = m.Digest.String()
	}
	want := map[string]string{
		"registry.example.com/one:1":   built[0].Digest.String(),
		"registry.example.com/one:1.0": built[0].Digest.String(),
		"registry.example.com/two:2":   built[1].Digest.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSaveLeavesOtherFoldersAlone(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"precious": ""})
	if err := b.Save(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "not a folder of images") {
		t.Errorf("error = %v, want a refusal", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "precious")); err != nil {
		t.Error(err)
	}
}
