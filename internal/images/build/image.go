// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"canopy.dev/canopy/internal/images"
)

// searchPath finds the commands of every image.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// tagLength is enough of a digest to tell two builds apart.
const tagLength = 12

// Image is a built image; its tags are never empty.
type Image struct {
	images.Image
	// Digest is that of the manifest: the same inputs give the same digest.
	Digest v1.Hash
	// Size is that of all compressed layers, in bytes.
	Size int64

	content v1.Image
}

// Find returns the image if all its layers have been built from what is there now; of what is compiled from this
// repository, if it has been built at all.
func (b *Builder) Find(image images.Image) (Image, bool, error) {
	records := make(map[string]record)
	for _, layer := range image.Layers {
		r, ok, err := b.findLayer(layer)
		if !ok || err != nil {
			return Image{}, false, err
		}
		records[layer.Name] = r
	}
	found, err := b.assemble(image, records)
	return found, err == nil, err
}

// assemble makes the image of stored layers.
func (b *Builder) assemble(image images.Image, records map[string]record) (Image, error) {
	built := Image{Image: image}
	var layers []v1.Layer
	for _, layer := range image.Layers {
		r := records[layer.Name]
		l, err := partial.CompressedToLayer(&storedLayer{record: r, path: b.cache.blob(layer.Name, r.Digest)})
		if err != nil {
			return Image{}, fmt.Errorf("image %s: %w", image, err)
		}
		layers = append(layers, l)
		built.Size += r.Size
	}
	var err error
	if built.content, err = stack(image, layers); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", image, err)
	}
	if built.Digest, err = built.content.Digest(); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", image, err)
	}
	if len(built.Tags) == 0 {
		built.Tags = []string{built.Digest.Hex[:tagLength]}
	}
	return built, nil
}

// stack puts layers and configuration together, without any time or name of the build machine.
func stack(image images.Image, layers []v1.Layer) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	stacked, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	config, err := stacked.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		Entrypoint: image.Entrypoint, Cmd: image.Command, User: image.User, Env: []string{searchPath},
		StopSignal: image.StopSignal,
	}
	return mutate.ConfigFile(stacked, config)
}

// storedLayer is a layer in the cache.
type storedLayer struct {
	record
	path string
}

var _ interface {
	partial.CompressedLayer
	partial.WithDiffID
} = &storedLayer{}

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.record.Digest, nil }
func (l *storedLayer) DiffID() (v1.Hash, error)            { return l.record.DiffID, nil }
func (l *storedLayer) Size() (int64, error)                { return l.record.Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return types.OCILayerZStd, nil }
func (l *storedLayer) Compressed() (io.ReadCloser, error)  { return os.Open(l.path) }
