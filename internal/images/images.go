// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package images is the list of all container images and the only place where code gets an image reference from. It
// runs wherever objects with containers are made, reads the embedded images/images.yaml, and writes nothing; the
// package build makes the images.
package images

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"canopy.dev/canopy/images"
)

// Image is one entry of the list: what it is called and what it is made of.
type Image struct {
	// Name is the short name by which code asks for it, for example "etcd".
	Name string
	// Kubernetes is the Kubernetes version that the image is made from, without "v"; empty if it has nothing to do with
	// that.
	Kubernetes string
	// Repository is the upstream name with its registry host, for example "registry.k8s.io/etcd".
	Repository string
	// Tags are the upstream tags, the first one being the one that Ref uses. An image that is compiled from this
	// repository has none before it is built.
	Tags []string
	// Layers are stacked in this order.
	Layers []Layer
	// Entrypoint, Command and User ("uid:gid") go into the image's configuration; an empty User is root.
	Entrypoint, Command []string
	User                string
	// StopSignal is the signal that tells the first process to end; empty: SIGTERM.
	StopSignal string
	// Optional images are built only when asked for by name.
	Optional bool
}

// Ref returns the full reference, for example "registry.k8s.io/etcd:3.7.3-0", or the bare repository of an image that
// has no tag yet.
func (i Image) Ref() string {
	if len(i.Tags) == 0 {
		return i.Repository
	}
	return i.Repository + ":" + i.Tags[0]
}

// Upstream reports whether the image is not built but pulled from its registry.
func (i Image) Upstream() bool { return len(i.Layers) == 0 }

// String returns the name, and after an "@" the Kubernetes version, as Select takes it.
func (i Image) String() string {
	if i.Kubernetes == "" {
		return i.Name
	}
	return i.Name + "@" + i.Kubernetes
}

// embedded is a constant of the build, and a test parses it: an error here cannot happen in a released binary.
var embedded = sync.OnceValue(func() *list {
	l, err := parse(images.List)
	if err != nil {
		panic(fmt.Sprintf("images/images.yaml: %v", err))
	}
	return l
})

// All returns every image, those made from Kubernetes once per version.
func All() []Image { return slices.Clone(embedded().images) }

// Built returns those of All that are built.
func Built() []Image { return slices.DeleteFunc(All(), Image.Upstream) }

// FromUpstream reports whether a reference is that of an image that is not built.
func FromUpstream(ref string) bool {
	return slices.ContainsFunc(embedded().images, func(i Image) bool { return i.Upstream() && i.Ref() == ref })
}

// Default returns the images that are built for a platform with the default Kubernetes version.
func Default() []Image {
	return slices.DeleteFunc(Built(), func(i Image) bool {
		return i.Optional || i.Kubernetes != "" && i.Kubernetes != DefaultKubernetesVersion()
	})
}

// KubernetesVersions returns the versions that images exist for, without "v", the default one first.
func KubernetesVersions() []string { return slices.Clone(embedded().kubernetes) }

// DefaultKubernetesVersion returns the version, without "v", that is used where none is asked for.
func DefaultKubernetesVersion() string { return embedded().kubernetes[0] }

// Ref returns the reference of the image with this short name, for images made from Kubernetes that of the default
// version. An unknown name is a programming error and panics.
func Ref(name string) string {
	for _, i := range embedded().images {
		if i.Name == name {
			return i.Ref()
		}
	}
	panic(fmt.Sprintf("there is no image %q in images/images.yaml", name))
}

// Kubernetes returns the reference of the image with this short name that is made from the given Kubernetes version,
// with or without "v". The error for a version without images names those that have some.
func Kubernetes(name, version string) (string, error) {
	found, err := Select(name + "@" + version)
	if err != nil {
		return "", err
	}
	return found[0].Ref(), nil
}

// Select returns the images with the given names in the order of the list: "etcd"; "node", the one for the default
// Kubernetes version; "node@1.36.3"; or "@1.36.3" for all that are made from this version.
func Select(names ...string) ([]Image, error) {
	all := All()
	wanted := make([]bool, len(all))
	for _, given := range names {
		name, version, versioned := strings.Cut(given, "@")
		version = strings.TrimPrefix(version, "v")
		if versioned && !slices.Contains(embedded().kubernetes, version) {
			return nil, fmt.Errorf("image %q: there are no images for Kubernetes %q; there are for %s",
				given, version, strings.Join(embedded().kubernetes, ", "))
		}
		if !versioned {
			version = DefaultKubernetesVersion()
		}
		found := false
		for i, image := range all {
			nameFits := image.Name == name || name == "" && versioned && !image.Upstream()
			versionFits := image.Kubernetes == version || image.Kubernetes == "" && !versioned
			if nameFits && versionFits {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no image %q; there are %s", given, strings.Join(known(all), ", "))
		}
	}
	var selected []Image
	for i, image := range all {
		if wanted[i] {
			selected = append(selected, image)
		}
	}
	return selected, nil
}

func known(all []Image) []string {
	var names []string
	for _, i := range all {
		names = append(names, i.String())
	}
	return names
}
