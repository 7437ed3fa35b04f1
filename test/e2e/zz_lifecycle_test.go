// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/local"
)

// The tests of this file come last: they stop the platform and take it away.

func TestAPowerCutLosesNothing(t *testing.T) {
	demo := ofProject(t, local.DemoProject, local.DemoCluster)
	demo.ready(5 * time.Minute)
	demo.inside().apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: witness}, data: {a: b}}")
	if _, err := run(t.Context(), "", "bash", "-c", "pkill -KILL -f '[c]anopy sandbox '"); err != nil {
		t.Fatal(err)
	}
	canopy(t, "up")
	demo.ready(5 * time.Minute)
	k := demo.inside()
	k.wantOutput("b", time.Minute, "get", "configmap", "witness", "-o", "jsonpath={.data.a}")
	k.wantOutput("True", 3*time.Minute, "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
}

func TestUpTwiceChangesNothing(t *testing.T) {
	out := canopy(t, "up")
	for _, word := range []string{"building", "built in"} {
		if strings.Contains(out, word) {
			t.Errorf("the second canopy up is %s something:\n%s", word, out)
		}
	}
	canopy(t, "local", "status")
}

func TestDownLeavesNothing(t *testing.T) {
	canopy(t, "down")
	canopy(t, "down") // and nothing to do is no error
	for what, command := range map[string]string{
		"processes":      `pgrep -fa '[c]anopy sandbox|[/]var/lib/canopy' || true`,
		"mounts":         `grep -i canopy /proc/mounts || true`,
		"interfaces":     `ip -o link | grep canopy || true`,
		"nftables rules": `nft list tables | grep canopy || true`,
		"control groups": `find /sys/fs/cgroup -maxdepth 3 -type d -name 'canopy*'`,
	} {
		out, err := run(t.Context(), "", "bash", "-c", command)
		if err != nil {
			t.Error(err)
		}
		if out != "" {
			t.Errorf("%s are left:\n%s", what, out)
		}
	}
	for _, dir := range []string{local.StateDir, local.RunDir} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}
