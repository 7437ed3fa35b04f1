// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/images"
)

// writeLayer writes the layer as a tar archive that depends on nothing but what the layer is made of.
func (b *Builder) writeLayer(ctx context.Context, layer images.Layer, w io.Writer) error {
	a := newArchive(w)
	if layer.Debian != nil {
		if err := b.addDebian(ctx, a, layer); err != nil {
			return err
		}
	}
	if layer.Go != nil {
		if err := b.addBinaries(ctx, a, layer); err != nil {
			return err
		}
	}
	if layer.Tree != "" {
		if err := a.addTree(filepath.Join(b.source, layer.Tree)); err != nil {
			return err
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(layer.Folders)) {
		mode, err := strconv.ParseInt(layer.Folders[folder], 8, 64)
		if err != nil {
			return fmt.Errorf("mode of folder %s: %w", folder, err)
		}
		if err := a.add(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: mode}, nil); err != nil {
			return err
		}
	}
	if err := a.addLinks(layer.Links); err != nil {
		return err
	}
	return a.close()
}

// addBinaries compiles, or takes what buildLayer has compiled from this repository, and adds it; and files of modules.
func (b *Builder) addBinaries(ctx context.Context, a *archive, layer images.Layer) error {
	dir := b.cache.binaries(layer.Name)
	if !fromCheckout(layer) {
		dir = filepath.Join(b.cache.temporary(layer.Name), "binaries")
		if err := b.compile(ctx, layer, dir); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	for _, target := range slices.Sorted(maps.Keys(layer.Go.Binaries)) {
		if err := a.addFile(target, filepath.Join(dir, path.Base(target))); err != nil {
			return err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(layer.Go.Files)) {
		file, err := b.moduleFile(ctx, layer, layer.Go.Files[target])
		if err != nil {
			return err
		}
		if err := a.addFile(target, file); err != nil {
			return err
		}
	}
	return nil
}

// archive writes a tar archive with parents before their children, and no times, users or groups of the build machine.
type archive struct {
	tar  *tar.Writer
	have map[string]bool
}

func newArchive(w io.Writer) *archive {
	return &archive{tar: tar.NewWriter(w), have: map[string]bool{".": true}}
}

// add adds one entry with its content. Absolute names are taken as relative to the image's root, and parents that are
// not there yet are added.
func (a *archive) add(h *tar.Header, content io.Reader) error {
	name := archiveName(h.Name)
	if name == "." {
		return nil
	}
	if !a.have[path.Dir(name)] {
		if err := a.add(&tar.Header{Typeflag: tar.TypeDir, Name: path.Dir(name), Mode: 0o755}, nil); err != nil {
			return err
		}
	}
	a.have[name] = true
	h.Name = name
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	if h.ModTime.IsZero() {
		h.ModTime = time.Unix(0, 0)
	}
	h.Format = tar.FormatPAX
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("adding %s to the layer: %w", name, err)
	}
	if content == nil {
		return nil
	}
	if _, err := io.Copy(a.tar, content); err != nil {
		return fmt.Errorf("adding %s to the layer: %w", name, err)
	}
	return nil
}

func archiveName(name string) string {
	return path.Clean(strings.TrimPrefix(path.Clean("/"+name), "/"))
}

func (a *archive) addFile(name, source string) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	return a.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: fileMode(stat), Size: stat.Size()}, file)
}

// addTree adds the files of a folder; empty folders and the modes of folders are not taken over, as in Git.
func (a *archive) addTree(dir string) error {
	return filepath.WalkDir(dir, func(source string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, source)
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", source)
		}
		return a.addFile(name, source)
	})
}

func (a *archive) addLinks(links map[string][]string) error {
	for _, target := range slices.Sorted(maps.Keys(links)) {
		for _, name := range links[target] {
			linkname := target
			if !path.IsAbs(name) {
				name, linkname = path.Join(path.Dir(target), name), path.Base(target)
			}
			if err := a.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: linkname, Mode: 0o777}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *archive) close() error {
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("ending the layer: %w", err)
	}
	return nil
}
