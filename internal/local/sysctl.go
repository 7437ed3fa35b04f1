// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"canopy.dev/canopy/internal/local/sandbox"
)

// A sysctl is a kernel setting of the whole machine, below /proc/sys.
type sysctl struct {
	name string
	// value to set; with atLeast a higher value is left alone.
	value   int64
	atLeast bool
}

// sysctls is what kubelet would set by itself and could not take back (the first five; it refuses to start otherwise),
// and what many kubelets on one kernel need. Setting it here means that `canopy down` can restore it.
var sysctls = []sysctl{
	{name: "vm/overcommit_memory", value: 1},
	{name: "vm/panic_on_oom", value: 0},
	{name: "kernel/panic", value: 10},
	{name: "kernel/panic_on_oops", value: 1},
	{name: "kernel/keys/root_maxkeys", value: 1000000},
	{name: "kernel/keys/root_maxbytes", value: 25000000},
	{name: "net/ipv4/ip_forward", value: 1},
	{name: "fs/inotify/max_user_instances", value: 8192, atLeast: true},
	{name: "fs/inotify/max_user_watches", value: 524288, atLeast: true},
}

// sysctlMemory is what the settings were before Canopy changed them on the boot BootID, and what it set.
type sysctlMemory struct {
	BootID string           `json:"bootID"`
	Before map[string]int64 `json:"before"`
	Set    map[string]int64 `json:"set"`
}

func readSysctlMemory() (sysctlMemory, error) {
	empty := sysctlMemory{Before: map[string]int64{}, Set: map[string]int64{}}
	boot, err := bootID()
	if err != nil {
		return empty, err
	}
	empty.BootID = boot
	data, err := os.ReadFile(sysctlPath)
	if errors.Is(err, os.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, err
	}
	m := empty
	if err := json.Unmarshal(data, &m); err != nil {
		return empty, fmt.Errorf("%s: %w", sysctlPath, err)
	}
	if m.BootID != boot { // a reboot has restored everything
		return empty, nil
	}
	return m, nil
}

// setSysctls sets what differs. What was there before is written down first.
func setSysctls() error {
	memory, err := readSysctlMemory()
	if err != nil {
		return err
	}
	var changes []sysctl
	for _, s := range sysctls {
		current, err := readSysctl(s.name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without the feature
		}
		if err != nil {
			return err
		}
		if current == s.value || s.atLeast && current > s.value {
			continue
		}
		if _, known := memory.Before[s.name]; !known {
			memory.Before[s.name] = current
		}
		memory.Set[s.name] = s.value
		changes = append(changes, s)
	}
	if len(changes) == 0 {
		return nil
	}
	if err := sandbox.WriteJSON(sysctlPath, memory); err != nil {
		return err
	}
	for _, s := range changes {
		if err := writeSysctl(s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}

// restoreSysctls puts back what setSysctls changed, unless somebody else has changed it since.
func restoreSysctls() (restored []string, err error) {
	memory, err := readSysctlMemory()
	if err != nil {
		return nil, err
	}
	for _, s := range sysctls {
		before, known := memory.Before[s.name]
		current, err := readSysctl(s.name)
		if !known || err != nil || current != memory.Set[s.name] {
			continue
		}
		if err := writeSysctl(s.name, before); err != nil {
			return restored, err
		}
		restored = append(restored, strings.ReplaceAll(s.name, "/", "."))
	}
	if err := os.Remove(sysctlPath); err != nil && !errors.Is(err, os.ErrNotExist) {
		return restored, err
	}
	return restored, nil
}

func readSysctl(name string) (int64, error) {
	data, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

func writeSysctl(name string, value int64) error {
	err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(strconv.FormatInt(value, 10)), 0o644)
	if err != nil {
		return fmt.Errorf("set the kernel setting %s to %d: %w", strings.ReplaceAll(name, "/", "."), value, err)
	}
	return nil
}
