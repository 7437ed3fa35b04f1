// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envAdopt carries the running daemons over from one program image to the next.
const envAdopt = "CANOPY_SANDBOX_DAEMONS"

const (
	// fileCheck is how often a daemon looks whether the files it waits for are there.
	fileCheck = 100 * time.Millisecond
	// logCheck is how often the size of the log files is looked at.
	logCheck = 10 * time.Second
	// stopTimeout bounds how long the sandbox waits for databases to close their files.
	stopTimeout = 5 * time.Second
)

// supervisor is process 1. One goroutine starts and reaps all processes, so that no exit status is ever missed or taken
// by another waiter.
type supervisor struct {
	spec     Spec
	specPath string
	specHash string
	daemons  []*daemon
	written  string // hash of the last written State
}

func supervise(specPath string) error {
	// Signals first: until then the kernel drops those that process 1 does not handle.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	log.SetFlags(log.LstdFlags | log.LUTC)

	spec, err := ReadSpec(specPath)
	if err != nil {
		return err
	}
	raiseFileLimit()
	s := &supervisor{spec: spec, specPath: specPath, specHash: Hash(spec)}
	if err := s.adopt(os.Getenv(envAdopt)); err != nil {
		return err
	}
	log.Printf("sandbox runs with spec %s", s.specHash)
	return s.loop(signals)
}

// raiseFileLimit gives the daemons and all containers as many open files as the host allows.
func raiseFileLimit() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	limit.Cur = min(limit.Max, 1<<20)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		log.Printf("raise the limit of open files: %v", err)
	}
}

// adopt takes over the daemons that the previous program image left running. Those whose definition changed, or that
// are gone from the spec, are told to end; the loop starts what is missing.
func (s *supervisor) adopt(env string) error {
	running := map[string]DaemonState{}
	if env != "" {
		if err := json.Unmarshal([]byte(env), &running); err != nil {
			return fmt.Errorf("take over daemons: %w", err)
		}
		os.Unsetenv(envAdopt)
	}
	for _, d := range s.spec.Daemons {
		state := running[d.Name]
		delete(running, d.Name)
		s.daemons = append(s.daemons, &daemon{Daemon: d, state: state, wanted: true})
	}
	for name, state := range running {
		s.daemons = append(s.daemons, &daemon{Daemon: Daemon{Name: name}, state: state})
	}
	for _, d := range s.daemons {
		if d.state.PID != 0 && (!d.wanted || d.state.Hash != Hash(d.Daemon)) {
			log.Printf("%s: definition changed, restarting", d.Name)
			d.signal(unix.SIGTERM)
		}
	}
	return nil
}

func (s *supervisor) loop(signals <-chan os.Signal) error {
	nextLogCheck := time.Now()
	for {
		s.reap()
		wake := s.startMissing(time.Now())
		if !time.Now().Before(nextLogCheck) {
			s.trimLogs()
			nextLogCheck = time.Now().Add(logCheck)
		}
		s.writeState()
		select {
		case sig := <-signals:
			switch sig {
			case unix.SIGHUP:
				if err := s.reload(); err != nil {
					log.Printf("reload: %v", err)
				}
			case unix.SIGTERM, unix.SIGINT:
				return s.stop(signals)
			}
		case <-time.After(min(wake, time.Until(nextLogCheck))):
		}
	}
}

// reap collects every process that has ended: daemons, and orphans of containers, which the kernel hands to process 1.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		for _, d := range s.daemons {
			if d.state.PID == pid {
				d.exited(status, time.Now())
			}
		}
	}
}

// startMissing starts what should run and returns when to look again.
func (s *supervisor) startMissing(now time.Time) time.Duration {
	wake := time.Hour
	for _, d := range s.daemons {
		if d.state.PID != 0 || !d.wanted {
			continue
		}
		wake = min(wake, d.tryStart(now, s.spec.LogDir))
	}
	return wake
}

func (s *supervisor) trimLogs() {
	paths := []string{LogPath(s.spec.LogDir, SupervisorLog)}
	for _, d := range s.daemons {
		paths = append(paths, LogPath(s.spec.LogDir, d.Name))
	}
	for _, path := range paths {
		if err := trimLog(path, maxLogBytes); err != nil {
			log.Printf("trim %s: %v", path, err)
		}
	}
}

func (s *supervisor) states() map[string]DaemonState {
	states := map[string]DaemonState{}
	for _, d := range s.daemons {
		if d.wanted {
			states[d.Name] = d.state
		}
	}
	return states
}

func (s *supervisor) writeState() {
	state := State{SpecHash: s.specHash, Daemons: s.states()}
	hash := Hash(state)
	if hash == s.written {
		return
	}
	if err := WriteJSON(s.spec.StateFile, state); err != nil {
		log.Printf("write the state: %v", err)
		return
	}
	s.written = hash
}

// reload replaces the program by the binary that the spec on disk names. The process keeps its id and its children.
func (s *supervisor) reload() error {
	spec, err := ReadSpec(s.specPath)
	if err != nil {
		return err
	}
	if Hash(spec.Boundary) != Hash(s.spec.Boundary) {
		return errors.New("the root or its mounts changed: the sandbox has to be ended and started again")
	}
	states := map[string]DaemonState{}
	for _, d := range s.daemons { // also those that are to end
		states[d.Name] = d.state
	}
	adopt, err := json.Marshal(states)
	if err != nil {
		return err
	}
	log.Printf("replacing the program by %s", spec.Binary)
	env := append(os.Environ(), envAdopt+"="+string(adopt))
	return syscall.Exec(spec.Binary, os.Args, env)
}

// stop ends every process in the sandbox. Containers are not stopped one by one: their data survives a SIGKILL, and
// only databases, which have files to close, are waited for.
func (s *supervisor) stop(signals <-chan os.Signal) error {
	log.Print("stopping")
	for _, d := range s.daemons { // first those which would start things again
		d.wanted = false
		d.signal(unix.SIGKILL)
	}
	_ = unix.Kill(-1, unix.SIGTERM)
	deadline := time.After(stopTimeout)
	for {
		s.reap()
		if !anyProcess("etcd") {
			return nil
		}
		select {
		case <-signals:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			return nil // the kernel kills what is left
		}
	}
}
