// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process identifies one process for good: ids are used again, but not with the same start time on the same boot.
type process struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since boot, field 22 of /proc/PID/stat
	BootID    string `json:"bootID"`
	// Boundary identifies the sandbox.Boundary that the process was started with.
	Boundary string `json:"boundary"`
	// Since is when the process was started, in seconds since 1970.
	Since int64 `json:"since"`
}

// identify returns the process that has the id now.
func identify(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	start, state, err := parseStat(string(stat))
	if err != nil {
		return process{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	if state == "Z" || state == "X" {
		return process{}, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	boot, err := bootID()
	if err != nil {
		return process{}, err
	}
	return process{PID: pid, StartTime: start, BootID: boot}, nil
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
}

// parseStat reads the start time and the state from the content of /proc/PID/stat. The name of the program is in
// parentheses and may contain any character, so fields are counted from the last one.
func parseStat(stat string) (start uint64, state string, err error) {
	_, rest, found := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 { // fields[0] is field 3
		return 0, "", errors.New("too few fields")
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0], err
}

// alive reports whether the process still runs, and is not another one with the same id.
func (p process) alive() bool {
	now, err := identify(p.PID)
	return err == nil && p.PID > 0 && now.StartTime == p.StartTime && now.BootID == p.BootID
}

// runningSandbox returns the sandbox's process, or false when there is none.
func runningSandbox() (process, bool) {
	var p process
	data, err := os.ReadFile(processPath)
	if err != nil || json.Unmarshal(data, &p) != nil {
		return process{}, false
	}
	return p, p.alive()
}

// keepInherited keeps from further processes what this one has inherited, such as the lock of a script around it: the
// sandbox would hold it for as long as it lives.
func keepInherited() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("keep inherited files from the sandbox: %w", err)
	}
	return nil // before Linux 5.11 it is as the script wants it
}

// signalAndWait sends sig to the process unless it has ended, and waits until it has, or ctx ends.
func (p process) signalAndWait(ctx context.Context, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) || err == nil && !p.alive() {
		if err == nil {
			unix.Close(fd)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(sig), p.PID, err)
	}
	return poll(ctx, 20*time.Millisecond, func(context.Context) (bool, error) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return n > 0, err
	})
}

// poll calls done every interval until it returns true or an error, or ctx ends.
func poll(ctx context.Context, interval time.Duration, done func(context.Context) (bool, error)) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
