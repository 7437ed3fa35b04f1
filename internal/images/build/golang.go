// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"canopy.dev/canopy/internal/images"
)

// fromCheckout tells whether the layer is compiled from this repository's own module.
func fromCheckout(layer images.Layer) bool { return layer.Go != nil && layer.Go.Folder == "." }

func modFile(g images.Go) string {
	if g.ModFile != "" {
		return g.ModFile
	}
	return "go.mod"
}

// compile puts the layer's binaries into dir, under the last element of their path in the image.
func (b *Builder) compile(ctx context.Context, layer images.Layer, dir string) error {
	// The compiler moves a finished binary into place by renaming it, as long as it comes from the same file system.
	for _, folder := range []string{dir, b.cache.temporary(layer.Name)} {
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(layer.Go.Binaries)) {
		cmd := b.goCommand(ctx, layer, "build", "-trimpath", "-tags="+strings.Join(layer.Go.Tags, ","), "-ldflags="+layer.Go.LDFlags,
			"-o", filepath.Join(dir, path.Base(target)), layer.Go.Binaries[target])
		if err := run(ctx, cmd); err != nil {
			return fmt.Errorf("compiling %s in %s: %w", layer.Go.Binaries[target], layer.Go.Folder, err)
		}
	}
	return nil
}

// moduleFile returns where a file of a package ("package/file") is in the module cache.
func (b *Builder) moduleFile(ctx context.Context, layer images.Layer, file string) (string, error) {
	var output strings.Builder
	cmd := b.goCommand(ctx, layer, "list", "-f", "{{.Dir}}", path.Dir(file))
	cmd.Stdout = &output
	if err := run(ctx, cmd); err != nil {
		return "", fmt.Errorf("looking for %s: %w", file, err)
	}
	return filepath.Join(strings.TrimSpace(output.String()), path.Base(file)), nil
}

// goCommand prepares a go command in the layer's module that gives the same result on every machine.
func (b *Builder) goCommand(ctx context.Context, layer images.Layer, verb string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", append([]string{verb, "-modfile=" + modFile(*layer.Go)}, args...)...)
	cmd.Dir = filepath.Join(b.source, layer.Go.Folder)
	// GOFLAGS: the commit is not part of the inputs, and a user's own flags are not either.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOWORK=off",
		"GOFLAGS=-buildvcs=false", "GOTMPDIR="+b.cache.temporary(layer.Name))
	return cmd
}

// askGoVersion returns the version of the compiler that the go command chooses for the checkout.
func (b *Builder) askGoVersion() (string, error) {
	cmd := exec.CommandContext(context.Background(), "go", "env", "GOVERSION") // takes milliseconds
	cmd.Dir = b.source
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking the go command for its version: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// killAfter is how long a command that was told to end may clean up.
const killAfter = 10 * time.Second

// run runs a command that was made with ctx and dies with this process. Its error ends with the last lines of what the command said.
func run(ctx context.Context, cmd *exec.Cmd) error {
	output := &tail{}
	if cmd.Stdout == nil {
		cmd.Stdout = output
	}
	cmd.Stderr = output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	// The kernel sends the signal when the thread ends that started the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err() // the command only says that it was told to end
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, output)
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

const tailSize = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if excess := len(t.kept) - tailSize; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
	return len(p), nil
}

// String returns what was kept on lines of its own, or nothing.
func (t *tail) String() string {
	said := strings.TrimSpace(string(t.kept))
	if said == "" {
		return ""
	}
	return ":\n" + said
}
