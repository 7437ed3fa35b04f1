// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"canopy.dev/canopy/internal/images/build"
	"canopy.dev/canopy/internal/local/sandbox"
)

// KubectlPath is where Up puts kubectl, below the checkout.
const KubectlPath = "bin/kubectl"

// provideKubectl takes kubectl out of the image of the default Kubernetes version. Beside it is the digest of the image
// that it is from.
func (u *up) provideKubectl(ctx context.Context) error {
	image, err := u.built.named("kubernetes")
	if err != nil {
		return err
	}
	target := filepath.Join(u.built.source, KubectlPath)
	from := filepath.Join(u.built.source, filepath.Dir(KubectlPath), ".kubectl-from")
	have, err := os.ReadFile(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(target); err == nil && strings.TrimSpace(string(have)) == image.Digest.String() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := build.ExtractFile(ctx, image, "/usr/local/bin/kubernetes", target); err != nil {
		return err
	}
	return sandbox.WriteFile(from, []byte(image.Digest.String()+"\n"), 0o644)
}
