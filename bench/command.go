// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// commandRuns is how often each command is run.
const commandRuns = 30

// commands measures bin/canopy from its start to its end, as somebody who types it: by itself, with a list of all clusters and of a
// project's, and when the tab key asks it for names.
func (b *apiBench) commands(ctx context.Context, home string) error {
	for _, m := range []struct {
		metric string
		args   []string
	}{
		{"command_version", []string{"version", "--client"}},
		{"command_get_clusters_of_all", []string{"get", "clusters"}},
		{"command_get_clusters", []string{"get", "clusters", "-p", projectName(0)}},
		{"command_complete_names", []string{"__complete", "describe", "cluster", "-p", projectName(0), ""}},
	} {
		values := make([]float64, commandRuns)
		for i := range values {
			cmd := exec.CommandContext(ctx, "bin/canopy", m.args...)
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "CANOPY_SERVER="+b.url, "CANOPY_TOKEN=u1@example.com")
			begin := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("canopy %v: %w\n%s", m.args, err, out)
			}
			values[i] = time.Since(begin).Seconds() * 1000
		}
		emit(m.metric+"_milliseconds", "ms", values)
	}
	return nil
}
