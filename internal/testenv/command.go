// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/images/build"
)

// Promtool runs promtool, which is in the image of Prometheus, in dir. The test fails with what promtool says.
func Promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Command(t, "prometheus", "/bin/promtool"), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// Command returns the path of a command that is taken out of an image, once for each build of it.
func Command(t *testing.T, image, path string) string {
	t.Helper()
	builder, err := build.New(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := images.Select(image)
	if err != nil {
		t.Fatal(err)
	}
	built, err := builder.Build(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	command := filepath.Join(cache, "canopy", "testenv", filepath.Base(path)+"-"+built[0].Digest.Hex)
	if _, err := os.Stat(command); err != nil {
		if err := os.MkdirAll(filepath.Dir(command), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := build.ExtractFile(t.Context(), built[0], path, command); err != nil {
			t.Fatal(err)
		}
	}
	return command
}
