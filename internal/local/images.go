// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/images/build"
	"canopy.dev/canopy/internal/local/sandbox"
)

// registryRoot is where the registry image is unpacked in the node's root file system.
const registryRoot = "/opt/registry"

// builtImages is what the image steps found out.
type builtImages struct {
	images []build.Image
	root   string // directory of the node's root file system
	source string // root of the checkout they were built from
	// References of the images that are compiled from this repository.
	server, nodeNetwork, openVPN string
}

func (b builtImages) named(name string) (build.Image, error) {
	for _, image := range b.images {
		if image.Name == name {
			return image, nil
		}
	}
	return build.Image{}, fmt.Errorf("there is no image %q in the list", name)
}

// systemDigests returns the digests of the images that kubeadm's pods are made from, by reference.
func (b builtImages) systemDigests() map[string]string {
	digests := map[string]string{}
	for _, image := range b.images {
		switch image.Name {
		case "coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler":
			digests[image.Ref()] = image.Digest.String()
		}
	}
	return digests
}

// buildImages builds what the platform needs and is not in the cache.
func (u *up) buildImages(ctx context.Context) error {
	builder, err := build.New(u.progress)
	if err != nil {
		return err
	}
	if u.built.images, err = builder.Build(ctx, images.Default()); err != nil {
		return err
	}
	u.built.source = builder.Source()
	for name, ref := range map[string]*string{"canopy-server": &u.built.server, "node-network": &u.built.nodeNetwork, "openvpn": &u.built.openVPN} {
		image, err := u.built.named(name)
		if err != nil {
			return err
		}
		*ref = image.Ref()
	}
	return nil
}

// unpackNode makes the root file system of the sandbox, in a directory named after its content.
func (u *up) unpackNode(ctx context.Context) error {
	node, err := u.built.named("node")
	if err != nil {
		return err
	}
	registry, err := u.built.named("registry")
	if err != nil {
		return err
	}
	u.built.root = filepath.Join(rootsDir, sandbox.Hash([]string{node.Digest.String(), registry.Digest.String()}))
	if _, err := os.Stat(u.built.root); err == nil {
		return nil
	}
	half := u.built.root + ".half"
	if err := os.RemoveAll(half); err != nil { // of a killed `canopy up`
		return err
	}
	if err := build.Unpack(ctx, node, half); err != nil {
		return err
	}
	if err := build.Unpack(ctx, registry, filepath.Join(half, registryRoot)); err != nil {
		return err
	}
	unix.Sync() // a directory with its final name is complete, also after a power cut
	return os.Rename(half, u.built.root)
}

// removeOtherRoots removes the root file systems of earlier versions, which are beside the current one.
func removeOtherRoots(current string) error {
	entries, err := os.ReadDir(filepath.Dir(current))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := filepath.Join(filepath.Dir(current), e.Name()); path != current {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeRootFiles writes the files, by their path in the sandbox, below root where they differ.
func writeRootFiles(root string, files map[string]string) error {
	for path, content := range files {
		path = filepath.Join(root, path)
		if now, err := os.ReadFile(path); err == nil && string(now) == content {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := sandbox.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pushImages fills the sandbox's registry, once it answers.
func (u *up) pushImages(ctx context.Context) error {
	url := u.Settings.RegistryURL()
	if err := awaitRegistry(ctx, url); err != nil {
		return err
	}
	quiet, err := build.New(io.Discard) // it would name every image, also those that are there already
	if err != nil {
		return err
	}
	if err := quiet.Push(ctx, url, u.built.images); err != nil {
		return err
	}
	return refreshImages(ctx, u.process, u.built.images)
}

// refreshImages pulls those images again of which containerd has an older content under the same reference.
func refreshImages(ctx context.Context, p process, built []build.Image) error {
	var list bytes.Buffer
	if err := p.run(ctx, &list, "/usr/bin/ctr", "--namespace=k8s.io", "images", "list"); err != nil {
		return fmt.Errorf("list containerd's images: %w: %s", err, list.Bytes())
	}
	wanted := map[string]string{}
	for _, image := range built {
		for _, tag := range image.Tags {
			wanted[image.Repository+":"+tag] = image.Digest.String()
		}
	}
	for _, ref := range outdated(list.String(), wanted) {
		var out bytes.Buffer
		if err := p.run(ctx, &out, "/usr/bin/ctr", "--namespace=k8s.io", "images", "pull", "--hosts-dir=/etc/containerd/certs.d", ref); err != nil {
			return fmt.Errorf("pull the new %s: %w: %s", ref, err, out.Bytes())
		}
	}
	return nil
}

// outdated returns the references that have another digest than wanted in the output of `ctr images list`, whose first
// columns are reference, type and digest.
func outdated(list string, wanted map[string]string) []string {
	var refs []string
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		if digest, known := wanted[f[0]]; known && digest != f[2] {
			refs = append(refs, f[0])
		}
	}
	return refs
}

func awaitRegistry(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := poll(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v2/", nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the image registry at %s: %w; `canopy local logs registry` may say why", url, err)
	}
	return nil
}

// imageNames are the references that the node's configuration files need.
type imageNames struct {
	KubernetesVersion      string
	ControlPlaneRepository string
	EtcdRepository         string
	EtcdTag                string
	CoreDNSRepository      string
	CoreDNSTag             string
	PauseImage             string
}

func listedImages() imageNames {
	names := imageNames{
		KubernetesVersion: "v" + images.DefaultKubernetesVersion(),
		PauseImage:        images.Ref("pause"),
	}
	// Kubeadm appends the last part of the name by itself.
	names.ControlPlaneRepository, _ = splitRef(images.Ref("kube-apiserver"))
	names.EtcdRepository, names.EtcdTag = splitRef(images.Ref("etcd"))
	names.CoreDNSRepository, names.CoreDNSTag = splitRef(images.Ref("coredns"))
	return names
}

// splitRef returns the part of a reference before the last name, and the tag: "registry.k8s.io/etcd:3.7" are
// "registry.k8s.io" and "3.7".
func splitRef(ref string) (parent, tag string) {
	slash, colon := strings.LastIndexByte(ref, '/'), strings.LastIndexByte(ref, ':')
	if slash < 0 || colon < slash {
		panic(fmt.Sprintf("the image reference %q has no repository or no tag", ref)) // the list is part of the program
	}
	return ref[:slash], ref[colon+1:]
}
