// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"canopy.dev/canopy/internal/images"
)

// testBuilder returns a builder for a checkout with the given files, and what it reports.
func testBuilder(t *testing.T, files map[string]string) (*Builder, *bytes.Buffer) {
	t.Helper()
	source := t.TempDir()
	writeFiles(t, source, files)
	var progress bytes.Buffer
	return newBuilder(source, filepath.Join(t.TempDir(), "cache"), &progress), &progress
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// treeImage is an image of one layer with the files of images/tree.
func treeImage(name string, tags ...string) images.Image {
	return images.Image{
		Name: name, Repository: "registry.example.com/" + name, Tags: tags, Entrypoint: []string{"/bin/" + name},
		Layers: []images.Layer{{
			Name: "tree", Tree: "images/tree", Folders: map[string]string{"/tmp": "1777"},
			Links: map[string][]string{"/bin/tool": {"alias", "/sbin/tool"}},
		}},
	}
}

var treeFiles = map[string]string{"images/tree/bin/tool": "#!/bin/sh\n", "images/tree/etc/tool.conf": "on\n"}

func build(t *testing.T, b *Builder, wanted ...images.Image) []Image {
	t.Helper()
	built, err := b.Build(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestSameInputsGiveTheSameImage(t *testing.T) {
	first, _ := testBuilder(t, treeFiles)
	second, _ := testBuilder(t, treeFiles)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(second.source, "images/tree/bin/tool"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(second.source, "images/tree/etc/tool.conf"), 0o660); err != nil {
		t.Fatal(err)
	}
	a, b := build(t, first, treeImage("tool", "1"))[0], build(t, second, treeImage("tool", "1"))[0]
	if a.Digest != b.Digest {
		t.Errorf("two checkouts with the same content gave %s and %s", a.Digest, b.Digest)
	}
	checkImage(t, a.content)
	config, err := a.content.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if !config.Created.IsZero() || len(config.History) > 0 && !config.History[0].Created.IsZero() {
		t.Errorf("the configuration has a time: %v, %v", config.Created, config.History)
	}
}

func TestLayerContent(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	image := build(t, b, treeImage("tool", "1"))[0]
	var got []string
	err := eachEntry(t.Context(), image.content, func(h *tar.Header, content io.Reader) error {
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s carries traces of the build machine: %+v", h.Name, h)
		}
		data, err := io.ReadAll(content)
		got = append(got, strings.TrimSpace(h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname+string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x bin/", "-rw-r--r-- bin/tool #!/bin/sh",
		"drwxr-xr-x etc/", "-rw-r--r-- etc/tool.conf on",
		"dtrwxrwxrwx tmp/",
		"Lrwxrwxrwx bin/alias tool",
		"drwxr-xr-x sbin/", "Lrwxrwxrwx sbin/tool /bin/tool",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOnlyWhatChangedIsBuilt(t *testing.T) {
	b, progress := testBuilder(t, treeFiles)
	image := treeImage("tool", "1")
	if _, ok, err := b.Find(image); ok || err != nil {
		t.Fatalf("Find before the first build = %v, %v, want nothing", ok, err)
	}
	first := build(t, b, image)[0]

	changed := map[string]string{"images/tree/etc/tool.conf": "off\n"}
	restored := map[string]string{"images/tree/etc/tool.conf": "on\n"}
	steps := []struct {
		name    string
		change  func()
		rebuilt bool
		same    bool
	}{
		{"nothing changed", func() {}, false, true},
		{"another image has the same layer", func() { image = treeImage("other", "2") }, false, false},
		{"a file changed", func() { image = treeImage("tool", "1"); writeFiles(t, b.source, changed) }, true, false},
		{"it changed back, the layer is still there", func() { writeFiles(t, b.source, restored) }, false, true},
		{"a file became executable", func() { chmod(t, b, 0o755) }, true, false},
		{"and back, which is more versions than are kept", func() { chmod(t, b, 0o644) }, true, true},
		{"the blob is gone", func() { removeBlob(t, b, first) }, true, true},
		{"the definition changed", func() { image.Layers[0].Folders = nil }, true, false},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			progress.Reset()
			got := build(t, b, image)[0]
			if rebuilt := strings.Contains(progress.String(), "built in"); rebuilt != step.rebuilt {
				t.Errorf("built = %v, want %v: %s", rebuilt, step.rebuilt, progress)
			}
			if same := got.Digest == first.Digest; same != step.same {
				t.Errorf("same digest as at first = %v, want %v", same, step.same)
			}
		})
	}
}

func chmod(t *testing.T, b *Builder, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(b.source, "images/tree/bin/tool"), mode); err != nil {
		t.Fatal(err)
	}
}

func removeBlob(t *testing.T, b *Builder, image Image) {
	t.Helper()
	layers, err := image.content.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.cache.blob(image.Layers[0].Name, digest)); err != nil {
		t.Fatal(err)
	}
}

const testMain = `package main

func main() { println("%VERSION%") }
`

func TestCompiledFromTheCheckout(t *testing.T) {
	files := func(version string) map[string]string {
		return map[string]string{
			"go.mod":              "module canopy.dev/canopy\n\ngo 1.26.0\n",
			"cmd/server/main.go":  strings.ReplaceAll(testMain, "%VERSION%", version),
			"cmd/server/other.md": version,
		}
	}
	b, progress := testBuilder(t, files("1"))
	image := images.Image{Name: "server", Repository: "registry.example.com/server", Layers: []images.Layer{{
		Name: "server", Go: &images.Go{Folder: ".", LDFlags: "-s -w", Binaries: map[string]string{"/usr/bin/server": "./cmd/server"}},
	}}}
	first := build(t, b, image)[0]
	if want := "registry.example.com/server:" + first.Digest.Hex[:12]; first.Ref() != want {
		t.Errorf("Ref() = %s, want %s", first.Ref(), want)
	}
	progress.Reset()
	if again := build(t, b, image)[0]; again.Ref() != first.Ref() || progress.Len() > 0 {
		t.Errorf("the second build gave %s and said %q, want %s and nothing", again.Ref(), progress, first.Ref())
	}
	writeFiles(t, b.source, files("2"))
	if changed := build(t, b, image)[0]; changed.Ref() == first.Ref() {
		t.Errorf("another source still gave %s", changed.Ref())
	}

	writeFiles(t, b.source, map[string]string{"cmd/server/main.go": "package main\n\nfunc main() { undefined() }\n"})
	_, err := b.Build(t.Context(), []images.Image{image})
	if err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("error = %v, want what the compiler said", err)
	}
}

func TestFindCheckout(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string]string{
		"go.mod":          "module canopy.dev/canopy\n\ngo 1.26.0\n",
		"images/a/go.mod": "module canopy.dev/canopy/images/a\n",
	})
	got, err := findCheckout(filepath.Join(root, "images", "a"))
	if got != root || err != nil {
		t.Errorf("findCheckout in a nested module = %s, %v, want %s", got, err, root)
	}
	if _, err := findCheckout(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not inside a checkout") {
		t.Errorf("error outside of a checkout = %v", err)
	}
}

// stored makes an image of one layer with the given entries.
func stored(t *testing.T, b *Builder, add func(*archive)) Image {
	t.Helper()
	image := treeImage("stored", "1")
	key, err := b.key(image.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.cache.store(image.Layers[0].Name, key, func(w io.Writer) error {
		a := newArchive(w)
		add(a)
		return a.close()
	})
	if err != nil {
		t.Fatal(err)
	}
	found, ok, err := b.Find(image)
	if !ok || err != nil {
		t.Fatalf("Find = %v, %v", ok, err)
	}
	return found
}

// checkImage compares all digests and sizes in an image with its content.
func checkImage(t *testing.T, image v1.Image) {
	t.Helper()
	if err := validate.Image(image, validate.Fast); err != nil { // knows nothing of zstd, so layers are looked at below
		t.Errorf("not a valid image: %v", err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		compressed, err := layer.Compressed()
		checkDigest(t, compressed, err, layer.Digest)
		uncompressed, err := layer.Uncompressed()
		checkDigest(t, uncompressed, err, layer.DiffID)
	}
}

func checkDigest(t *testing.T, content io.ReadCloser, err error, digest func() (v1.Hash, error)) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	got, _, err := v1.SHA256(content)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := digest(); got != want || err != nil {
		t.Errorf("digest %s, want %s, %v", got, want, err)
	}
}

func TestSourcesThatChangeDuringABuildAreNotMixedUp(t *testing.T) {
	b, _ := testBuilder(t, treeFiles)
	b.progress = writerFunc(func([]byte) { // called when the key is known and before the files are read
		writeFiles(t, b.source, map[string]string{"images/tree/etc/tool.conf": "off\n"})
	})
	image := treeImage("tool", "1")
	if _, err := b.Build(t.Context(), []images.Image{image}); err == nil || !strings.Contains(err.Error(), "sources changed") {
		t.Errorf("error = %v, want one about the sources", err)
	}
	if _, ok, err := b.Find(image); ok || err != nil {
		t.Errorf("Find = %v, %v, want nothing", ok, err)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }
