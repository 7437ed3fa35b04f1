// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Layer is one layer of an image: the union of what its parts put there. Paths in the image are absolute, paths in the
// repository are relative to its root.
type Layer struct {
	// Name is the layer's name in the list, with "-<version>" if it depends on the Kubernetes version.
	Name string `json:"name"`
	// Debian, if set, puts Debian packages there.
	Debian *Debian `json:"debian,omitempty"`
	// Go, if set, compiles binaries.
	Go *Go `json:"go,omitempty"`
	// Tree is a folder of the repository whose files are put there.
	Tree string `json:"tree,omitempty"`
	// Folders maps empty folders to their mode in octal.
	Folders map[string]string `json:"folders,omitempty"`
	// Links maps targets of symbolic links to the links' names; a name without a path is put into the target's folder.
	Links map[string][]string `json:"links,omitempty"`
}

// Go says which binaries to compile.
type Go struct {
	// Folder holds the module.
	Folder string `json:"folder"`
	// ModFile replaces go.mod, and the .sum file beside it go.sum.
	ModFile string `json:"modfile,omitempty"`
	// Tags are build tags.
	Tags []string `json:"tags,omitempty"`
	// LDFlags are the linker's flags.
	LDFlags string `json:"ldflags,omitempty"`
	// Binaries maps paths in the image to main packages.
	Binaries map[string]string `json:"binaries"`
	// Files maps paths in the image to files of packages, "package/file".
	Files map[string]string `json:"files,omitempty"`
}

// Debian says which packages to install.
type Debian struct {
	// Variant is mmdebstrap's: "extract" or "minbase".
	Variant string `json:"variant,omitempty"`
	// Packages are installed with their dependencies.
	Packages []string `json:"packages,omitempty"`
	// Keep, if not empty, lists the only paths that come into the layer, Drop those that do not. Both are path.Match
	// patterns and mean what is below them, too.
	Keep []string `json:"keep,omitempty"`
	Drop []string `json:"drop,omitempty"`
	// Suite is Debian's release; the same for all layers.
	Suite string `json:"suite,omitempty"`
	// Updated is the day (YYYY-MM-DD) as of which packages are wanted; the same for all layers.
	Updated string `json:"updated,omitempty"`
}

// file is the form of images.yaml.
type file struct {
	Kubernetes []string         `json:"kubernetes"`
	Debian     Debian           `json:"debian"`
	Layers     map[string]Layer `json:"layers"`
	Images     []struct {
		Name       string   `json:"name"`
		Repository string   `json:"repository"`
		Tags       []string `json:"tags"`
		Layers     []string `json:"layers"`
		Entrypoint []string `json:"entrypoint"`
		Command    []string `json:"command"`
		User       string   `json:"user"`
		StopSignal string   `json:"stopSignal"`
		Optional   bool     `json:"optional"`
	} `json:"images"`
}

type list struct {
	kubernetes []string
	images     []Image
}

const (
	kubernetesPlaceholder = "{kubernetes}"
	minorPlaceholder      = "{minor}"
	defaultLDFlags        = "-s -w"
)

// parse reads images.yaml and resolves its placeholders.
func parse(data []byte) (*list, error) {
	var f file
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return nil, err
	}
	if len(f.Kubernetes) == 0 {
		return nil, errors.New("kubernetes: no version")
	}
	l := &list{kubernetes: f.Kubernetes}
	for _, entry := range f.Images {
		versions := []string{""}
		if slices.ContainsFunc(entry.Tags, func(t string) bool { return replace(t, f.Kubernetes[0]) != t }) {
			versions = f.Kubernetes
		}
		for _, version := range versions {
			image := Image{
				Name: entry.Name, Kubernetes: version, Repository: entry.Repository, Optional: entry.Optional,
				Entrypoint: entry.Entrypoint, Command: entry.Command, User: entry.User, StopSignal: entry.StopSignal,
			}
			if version == "" {
				version = f.Kubernetes[0]
			}
			for _, tag := range entry.Tags {
				image.Tags = append(image.Tags, replace(tag, version))
			}
			for _, name := range entry.Layers {
				layer, err := f.layer(name, version)
				if err != nil {
					return nil, fmt.Errorf("image %s: %w", entry.Name, err)
				}
				image.Layers = append(image.Layers, layer)
			}
			l.images = append(l.images, image)
		}
	}
	return l, nil
}

// layer returns the layer as it is for one Kubernetes version, with all defaults filled in.
func (f *file) layer(name, kubernetes string) (Layer, error) {
	layer, ok := f.Layers[name]
	if !ok {
		return Layer{}, fmt.Errorf("there is no layer %q", name)
	}
	layer.Name = name
	if layer.Debian != nil {
		d := *layer.Debian
		d.Suite, d.Updated = f.Debian.Suite, f.Debian.Updated
		d.Drop = append(slices.Clone(f.Debian.Drop), d.Drop...)
		layer.Debian = &d
	}
	if layer.Go != nil {
		g := *layer.Go
		g.ModFile, g.LDFlags = replace(g.ModFile, kubernetes), replace(g.LDFlags, kubernetes)
		if g.ModFile != layer.Go.ModFile || g.LDFlags != layer.Go.LDFlags {
			layer.Name += "-" + kubernetes
		}
		if g.LDFlags == "" {
			g.LDFlags = defaultLDFlags
		}
		layer.Go = &g
	}
	return layer, nil
}

func replace(s, kubernetes string) string {
	minor := kubernetes
	if parts := strings.Split(kubernetes, "."); len(parts) > 1 {
		minor = parts[1]
	}
	return strings.NewReplacer(kubernetesPlaceholder, kubernetes, minorPlaceholder, minor).Replace(s)
}
