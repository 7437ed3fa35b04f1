// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

const (
	// window is how long CPU use at rest is counted for.
	window = 30 * time.Second
	// ticks are the kernel's units of CPU time a second, the same on every Linux.
	ticks = 100
	mb    = 1e6
)

// idle measures what the platform and one control plane without nodes, and what watches it, take at rest.
func (b *bench) idle(ctx context.Context, rest time.Duration) error {
	before, err := cpuSeconds()
	if err != nil {
		return err
	}
	if err := pause(ctx, window); err != nil {
		return err
	}
	after, err := cpuSeconds()
	if err != nil {
		return err
	}
	b.idleCPU = (after - before) / window.Seconds()
	emit("platform_rest_cpu", "mCPU", []float64{1000 * b.idleCPU})

	const name = "bench-rest"
	namespace := v1alpha1.NamespacePrefix + name
	if err := b.seed.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	b.made = append(b.made, name)
	hc := hostedCluster(name)
	hc.Spec.NodePools = nil
	if err := b.seed.Create(ctx, hc); err != nil {
		return err
	}
	if err := b.waitForReadyz(ctx, name); err != nil {
		return err
	}
	if err := pause(ctx, rest); err != nil {
		return err
	}
	for pod, what := range map[string]string{controlplane.Name + "-0": "control_plane", controlplane.Prometheus + "-0": "monitoring"} {
		live := &corev1.Pod{}
		if err := b.seed.Get(ctx, client.ObjectKey{Namespace: namespace, Name: pod}, live); err != nil {
			return err
		}
		if err := restOf(ctx, what, []string{string(live.UID)}, func(string) bool { return true }); err != nil {
			return err
		}
	}
	return b.delete(ctx, name)
}

// restOf prints memory and CPU of the processes of pods whose command is counted, by command, and their sums.
func restOf(ctx context.Context, what string, podUIDs []string, counted func(comm string) bool) error {
	before, names := map[int]float64{}, map[int]string{}
	for _, uid := range podUIDs {
		pids, err := processesOf(uid)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if name := strings.TrimSpace(string(comm)); counted(name) {
				before[pid], names[pid] = processCPU(pid), name
			}
		}
	}
	if err := pause(ctx, window); err != nil {
		return err
	}
	memory, cpu := map[string]float64{}, map[string]float64{}
	for pid, name := range names {
		m, c := anonymous(pid), 1000*(processCPU(pid)-before[pid])/window.Seconds()
		for _, key := range []string{"", "_" + name} {
			memory[key], cpu[key] = memory[key]+m, cpu[key]+c
		}
	}
	for _, key := range slices.Sorted(maps.Keys(memory)) {
		emit(what+"_rest_memory"+key, "MB", []float64{memory[key]})
		emit(what+"_rest_cpu"+key, "mCPU", []float64{cpu[key]})
	}
	return nil
}

func processesOf(podUID string) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(content, []byte(podUID)) {
			continue // it has ended, or is another's
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("pod %s has no process on this machine", podUID)
	}
	return pids, nil
}

// anonymous returns the megabytes of memory that belong to no file.
func anonymous(pid int) float64 {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib * 1024 / mb
		}
	}
	return 0
}

// processCPU returns the CPU seconds that a process has used.
func processCPU(pid int) float64 {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := strings.Cut(string(content), ") ") // the name before may hold spaces
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks
}

// cpuSeconds returns the CPU seconds that everything on the platform has used.
func cpuSeconds() (float64, error) {
	for _, path := range []string{"/sys/fs/cgroup/cpuacct/canopy/cpuacct.usage", "/sys/fs/cgroup/cpu,cpuacct/canopy/cpuacct.usage"} {
		if content, err := os.ReadFile(path); err == nil {
			ns, err := strconv.ParseFloat(strings.TrimSpace(string(content)), 64)
			return ns / 1e9, err
		}
	}
	content, err := os.ReadFile("/sys/fs/cgroup/canopy/cpu.stat")
	if err != nil {
		return 0, errors.New("the platform's control group is not there: run make up first")
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return us / 1e6, err
		}
	}
	return 0, errors.New("cpu.stat of the platform's control group names no usage")
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
