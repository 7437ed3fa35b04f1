// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// cache keeps each layer in a folder of its own, so that a build waits only for builds of the same layer:
//
//	<layer>/<key>.json   which blob is the layer made from what has this key
//	<layer>/<digest>     a blob: the layer, compressed
//	<layer>/binaries/    what was compiled from this repository, for the compiler to compare with
//	<layer>/temporary/   of the build that holds the lock
//	<layer>/lock
type cache struct{ dir string }

// record describes one stored layer.
type record struct {
	Digest v1.Hash `json:"digest"` // of the compressed layer
	DiffID v1.Hash `json:"diffID"` // of the tar archive in it
	Size   int64   `json:"size"`   // compressed, in bytes
}

// kept is how many versions of a layer stay in the cache: switching between two branches compiles nothing.
const kept = 2

const recordSuffix = ".json"

func (c *cache) blob(layer string, digest v1.Hash) string {
	return filepath.Join(c.dir, layer, digest.Hex)
}

func (c *cache) record(layer, key string) string {
	return filepath.Join(c.dir, layer, key+recordSuffix)
}

func (c *cache) binaries(layer string) string { return filepath.Join(c.dir, layer, "binaries") }

func (c *cache) temporary(layer string) string { return filepath.Join(c.dir, layer, "temporary") }

// find returns the stored layer, if there is one and its blob is complete.
func (c *cache) find(layer, key string) (record, bool, error) {
	r, err := readRecord(c.record(layer, key))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, err
	}
	stat, err := os.Stat(c.blob(layer, r.Digest))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return record{}, false, err
	}
	return r, err == nil && stat.Size() == r.Size, nil
}

func readRecord(path string) (record, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w; delete the file to have the layer built again", path, err)
	}
	return r, nil
}

// store compresses the archive that write produces and files it. The caller holds the lock.
func (c *cache) store(layer, key string, write func(io.Writer) error) (record, error) {
	if err := os.MkdirAll(c.temporary(layer), 0o700); err != nil {
		return record{}, err
	}
	file, err := os.CreateTemp(c.temporary(layer), "layer-*")
	if err != nil {
		return record{}, err
	}
	defer discard(file)

	compressed := &measure{w: file, hash: sha256.New()}
	encoder, err := zstd.NewWriter(compressed, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return record{}, err
	}
	archive := &measure{w: encoder, hash: sha256.New()}
	if err := errors.Join(write(archive), encoder.Close()); err != nil {
		return record{}, err
	}
	r := record{Digest: compressed.digest(), DiffID: archive.digest(), Size: compressed.size}
	if err := publish(file, c.blob(layer, r.Digest)); err != nil {
		return record{}, err
	}
	return r, c.storeRecord(layer, key, r)
}

func (c *cache) storeRecord(layer, key string, r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(c.temporary(layer), "record-*")
	if err != nil {
		return err
	}
	defer discard(file)
	if _, err := file.Write(content); err != nil {
		return err
	}
	return publish(file, c.record(layer, key))
}

// publish gives a temporary file its final name once its content is on the disk.
func publish(file *os.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// discard ends the use of a temporary file; one that was published is closed and has another name by then.
func discard(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// prune deletes all but the newest versions of a layer. The caller holds the lock. Who reads a blob at this moment keeps
// it; who opens it later has to build again.
func (c *cache) prune(layer string) error {
	entries, err := os.ReadDir(filepath.Join(c.dir, layer))
	if err != nil {
		return err
	}
	written := make(map[string]time.Time)
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != recordSuffix {
			continue
		}
		stat, err := entry.Info()
		if err != nil {
			return err
		}
		written[entry.Name()] = stat.ModTime()
	}
	newest := slices.SortedFunc(maps.Keys(written), func(a, b string) int { return written[b].Compare(written[a]) })
	wanted := make(map[string]bool)
	for _, name := range newest[:min(kept, len(newest))] {
		r, err := readRecord(filepath.Join(c.dir, layer, name))
		if err != nil {
			return err
		}
		wanted[name], wanted[r.Digest.Hex] = true, true
	}
	for _, entry := range entries {
		name := entry.Name()
		if isBlob := len(name) == sha256.Size*2; wanted[name] || !isBlob && filepath.Ext(name) != recordSuffix {
			continue
		}
		if err := os.Remove(filepath.Join(c.dir, layer, name)); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps other builds of the layer out until the returned function is called or the process ends. It calls waiting
// once if there is another one, and deletes what builds that were killed left behind.
func (c *cache) lock(ctx context.Context, layer string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Join(c.dir, layer), 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(c.dir, layer, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for first := true; ; first = false {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for the build that locks %s: %w", file.Name(), ctx.Err()), file.Close())
		case <-poll.C:
		}
	}
	if err := os.RemoveAll(c.temporary(layer)); err != nil {
		return nil, errors.Join(fmt.Errorf("deleting what an earlier build left behind: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// measure counts and hashes what passes through it.
type measure struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (m *measure) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.hash.Write(p[:n])
	m.size += int64(n)
	return n, err
}

func (m *measure) digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(m.hash.Sum(nil))}
}
