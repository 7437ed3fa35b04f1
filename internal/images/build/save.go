// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"canopy.dev/canopy/internal/images"
)

const (
	layoutFile = "oci-layout"
	// annotationName is on an image in a layout: its name with its tag.
	annotationName = "org.opencontainers.image.ref.name"
)

// Save writes images as one OCI layout, for sites without a network: a tar archive if path ends with ".tar", else a
// folder. What is there already is replaced at the end if it is such an archive or layout, and left alone if not.
func (b *Builder) Save(ctx context.Context, path string, built []Image) error {
	partialPath := strings.TrimRight(path, "/") + ".partial"
	if err := os.RemoveAll(partialPath); err != nil {
		return fmt.Errorf("saving images: %w", err)
	}
	if err := mayReplace(path); err != nil {
		return fmt.Errorf("saving images: %w", err)
	}
	save := saveFolder
	if strings.HasSuffix(path, ".tar") {
		save = saveArchive
	}
	if err := save(ctx, partialPath, built); err != nil {
		return fmt.Errorf("saving images to %s: %w", partialPath, err)
	}
	if err := errors.Join(os.RemoveAll(path), os.Rename(partialPath, path)); err != nil {
		return fmt.Errorf("saving images: %w", err)
	}
	b.logf("%d images saved to %s", len(built), path)
	return nil
}

// mayReplace returns an error if there is a folder at path that is not an OCI layout.
func mayReplace(path string) error {
	stat, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !stat.IsDir() {
		return nil
	}
	if err == nil {
		_, err = os.Stat(filepath.Join(path, layoutFile))
	}
	if err != nil {
		return fmt.Errorf("%s exists and is not a folder of images: choose another name: %w", path, err)
	}
	return nil
}

func saveFolder(ctx context.Context, path string, built []Image) error {
	return writeLayout(ctx, built, func(name string, _ int64, content io.Reader) error {
		target := filepath.Join(path, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return err
		}
		file, err := os.Create(target)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	})
}

func saveArchive(ctx context.Context, path string, built []Image) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	out := tar.NewWriter(file)
	err = writeLayout(ctx, built, func(name string, size int64, content io.Reader) error {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.Copy(out, content)
		return err
	})
	return errors.Join(err, out.Close(), file.Close())
}

// writeLayout calls add for each file of an OCI layout: every blob once, then the index, then the file that makes it a
// layout.
func writeLayout(ctx context.Context, built []Image, add func(name string, size int64, content io.Reader) error) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	added := make(map[v1.Hash]bool)
	addBytes := func(name string, content []byte) error {
		return add(name, int64(len(content)), bytes.NewReader(content))
	}
	for _, image := range built {
		if err := addBlobs(ctx, image.content, added, add); err != nil {
			return fmt.Errorf("%s: %w", image.Ref(), err)
		}
		descriptor, err := partial.Descriptor(image.content)
		if err != nil {
			return fmt.Errorf("%s: %w", image.Ref(), err)
		}
		for _, tag := range image.Tags {
			tagged := *descriptor
			tagged.Platform = &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
			tagged.Annotations = map[string]string{
				"io.containerd.image.name": image.Repository + ":" + tag,
				annotationName:             image.Repository + ":" + tag,
			}
			index.Manifests = append(index.Manifests, tagged)
		}
	}
	content, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := addBytes("index.json", content); err != nil {
		return err
	}
	return addBytes(layoutFile, []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// addBlobs adds the layers, the configuration and the manifest of an image, as far as they were not added before.
func addBlobs(ctx context.Context, image v1.Image, added map[v1.Hash]bool, add func(name string, size int64, content io.Reader) error) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(image)
	if err != nil {
		return err
	}
	for _, blob := range append(layers, config) {
		if err := ctx.Err(); err != nil {
			return err
		}
		digest, digestErr := blob.Digest()
		size, sizeErr := blob.Size()
		if err := errors.Join(digestErr, sizeErr); err != nil {
			return err
		}
		if added[digest] {
			continue
		}
		added[digest] = true
		content, err := blob.Compressed()
		if err != nil {
			return err
		}
		if err := errors.Join(add(blobName(digest), size, content), content.Close()); err != nil {
			return err
		}
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil || added[digest] {
		return err
	}
	added[digest] = true
	return add(blobName(digest), int64(len(manifest)), bytes.NewReader(manifest))
}

// load returns the images of a layout in a folder, one for each tag.
func load(folder string) ([]Image, error) {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var saved []Image
	for _, m := range manifest.Manifests {
		reference, err := name.NewTag(m.Annotations[annotationName], name.StrictValidation)
		if err != nil {
			return nil, err
		}
		content, err := index.Image(m.Digest)
		if err != nil {
			return nil, err
		}
		saved = append(saved, Image{
			Image:  images.Image{Repository: reference.Repository.Name(), Tags: []string{reference.TagStr()}},
			Digest: m.Digest, content: content,
		})
	}
	return saved, nil
}

func blobName(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }
