// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A daemon that dies is started again at once; when it dies again within stableAfter, the wait doubles from minBackoff
// to maxBackoff.
const (
	minBackoff  = 250 * time.Millisecond
	maxBackoff  = 10 * time.Second
	stableAfter = 30 * time.Second
)

// daemon is a Daemon and its process.
type daemon struct {
	Daemon
	state   DaemonState
	wanted  bool // false: it is to end and not to come back
	backoff time.Duration
	notTill time.Time // no start before
}

// tryStart starts the daemon unless it has to wait, and returns when to try again.
func (d *daemon) tryStart(now time.Time, logDir string) time.Duration {
	if wait := d.notTill.Sub(now); wait > 0 {
		return wait
	}
	for _, path := range d.After {
		if _, err := os.Stat(path); err != nil {
			d.state.Message = "waits for " + path
			return fileCheck
		}
	}
	if err := d.start(now, logDir); err != nil {
		log.Printf("%s: %v", d.Name, err)
		d.state.Message = err.Error()
		d.delay(now)
		return d.backoff
	}
	return time.Hour
}

func (d *daemon) start(now time.Time, logDir string) error {
	out, err := openLog(LogPath(logDir, d.Name))
	if err != nil {
		return err
	}
	defer out.Close()
	in, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer in.Close()
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	process, err := os.StartProcess(d.Args[0], d.Args, &os.ProcAttr{
		Dir:   "/",
		Env:   append(env, d.Env...),
		Files: []*os.File{in, out, out},
		Sys:   &unix.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", d.Args[0], err)
	}
	if d.state.StartedAt != 0 {
		d.state.Restarts++
	}
	d.state.PID = process.Pid
	d.state.Hash = Hash(d.Daemon)
	d.state.StartedAt = now.Unix()
	d.state.Message = ""
	log.Printf("%s: started as process %d", d.Name, process.Pid)
	return process.Release() // the supervisor waits for it with all others
}

func (d *daemon) exited(status unix.WaitStatus, now time.Time) {
	d.state.PID = 0
	d.state.Message = "ended with " + describe(status)
	log.Printf("%s: %s", d.Name, d.state.Message)
	if now.Sub(time.Unix(d.state.StartedAt, 0)) > stableAfter {
		d.backoff = 0
		return
	}
	d.delay(now)
}

func (d *daemon) delay(now time.Time) {
	d.backoff = min(max(2*d.backoff, minBackoff), maxBackoff)
	d.notTill = now.Add(d.backoff)
}

func (d *daemon) signal(sig unix.Signal) {
	if d.state.PID != 0 {
		_ = unix.Kill(d.state.PID, sig) // it may have ended already
	}
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "signal " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}

// anyProcess reports whether a process of that name runs in this PID namespace.
func anyProcess(name string) bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join("/proc", e.Name(), "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		if _, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); err == nil { // a zombie has no program any more
			return true
		}
	}
	return false
}
