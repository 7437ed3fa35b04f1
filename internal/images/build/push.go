// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push copies images to a mirror, a URL such as "http://192.0.2.1:5000" or "https://registry.example.com/mirror", where
// images.HostsFiles lets containerd find them. What the registry has already is not sent again. Credentials are those of
// the Docker configuration file.
func (b *Builder) Push(ctx context.Context, mirror string, built []Image) error {
	return push(ctx, mirror, built, b.logf)
}

// PushSaved copies the images in a folder that Save has written to a mirror, as Push does. It tells progress what it did.
func PushSaved(ctx context.Context, mirror, folder string, progress io.Writer) error {
	saved, err := load(folder)
	if err != nil {
		return fmt.Errorf("reading the images in %s: %w", folder, err)
	}
	return push(ctx, mirror, saved, func(format string, args ...any) {
		_, _ = fmt.Fprintf(progress, format+"\n", args...) // for people: nobody to tell that they cannot see it
	})
}

func push(ctx context.Context, mirror string, built []Image, logf func(string, ...any)) error {
	scheme, address, ok := strings.Cut(strings.TrimRight(mirror, "/"), "://")
	if !ok || scheme != "http" && scheme != "https" || address == "" {
		return fmt.Errorf("pushing images: %q is no registry URL such as http://192.0.2.1:5000", mirror)
	}
	var options []name.Option
	if scheme == "http" {
		options = append(options, name.Insecure)
	}
	send := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	pushed := make(map[v1.Hash]name.Reference) // where the registry has a layer already
	for _, image := range built {
		for _, tag := range image.Tags {
			upstream := image.Repository + ":" + tag
			reference, err := name.NewTag(address+"/"+upstream, options...)
			if err != nil {
				return fmt.Errorf("pushing %s: %w", upstream, err)
			}
			// Whatever keeps the registry from answering keeps it from receiving, too, and is reported then.
			if there, err := remote.Head(reference, send...); err != nil || there.Digest != image.Digest {
				if err := remote.Write(reference, &mountable{Image: image.content, from: pushed}, send...); err != nil {
					return fmt.Errorf("pushing %s to %s: %w", upstream, mirror, err)
				}
				logf("%s: pushed to %s", upstream, mirror)
			}
			if err := remember(pushed, image.content, reference); err != nil {
				return fmt.Errorf("pushing %s: %w", upstream, err)
			}
		}
	}
	return nil
}

func remember(pushed map[v1.Hash]name.Reference, image v1.Image, reference name.Reference) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		if _, ok := pushed[digest]; !ok {
			pushed[digest] = reference
		}
	}
	return nil
}

// mountable is an image some of whose layers the registry has in another repository: it links them instead of receiving
// them once more.
type mountable struct {
	v1.Image
	from map[v1.Hash]name.Reference
}

// Layers implements v1.Image.
func (m *mountable) Layers() ([]v1.Layer, error) {
	layers, err := m.Image.Layers()
	if err != nil {
		return nil, err
	}
	for i, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return nil, err
		}
		if reference, ok := m.from[digest]; ok {
			layers[i] = &remote.MountableLayer{Layer: layer, Reference: reference}
		}
	}
	return layers, nil
}
