// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"canopy.dev/canopy/internal/images"
)

const (
	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	// mergedUsr has /bin, /lib and /sbin be links from the start. Without it apt takes a package that needs all of Perl.
	mergedUsr = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
)

// addDebian installs packages with mmdebstrap and adds those of their files that the layer is to have.
func (b *Builder) addDebian(ctx context.Context, a *archive, layer images.Layer) error {
	d := *layer.Debian
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return fmt.Errorf("installing Debian packages: %w: apt-get install mmdebstrap", err)
	}
	updated, err := time.Parse(time.DateOnly, d.Updated)
	if err != nil {
		return fmt.Errorf("debian.updated in images.yaml: %w", err)
	}
	sources, err := debianSources(ctx, d.Suite)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.cache.temporary(layer.Name), 0o750); err != nil {
		return err
	}
	args := []string{"--variant=" + d.Variant, "--format=tar", "--include=" + strings.Join(d.Packages, ",")}
	if d.Variant != "extract" {
		args = append(args, mergedUsr)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, append([]string{d.Suite, "-"}, sources...)...)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(updated.Unix(), 10))
	if os.Geteuid() == 0 {
		// What mmdebstrap mounts is gone with it even if it is killed, and the next build deletes its files.
		cmd.Env = append(cmd.Env, "TMPDIR="+b.cache.temporary(layer.Name))
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	output, stdout := io.Pipe()
	cmd.Stdout = stdout
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, cmd)
		stdout.CloseWithError(err)
		ended <- err
	}()
	err = a.addPackages(output, d, updated)
	_ = output.CloseWithError(err) // ends mmdebstrap if it still writes
	if runErr := <-ended; runErr != nil {
		return fmt.Errorf("installing Debian packages: %w", runErr)
	}
	return err
}

// addPackages copies from mmdebstrap's archive what d wants of it.
func (a *archive) addPackages(from io.Reader, d images.Debian, updated time.Time) error {
	in := tar.NewReader(from)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, from) // else tar complains that nobody read its padding
			return err
		}
		if err != nil {
			return fmt.Errorf("reading what mmdebstrap made: %w", err)
		}
		if !wanted(h.Name, d) {
			continue
		}
		clean := &tar.Header{
			Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid,
			Devmajor: h.Devmajor, Devminor: h.Devminor, ModTime: h.ModTime.Truncate(time.Second),
		}
		if clean.ModTime.After(updated) {
			clean.ModTime = updated
		}
		xattrs := make(map[string]string)
		for key, value := range h.PAXRecords {
			if strings.HasPrefix(key, xattrRecord) {
				xattrs[key] = value
			}
		}
		clean.PAXRecords = xattrs
		if h.Typeflag == tar.TypeLink {
			clean.Linkname = archiveName(h.Linkname)
			if !a.have[clean.Linkname] {
				return fmt.Errorf("%s is a hard link to %s, which is dropped", h.Name, h.Linkname)
			}
		}
		if err := a.add(clean, in); err != nil {
			return err
		}
	}
}

// wanted tells whether a path of a package comes into the layer.
func wanted(name string, d images.Debian) bool {
	name = "/" + archiveName(name)
	if licence, _ := path.Match("/usr/share/doc/*/copyright", name); licence {
		return true
	}
	return (len(d.Keep) == 0 || matches(d.Keep, name)) && !matches(d.Drop, name)
}

// matches tells whether name or a folder above it matches one of the patterns.
func matches(patterns []string, name string) bool {
	for ; name != "/"; name = path.Dir(name) {
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, name); ok { // a test checks that patterns are valid
				return true
			}
		}
	}
	return false
}

// debianSources returns the lines for apt's sources.list that this machine gets the suite from, so that mirrors and
// snapshots of its administrator are used; none if it runs another suite, and mmdebstrap then takes Debian's own servers.
func debianSources(ctx context.Context, suite string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)",
		"Created-By: Packages")
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt-get for this machine's package sources: %w", err)
	}
	return sourceLines(string(output), suite), nil
}

// sourceLines makes lines for sources.list of those of apt's index targets ("origin component release URI") that are
// Debian's for the suite.
func sourceLines(targets, suite string) []string {
	var lines []string
	for target := range strings.Lines(targets) {
		fields := strings.Fields(target)
		if len(fields) != 4 || fields[0] != "Debian" || fields[1] != "main" {
			continue
		}
		switch release := fields[2]; release {
		case suite, suite + "-updates", suite + "-security":
			lines = append(lines, fmt.Sprintf("deb [signed-by=%s] %s %s main", debianKeyring, fields[3], release))
		}
	}
	return lines
}
