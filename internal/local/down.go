// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// downTimeout bounds all of Down; ending the sandbox takes a second or two.
const downTimeout = time.Minute

// Down ends the platform and removes every trace of it, whatever state it is in. With keepData it leaves StateDir, from
// which Up brings everything back. It tells out what it removed.
func Down(ctx context.Context, out io.Writer, keepData bool) error {
	if os.Geteuid() != 0 {
		return errors.New("the local platform belongs to root: run the command as root (sudo)")
	}
	release, err := lock()
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()

	var problems []error // one part that resists keeps no other
	report := func(what string) { fmt.Fprintf(out, "✓ removed %s\n", what) }
	if p, running := runningSandbox(); running {
		err := stopSandbox(ctx, p)
		problems = append(problems, err)
		if err == nil {
			report(fmt.Sprintf("sandbox (process %d) and everything in it", p.PID))
		}
	}
	removed, err := disconnect(ctx)
	problems = append(problems, err)
	for _, what := range removed {
		report(what)
	}
	if hadGroups, err := removeCgroups(ctx); err != nil {
		problems = append(problems, err)
	} else if hadGroups {
		report("control group " + cgroupName)
	}
	if restored, err := restoreSysctls(); err != nil {
		problems = append(problems, err)
	} else if len(restored) > 0 {
		fmt.Fprintf(out, "✓ restored kernel settings %s\n", strings.Join(restored, ", "))
	}
	if err := errors.Join(problems...); err != nil {
		return err // the files say what there is to remove: keep them
	}
	return removeFiles(report, keepData)
}

func removeFiles(report func(string), keepData bool) error {
	dirs := []string{StateDir, RunDir}
	if keepData {
		dirs = []string{RunDir}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue
		}
		// A disk that somebody mounted there is emptied and stays mounted.
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		if dir != RunDir { // which the lock of this very command makes
			report(dir)
		}
	}
	return nil
}
