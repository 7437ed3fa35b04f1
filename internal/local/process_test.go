// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 2 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3"
	tests := map[string]struct {
		stat  string
		start uint64
		state string
		fails bool
	}{
		"a plain name":            {stat: "12 (canopy)" + rest, start: 987654, state: "S"},
		"a name with parentheses": {stat: "12 (a) b (c) 1 2)" + rest, start: 987654, state: "S"},
		"too short":               {stat: "12 (canopy) S 1 2", fails: true},
		"nothing":                 {stat: "", fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			start, state, err := parseStat(tc.stat)
			if (err != nil) != tc.fails || start != tc.start || state != tc.state {
				t.Errorf("got %d, %q, %v", start, state, err)
			}
		})
	}
}

func TestAliveIsTheSameProcessOnly(t *testing.T) {
	self, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	otherStart, otherBoot := self, self
	otherStart.StartTime++
	otherBoot.BootID = "another"
	for name, tc := range map[string]struct {
		process process
		want    bool
	}{
		"this process":                {self, true},
		"a later one of the same id":  {otherStart, false},
		"before the machine rebooted": {otherBoot, false},
		"no process":                  {process{}, false},
	} {
		if got := tc.process.alive(); got != tc.want {
			t.Errorf("%s: alive = %t, want %t", name, got, tc.want)
		}
	}
}

func TestSignalAndWait(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	recycled := p
	recycled.StartTime++
	if err := recycled.signalAndWait(t.Context(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !p.alive() {
		t.Fatal("another process with the recorded id was killed")
	}
	if err := p.signalAndWait(t.Context(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if p.alive() { // a zombie does not count
		t.Error("the process is still alive")
	}
	_ = cmd.Wait() // reports the signal
	if err := p.signalAndWait(t.Context(), unix.SIGTERM); err != nil {
		t.Errorf("once more, when it is gone: %v", err)
	}
}

func TestInheritedFilesAreKeptFromTheSandbox(t *testing.T) {
	var inherited [2]int
	if err := unix.Pipe2(inherited[:], 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(unix.Close(inherited[0]), unix.Close(inherited[1])) }()
	if err := keepInherited(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "test", "-e", fmt.Sprintf("/proc/self/fd/%d", inherited[0]))
	if err := cmd.Run(); err == nil {
		t.Error("a process has a file of the one that started it")
	}
}
