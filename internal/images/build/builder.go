// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package build makes the images of the list without a container runtime, and copies them to registries, archives and
// folders. It runs in the canopy command on a machine with a checkout of this repository; it reads the checkout, Go
// modules and Debian packages, runs go and mmdebstrap, and writes layers to a cache in the user's cache folder.
//
// A layer is stored under a key made from everything that it is made of, so that building again does nothing. Only
// finished layers get their final name: a build can be killed at any time and run again.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"canopy.dev/canopy/internal/images"
)

// Builder builds images from one checkout into one cache. Several may use the same cache at the same time.
type Builder struct {
	source string // root of the checkout
	cache  *cache

	mu       sync.Mutex // guards progress
	progress io.Writer

	goVersion func() (string, error)
}

// New returns a builder for the checkout that holds the working directory. Progress gets one line for each step that
// takes time.
func New(progress io.Writer) (*Builder, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("looking for Canopy's sources: %w", err)
	}
	source, err := findCheckout(dir)
	if err != nil {
		return nil, err
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("looking for a folder to cache images in: %w", err)
	}
	return newBuilder(source, filepath.Join(caches, "canopy", "images"), progress), nil
}

// Source returns the root of the checkout that images are built from.
func (b *Builder) Source() string { return b.source }

func newBuilder(source, cacheDir string, progress io.Writer) *Builder {
	b := &Builder{source: source, cache: &cache{dir: cacheDir}, progress: progress}
	b.goVersion = sync.OnceValues(b.askGoVersion)
	return b
}

var moduleLine = regexp.MustCompile(`(?m)^module canopy\.dev/canopy$`)

// findCheckout returns the closest folder, from dir upwards, that is this repository.
func findCheckout(dir string) (string, error) {
	for folder := dir; ; folder = filepath.Dir(folder) {
		content, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("looking for Canopy's sources: %w", err)
		}
		if moduleLine.Match(content) {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("images are built from Canopy's sources, and %s is not inside a checkout of them: "+
				"change into one and run the command again", dir)
		}
	}
}

// Build makes what is missing of the given images and returns them in the same order. Where another process builds the
// same layer, it waits for that.
func (b *Builder) Build(ctx context.Context, wanted []images.Image) ([]Image, error) {
	for _, image := range wanted {
		if image.Upstream() {
			return nil, fmt.Errorf("image %s is not built: copy %s from its registry", image, image.Ref())
		}
	}
	records, missing, err := b.look(wanted)
	if err != nil {
		return nil, err
	}
	if err := b.buildLayers(ctx, missing, records); err != nil {
		return nil, err
	}
	built := make([]Image, 0, len(wanted))
	for _, image := range wanted {
		i, err := b.assemble(image, records)
		if err != nil {
			return nil, err
		}
		built = append(built, i)
	}
	return built, nil
}

// look returns the layers that have been built, by name, and those that have to be, each once. Those of this repository
// are always among the latter, because only the compiler knows whether they changed.
func (b *Builder) look(wanted []images.Image) (records map[string]record, missing []images.Layer, err error) {
	records = make(map[string]record)
	seen := make(map[string]bool)
	for _, image := range wanted {
		for _, layer := range image.Layers {
			if seen[layer.Name] {
				continue
			}
			seen[layer.Name] = true
			if fromCheckout(layer) {
				missing = append(missing, layer)
				continue
			}
			r, ok, err := b.findLayer(layer)
			if err != nil {
				return nil, nil, err
			}
			if !ok {
				missing = append(missing, layer)
				continue
			}
			records[layer.Name] = r
		}
	}
	return records, missing, nil
}

// buildLayers compiles Go one layer at a time, since the compiler uses all processors, and beside that installs Debian
// packages, which mostly waits for downloads. It adds what it made to records.
func (b *Builder) buildLayers(ctx context.Context, layers []images.Layer, records map[string]record) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, compiled := range []bool{true, false} {
		group.Go(func() error {
			for _, layer := range layers {
				if (layer.Go != nil) != compiled {
					continue
				}
				r, err := b.buildLayer(ctx, layer)
				if err != nil {
					return fmt.Errorf("layer %s: %w", layer.Name, err)
				}
				mu.Lock()
				records[layer.Name] = r
				mu.Unlock()
			}
			return nil
		})
	}
	return group.Wait()
}

func (b *Builder) buildLayer(ctx context.Context, layer images.Layer) (record, error) {
	unlock, err := b.cache.lock(ctx, layer.Name, func() { b.logf("%s: waiting for another build", layer.Name) })
	if err != nil {
		return record{}, err
	}
	defer unlock()
	if fromCheckout(layer) {
		slow := time.AfterFunc(time.Second, func() { b.logf("%s: compiling", layer.Name) }) // mostly there is nothing to do
		defer slow.Stop()
		if err := b.compile(ctx, layer, b.cache.binaries(layer.Name)); err != nil {
			return record{}, err
		}
		slow.Stop()
	}
	key, err := b.key(layer)
	if err != nil {
		return record{}, err
	}
	// The process that held the lock before may have made it.
	if r, ok, err := b.cache.find(layer.Name, key); ok || err != nil {
		return r, err
	}
	b.logf("%s: building", layer.Name)
	start := time.Now()
	r, err := b.cache.store(layer.Name, key, func(w io.Writer) error {
		if err := b.writeLayer(ctx, layer, w); err != nil {
			return err
		}
		if now, err := b.key(layer); now != key || err != nil {
			return errors.Join(errors.New("its sources changed while it was built: run the command again"), err)
		}
		return nil
	})
	if err != nil {
		return record{}, err
	}
	b.logf("%s: built in %s, %s", layer.Name, time.Since(start).Round(100*time.Millisecond), megabytes(r.Size))
	return r, b.cache.prune(layer.Name)
}

// findLayer returns the layer if it has been made from what is there now. Of a layer that is compiled from this
// repository it returns the last one that was made.
func (b *Builder) findLayer(layer images.Layer) (record, bool, error) {
	key, err := b.key(layer)
	if errors.Is(err, errNotCompiled) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("layer %s: %w", layer.Name, err)
	}
	return b.cache.find(layer.Name, key)
}

func (b *Builder) logf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // progress is for people: nobody to tell that they cannot see it
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
