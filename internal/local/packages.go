// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// hostTools are the programs that Canopy calls on the host, and the Debian packages that have them. No container
// runtime and no kubelet is among them: those run in the sandbox, from the node image.
var hostTools = map[string]string{
	"mmdebstrap": "mmdebstrap",
	"nft":        "nftables",
	"nsenter":    "util-linux",
}

// missingPackages returns the packages of the tools that found does not find, sorted.
func missingPackages(tools map[string]string, found func(tool string) bool) []string {
	var missing []string
	for tool, pkg := range tools {
		if !found(tool) {
			missing = append(missing, pkg)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// installPackages installs the Debian packages of missing tools.
func installPackages(ctx context.Context, tools map[string]string) error {
	missing := missingPackages(tools, func(tool string) bool {
		_, err := exec.LookPath(tool)
		return err == nil
	})
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine has no apt-get: install what Debian calls %s", strings.Join(missing, ", "))
	}
	install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	err := aptGet(ctx, install)
	if err == nil {
		return nil
	}
	if err := aptGet(ctx, []string{"update"}); err != nil { // a fresh machine has no package lists
		return err
	}
	return aptGet(ctx, install)
}

func aptGet(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
	}
	return nil
}
