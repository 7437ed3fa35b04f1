// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// exitCode1 is the status of a process that ended with exit code 1.
const exitCode1 = unix.WaitStatus(1 << 8)

func TestBackoffGrowsWhileADaemonKeepsDying(t *testing.T) {
	now := time.Unix(1000, 0)
	d := &daemon{}
	var waits []time.Duration
	for range 8 {
		d.state.PID, d.state.StartedAt = 5, now.Unix()
		d.exited(exitCode1, now)
		waits = append(waits, d.notTill.Sub(now))
		now = d.notTill.Truncate(time.Second)
	}
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
	if d.state.PID != 0 || d.state.Message != "ended with exit code 1" {
		t.Errorf("state = %+v", d.state)
	}

	now = now.Add(time.Hour)
	d.state.PID = 5
	d.exited(unix.WaitStatus(unix.SIGKILL), now)
	if d.backoff != 0 || d.notTill.After(now) || d.state.Message != "ended with signal SIGKILL" {
		t.Errorf("after a long run it waits %s: %+v", d.notTill.Sub(now), d.state)
	}
}

func TestTryStartWaitsForFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ready")
	d := &daemon{Daemon: Daemon{Name: "example", Args: []string{"/bin/true"}, After: []string{path}}}
	now := time.Now()
	if wait := d.tryStart(now, dir); wait != fileCheck || d.state.PID != 0 || !strings.Contains(d.state.Message, path) {
		t.Errorf("wait = %s, state = %+v", wait, d.state)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.tryStart(now, dir)
	if d.state.PID == 0 || d.state.Hash != Hash(d.Daemon) || d.state.Message != "" || d.state.Restarts != 0 {
		t.Errorf("state = %+v", d.state)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(d.state.PID, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	d.exited(status, now)
	if d.state.Message != "ended with exit code 0" {
		t.Errorf("message = %q", d.state.Message)
	}
	d.notTill = time.Time{}
	d.tryStart(now, dir)
	if d.state.Restarts != 1 {
		t.Errorf("restarts = %d, want 1", d.state.Restarts)
	}
	if _, err := unix.Wait4(d.state.PID, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
}

func TestTryStartReportsAProgramThatIsMissing(t *testing.T) {
	d := &daemon{Daemon: Daemon{Name: "example", Args: []string{"/nonexistent"}}}
	if wait := d.tryStart(time.Now(), t.TempDir()); wait != minBackoff || !strings.Contains(d.state.Message, "/nonexistent") {
		t.Errorf("wait = %s, state = %+v", wait, d.state)
	}
}

func TestAdoptKeepsWhatIsUnchanged(t *testing.T) {
	same, changed := Daemon{Name: "same"}, Daemon{Name: "changed", ConfigVersion: "2"}
	s := &supervisor{spec: Spec{Daemons: []Daemon{same, changed, {Name: "new"}}}}
	start := func() int { // a process that does nothing until it is told to end
		process, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Kill(process.Pid, unix.SIGKILL); _, _ = process.Wait() })
		return process.Pid
	}
	pids := map[string]int{"same": start(), "changed": start(), "gone": start()}
	hashes := map[string]string{"same": Hash(same), "changed": Hash(Daemon{Name: "changed"}), "gone": Hash(Daemon{Name: "gone"})}
	running := map[string]DaemonState{}
	for name, pid := range pids {
		running[name] = DaemonState{PID: pid, Hash: hashes[name], StartedAt: 1}
	}
	if err := s.adopt(string(encode(t, running))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"changed", "gone"} {
		if _, err := unix.Wait4(pids[name], nil, 0, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if pid, err := unix.Wait4(pids["same"], nil, unix.WNOHANG, nil); pid != 0 || err != nil {
		t.Errorf("same has ended (%d, %v)", pid, err)
	}
	wanted := map[string]bool{}
	for _, d := range s.daemons {
		wanted[d.Name] = d.wanted
	}
	if diff := cmp.Diff(map[string]bool{"same": true, "changed": true, "new": true, "gone": false}, wanted); diff != "" {
		t.Error(diff)
	}
}
