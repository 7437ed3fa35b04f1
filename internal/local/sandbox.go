// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"canopy.dev/canopy/internal/local/sandbox"
)

// startTimeout bounds every wait for the sandbox: it does little, and does it at once.
const startTimeout = 30 * time.Second

// stateBinds are the directories of StateDir that the sandbox sees, and where.
func stateBinds() []sandbox.Bind {
	same := func(dir string) sandbox.Bind { return sandbox.Bind{Source: dir, Target: dir} }
	binds := []sandbox.Bind{
		same(filepath.Dir(binaryPath)), same(filepath.Dir(specPath)), same(logDir), same(volumesDir),
		{Source: kubernetesDir, Target: "/etc/kubernetes"},
		{Source: etcdDir, Target: "/var/lib/etcd"},
		{Source: kubeletDir, Target: "/var/lib/kubelet"},
		{Source: registryDir, Target: "/var/lib/registry"},
		{Source: filepath.Join(StateDir, "containerd"), Target: "/var/lib/containerd"},
		{Source: filepath.Join(logDir, "pods"), Target: "/var/log/pods"},
		{Source: filepath.Join(logDir, "containers"), Target: "/var/log/containers"},
	}
	if _, err := os.Stat("/lib/modules"); err == nil { // what the kernel loads by itself, containers may look up
		binds = append(binds, sandbox.Bind{Source: "/lib/modules", Target: "/lib/modules", ReadOnly: true})
	}
	return binds
}

// makeStateDirs makes the directories that stateBinds needs.
func makeStateDirs() error {
	for _, bind := range stateBinds() {
		if err := os.MkdirAll(bind.Source, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// ensureSandbox makes a sandbox run with the spec and returns its process: it starts one, tells a running one to read
// the spec again, or replaces one whose root is another.
func ensureSandbox(ctx context.Context, spec sandbox.Spec) (process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	boundary, err := identifyBoundary(spec.Boundary)
	if err != nil {
		return process{}, err
	}
	p, running := runningSandbox()
	if running && p.Boundary != boundary {
		if err := stopSandbox(ctx, p); err != nil {
			return process{}, err
		}
		running = false
	}
	if err := sandbox.WriteJSON(specPath, spec); err != nil {
		return process{}, err
	}
	if !running {
		if p, err = startSandbox(ctx, boundary); err != nil {
			return process{}, err
		}
	} else if state, err := sandbox.ReadState(statePath); err != nil || state.SpecHash != sandbox.Hash(spec) {
		if err := unix.Kill(p.PID, unix.SIGHUP); err != nil {
			return process{}, fmt.Errorf("tell the sandbox about its new spec: %w", err)
		}
	}
	return p, awaitSpec(ctx, p, sandbox.Hash(spec))
}

// identifyBoundary returns what a sandbox has to be replaced for when it changes: the boundary, and the root directory
// itself, which somebody may have removed and `canopy up` unpacked again.
func identifyBoundary(b sandbox.Boundary) (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(b.Root, &stat); err != nil {
		return "", fmt.Errorf("look at the root file system %s: %w", b.Root, err)
	}
	return sandbox.Hash([]any{b, stat.Dev, stat.Ino}), nil
}

// awaitSpec waits until the sandbox has taken over the spec with the hash and its daemons have been started.
func awaitSpec(ctx context.Context, p process, hash string) error {
	err := poll(ctx, 20*time.Millisecond, func(context.Context) (bool, error) {
		if !p.alive() {
			return false, errors.New("the sandbox has ended")
		}
		state, err := sandbox.ReadState(statePath)
		return err == nil && state.SpecHash == hash, err
	})
	if err != nil {
		return fmt.Errorf("wait for the sandbox to take over its spec: %w", err)
	}
	return nil
}

// startSandbox starts the sandbox's first process. It waits inside until this function has recorded it, so that a
// killed `canopy up` leaves no process that nobody knows.
func startSandbox(ctx context.Context, boundary string) (process, error) {
	// A sandbox of which no record is left would fight over the same data.
	if _, err := removeCgroups(ctx); err != nil {
		return process{}, err
	}
	_ = os.Remove(statePath)
	log, err := os.OpenFile(sandbox.LogPath(logDir, sandbox.SupervisorLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, err
	}
	defer log.Close()
	goRead, goWrite, err := os.Pipe()
	if err != nil {
		return process{}, err
	}
	defer goWrite.Close()
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		return process{}, err
	}
	defer reportRead.Close()

	if err := keepInherited(); err != nil {
		return process{}, err
	}
	// Not CommandContext: the sandbox outlives this command.
	cmd := exec.Command(binaryPath, "sandbox", specPath) //nolint:noctx // it outlives this command
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{goRead, reportWrite} // fds 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	err = cmd.Start()
	goRead.Close()
	reportWrite.Close()
	if err != nil {
		return process{}, fmt.Errorf("start the sandbox: %w", err)
	}
	go func() { _ = cmd.Wait() }() // no zombie, should it end while this command runs

	p, err := identify(cmd.Process.Pid)
	if err != nil {
		return process{}, err
	}
	p.Boundary, p.Since = boundary, time.Now().Unix()
	if err := joinCgroup(p.PID); err != nil {
		return process{}, err
	}
	if err := sandbox.WriteJSON(processPath, p); err != nil {
		return process{}, err
	}
	if _, err := goWrite.Write([]byte{1}); err != nil {
		return process{}, fmt.Errorf("let the sandbox go: %w", err)
	}
	return p, readReport(ctx, reportRead)
}

// readReport returns the error that the sandbox reports, or nil when it has entered its root.
func readReport(ctx context.Context, r *os.File) error {
	if deadline, ok := ctx.Deadline(); ok {
		_ = r.SetReadDeadline(deadline)
	}
	report, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("wait for the sandbox to enter its root: %w", err)
	}
	if len(report) > 0 {
		return fmt.Errorf("enter the sandbox: %s", report)
	}
	return nil
}

// stopSandbox asks the sandbox to end, then makes it.
func stopSandbox(ctx context.Context, p process) error {
	gentle, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.signalAndWait(gentle, unix.SIGTERM); err == nil {
		return nil
	}
	// The kernel ends everything in a PID namespace whose first process is killed.
	if err := p.signalAndWait(ctx, unix.SIGKILL); err != nil {
		return fmt.Errorf("end the sandbox (process %d): %w", p.PID, err)
	}
	return nil
}

// run runs a program in the sandbox, with its output to out. The program does not outlive this process.
func (p process) run(ctx context.Context, out io.Writer, args ...string) error {
	enter := []string{
		"--target", strconv.Itoa(p.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
		"/usr/bin/setpriv", "--pdeathsig", "KILL", "--",
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread ends that started the program
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// restartDaemon ends the daemon, whereupon the sandbox starts it again.
func (p process) restartDaemon(ctx context.Context, name string) error {
	state, err := sandbox.ReadState(statePath)
	if err != nil || state.Daemons[name].PID == 0 {
		return err
	}
	if err := p.run(ctx, io.Discard, "/bin/kill", "-KILL", strconv.Itoa(state.Daemons[name].PID)); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return nil
}

// installBinary copies the running program to where the sandbox can execute it, unless it is there, and returns what
// identifies its content.
func installBinary() (version string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	installed, err := os.ReadFile(binaryPath)
	if err != nil || !bytes.Equal(content, installed) {
		if err := sandbox.WriteFile(binaryPath, content, 0o755); err != nil {
			return "", fmt.Errorf("install %s: %w", binaryPath, err)
		}
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8]), nil
}
