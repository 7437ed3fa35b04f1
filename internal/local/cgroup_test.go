// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseHierarchies(t *testing.T) {
	tests := map[string]struct {
		mounts string
		want   []hierarchy
	}{
		"version 1": {
			mounts: "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n" +
				"cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n" +
				"cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n" +
				"cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
			want: []hierarchy{
				{dir: "/sys/fs/cgroup/cpu,cpuacct"},
				{dir: "/sys/fs/cgroup/cpuset", cpuset: true},
				{dir: "/sys/fs/cgroup/unified", unified: true},
			},
		},
		"version 2": {
			mounts: "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n",
			want:   []hierarchy{{dir: "/sys/fs/cgroup", unified: true}},
		},
		"of somebody's container": {mounts: "cgroup2 /var/lib/x/sys/fs/cgroup cgroup2 rw 0 0\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseHierarchies(tc.mounts), cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDelegateEnablesWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := delegate(hierarchy{dir: dir, unified: true}, dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil || string(got) != "+pids" {
		t.Errorf("wrote %q, %v", got, err)
	}
	if err := delegate(hierarchy{dir: "/nonexistent"}, "/nonexistent"); err != nil {
		t.Errorf("on version 1 there is nothing to do: %v", err)
	}
}

func TestRemoveGroupRemovesTheDeepestFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "canopy")
	if err := os.MkdirAll(filepath.Join(dir, "kubepods", "pod1", "container"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeGroup(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", dir)
	}
	if err := removeGroup(dir); err != nil {
		t.Errorf("once more: %v", err)
	}
}
