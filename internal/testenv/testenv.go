// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package testenv gives tests and benchmarks a real kube-apiserver and etcd. It takes both from the images that the
// project builds (and builds them if need be), starts them on loopback with Canopy's kinds and those of Cluster API, and
// ends them with the tests. Nothing else of Kubernetes runs: no pod starts and nothing is garbage-collected.
package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/images/build"
)

// Main is for TestMain: it runs a package's tests with an API server for each of configs, to which it first writes the
// server's address and credentials, and returns the exit code.
func Main(m interface{ Run() int }, configs ...*rest.Config) (code int) {
	for _, config := range configs {
		env, err := New(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, "starting kube-apiserver and etcd for the tests:", err)
			return 1
		}
		defer func() {
			if err := env.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "stopping kube-apiserver and etcd:", err)
				code = 1
			}
		}()
		*config = *env.Config
		config.QPS = -1
	}
	return m.Run()
}

// Start starts another kube-apiserver and etcd for one test, after configure has set what is special about them.
func Start(t *testing.T, configure func(*envtest.Environment)) *envtest.Environment {
	t.Helper()
	env, err := New(t.Context(), configure)
	if err != nil {
		t.Fatalf("starting kube-apiserver and etcd: %v", err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stopping kube-apiserver and etcd: %v", err)
		}
	})
	return env
}

// New starts a kube-apiserver and etcd, after configure has set what is special about them; the caller stops them.
func New(ctx context.Context, configure ...func(*envtest.Environment)) (*envtest.Environment, error) {
	builder, err := build.New(os.Stderr)
	if err != nil {
		return nil, err
	}
	bin, err := binaries(ctx, builder)
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory: bin,
		CRDDirectoryPaths:     []string{filepath.Join(builder.Source(), "deploy", "chart", "files", "crds")},
		ErrorIfCRDPathMissing: true,
	}
	for _, c := range configure {
		c(env)
	}
	if _, err = env.Start(); err != nil {
		err = errors.Join(err, env.Stop()) // what has started goes on otherwise: a CRD may have been refused
	}
	return env, err
}

// commands are what is run, and where in which image they are.
var commands = map[string]struct{ image, path string }{
	"etcd":           {"etcd", "/usr/local/bin/etcd"},
	"kube-apiserver": {"kubernetes", "/usr/local/bin/kubernetes"},
}

// binaries returns a directory with the commands, taken out of their images once for each build of them.
func binaries(ctx context.Context, builder *build.Builder) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digests := sha256.New()
	built := map[string]build.Image{}
	for name, c := range commands {
		wanted, err := images.Select(c.image)
		if err != nil {
			return "", err
		}
		result, err := builder.Build(ctx, wanted)
		if err != nil {
			return "", err
		}
		built[name] = result[0]
	}
	for _, name := range slices.Sorted(maps.Keys(built)) {
		fmt.Fprintln(digests, name, built[name].Digest)
	}
	dir := filepath.Join(cache, "canopy", "testenv", hex.EncodeToString(digests.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, c := range commands {
		target := filepath.Join(dir, name)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		if err := build.ExtractFile(ctx, built[name], c.path, target); err != nil {
			return "", err
		}
	}
	return dir, nil
}
