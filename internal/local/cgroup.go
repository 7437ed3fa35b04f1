// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A hierarchy is one mounted tree of control groups: several on version 1, one on version 2.
type hierarchy struct {
	dir     string
	unified bool // version 2
	cpuset  bool // version 1 with the cpuset controller, whose groups start without CPUs
}

// parseHierarchies finds the control group trees in the content of /proc/mounts.
func parseHierarchies(mounts string) []hierarchy {
	var found []hierarchy
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[1], "/sys/fs/cgroup") {
			continue
		}
		switch f[2] {
		case "cgroup2":
			found = append(found, hierarchy{dir: f[1], unified: true})
		case "cgroup":
			isCPUSet := strings.Contains(","+f[3]+",", ",cpuset,")
			found = append(found, hierarchy{dir: f[1], cpuset: isCPUSet})
		}
	}
	return found
}

func hierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return nil, err
	}
	return parseHierarchies(string(mounts)), nil
}

// joinCgroup makes the group canopy, which kubelet puts its pods into, and moves the process into canopy/daemons: on
// version 2 a group has either processes or groups of its own.
func joinCgroup(pid int) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		dir := filepath.Join(h.dir, cgroupName, "daemons")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the control group %s: %w", dir, err)
		}
		for _, parent := range []string{h.dir, filepath.Join(h.dir, cgroupName)} {
			if err := delegate(h, parent); err != nil {
				return err
			}
		}
		if h.cpuset {
			for _, group := range []string{filepath.Dir(dir), dir} {
				if err := inheritCPUs(group); err != nil {
					return err
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("move the sandbox into %s: %w", dir, err)
		}
	}
	return nil
}

// delegate lets the groups below dir use the controllers of dir. Only version 2 has to be told.
func delegate(h hierarchy, dir string) error {
	if !h.unified {
		return nil
	}
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	for _, controller := range strings.Fields(string(available)) {
		err := os.WriteFile(control, []byte("+"+controller), 0o644)
		if err != nil && (controller == "cpu" || controller == "memory" || controller == "pids") {
			return fmt.Errorf("enable the controller %s below %s, which pods need: %w", controller, dir, err)
		}
	}
	return nil
}

func inheritCPUs(group string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(group), file))
		if err == nil {
			err = os.WriteFile(filepath.Join(group, file), value, 0o644)
		}
		if err != nil {
			return fmt.Errorf("set %s of %s: %w", file, group, err)
		}
	}
	return nil
}

// removeCgroups kills every process that is still in the group canopy, and removes the group and all below it from every
// tree.
func removeCgroups(ctx context.Context) (removed bool, err error) {
	all, err := hierarchies()
	if err != nil {
		return false, err
	}
	for _, h := range all {
		dir := filepath.Join(h.dir, cgroupName)
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue
		}
		var last error
		err := poll(ctx, 50*time.Millisecond, func(context.Context) (bool, error) {
			if last = removeGroup(dir); last == nil {
				return true, nil
			}
			return false, killGroup(dir)
		})
		if err != nil {
			return removed, fmt.Errorf("remove the control group %s: %w", dir, errors.Join(last, err))
		}
		removed = true
	}
	return removed, nil
}

// killGroup kills the processes in the group dir and below. Only a sandbox of which no record is left has any.
func killGroup(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "cgroup.procs" {
			return nil // groups come and go
		}
		pids, _ := os.ReadFile(path)
		for _, pid := range strings.Fields(string(pids)) {
			if n, err := strconv.Atoi(pid); err == nil && n > 1 {
				_ = unix.Kill(n, unix.SIGKILL)
			}
		}
		return nil
	})
}

// removeGroup removes the groups below dir, the deepest first, and dir. Their files go with them.
func removeGroup(dir string) error {
	var groups []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := len(groups) - 1; i >= 0; i-- {
		if err := os.Remove(groups[i]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
