// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"canopy.dev/canopy/internal/images"
)

// keyVersion changes when the same definition is to give another layer.
const keyVersion = "1"

// errNotCompiled says that a layer made from this repository has no key, since it was never compiled.
var errNotCompiled = errors.New("not compiled yet")

// key identifies all that a layer is made of: its definition, the sources and module files, the compiler; and for what
// is compiled from this repository, where the sources are too many, the binary itself.
func (b *Builder) key(layer images.Layer) (string, error) {
	sum := sha256.New()
	definition, err := json.Marshal(layer)
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(sum, "%s\n%s\n%s\n", keyVersion, runtime.GOARCH, definition)
	if layer.Tree != "" {
		if err := hashTree(sum, filepath.Join(b.source, layer.Tree), func(string) bool { return true }); err != nil {
			return "", err
		}
	}
	switch {
	case layer.Go == nil:
	case fromCheckout(layer):
		err := hashTree(sum, b.cache.binaries(layer.Name), func(string) bool { return true })
		if errors.Is(err, os.ErrNotExist) {
			return "", errNotCompiled
		}
		if err != nil {
			return "", err
		}
	default:
		version, err := b.goVersion()
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintln(sum, version)
		module := modFile(*layer.Go)
		sums := strings.TrimSuffix(module, ".mod") + ".sum"
		if err := hashTree(sum, filepath.Join(b.source, layer.Go.Folder), func(path string) bool {
			source := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
			return source && compilesFolder(*layer.Go) || path == module || path == sums
		}); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// compilesFolder tells whether one of the binaries is made from sources in the layer's folder.
func compilesFolder(g images.Go) bool {
	for _, pkg := range g.Binaries {
		if strings.HasPrefix(pkg, ".") {
			return true
		}
	}
	return false
}

// hashTree adds the names, modes and contents of the files below dir for whose path, relative to dir, wanted is true.
func hashTree(sum hash.Hash, dir string, wanted func(path string) bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !wanted(path) {
			return err
		}
		return hashFile(sum, root, path)
	})
}

func hashFile(sum hash.Hash, root *os.Root, path string) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(sum, "%q %o %d\n", path, fileMode(stat), stat.Size())
	_, err = io.Copy(sum, file)
	return err
}

// fileMode reduces a file's mode to what Git keeps, so that the umask of the build machine does not matter.
func fileMode(stat fs.FileInfo) int64 {
	if stat.Mode()&0o100 != 0 {
		return 0o755
	}
	return 0o644
}
