// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// xattrRecord starts the names of the PAX records that hold extended attributes.
const xattrRecord = "SCHILY.xattr."

// Unpack writes the image's root file system into dir, which it creates: files with their modes, owners, times, links,
// extended attributes and device nodes. Files that are there already are replaced, others stay; no link in dir leads
// out of it. The caller has to be root.
func Unpack(ctx context.Context, image Image, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpacking %s: %w", image.Ref(), err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", image.Ref(), err)
	}
	defer func() { _ = root.Close() }()
	err = eachEntry(ctx, image.content, func(h *tar.Header, content io.Reader) error {
		if err := unpackEntry(root, h, content); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("unpacking %s into %s: %w", image.Ref(), dir, err)
	}
	return nil
}

// ExtractFile writes one regular file of the image to target, at once complete and with its mode.
func ExtractFile(ctx context.Context, image Image, path, target string) error {
	found := false
	err := eachEntry(ctx, image.content, func(h *tar.Header, content io.Reader) error {
		if archiveName(h.Name) != archiveName(path) || h.Typeflag != tar.TypeReg {
			return nil
		}
		found = true
		return writeFile(target, h.FileInfo().Mode(), content)
	})
	if err == nil && !found {
		err = errors.New("there is no such file in the image")
	}
	if err != nil {
		return fmt.Errorf("taking %s out of %s: %w", path, image.Ref(), err)
	}
	return nil
}

func writeFile(target string, mode fs.FileMode, content io.Reader) error {
	file, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+"-*")
	if err != nil {
		return err
	}
	defer discard(file)
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), target)
}

// eachEntry calls visit for the entries of all layers, lowest layer first.
func eachEntry(ctx context.Context, image v1.Image, visit func(*tar.Header, io.Reader) error) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err := eachLayerEntry(ctx, layer, visit); err != nil {
			return err
		}
	}
	return nil
}

func eachLayerEntry(ctx context.Context, layer v1.Layer, visit func(*tar.Header, io.Reader) error) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	archive := tar.NewReader(bufio.NewReaderSize(content, 1<<20))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(h, archive); err != nil {
			return err
		}
	}
}

func unpackEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	name := archiveName(h.Name)
	if err := makeEntry(root, name, h, content); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		return nil // shares everything with its target
	}
	if err := root.Lchown(name, h.Uid, h.Gid); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	// After the owner, since changing that clears set-user-ID.
	if err := root.Chmod(name, h.FileInfo().Mode()); err != nil {
		return err
	}
	if err := setXattrs(root, name, h); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}

// makeEntry creates what the header describes in place of what is there; only a folder stays as it is.
func makeEntry(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	if stat, err := root.Lstat(name); err == nil {
		if h.Typeflag == tar.TypeDir && stat.IsDir() {
			return nil
		}
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.Mkdir(name, 0o700)
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(archiveName(h.Linkname), name)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return makeNode(root, name, h)
	default:
		return fmt.Errorf("cannot unpack an entry of type %q", h.Typeflag)
	}
}

// makeNode creates a device node or a named pipe.
func makeNode(root *os.Root, name string, h *tar.Header) error {
	kinds := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}
	parent, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = parent.Close() }()
	device := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return unix.Mknodat(int(parent.Fd()), filepath.Base(name), kinds[h.Typeflag]|0o600, int(device))
}

func setXattrs(root *os.Root, name string, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		attribute, ok := strings.CutPrefix(key, xattrRecord)
		if !ok {
			continue
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Fsetxattr(int(file.Fd()), attribute, []byte(value), 0), file.Close()); err != nil {
			return fmt.Errorf("setting %s: %w", attribute, err)
		}
	}
	return nil
}
