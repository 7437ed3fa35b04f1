// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The file descriptors that `canopy up` hands to the sandbox.
const (
	fdGo     = 3 // read: one byte once the parent has recorded the process; closed without one when the parent died
	fdReport = 4 // write: an error, or nothing and closed when the root was entered
)

// Main runs the sandbox: it waits for the parent, enters the root and supervises the daemons. It returns only an error
// that came before the root was entered; afterwards it ends with the process.
func Main(specPath string) error {
	if os.Getenv(envAdopt) != "" { // the program was replaced: everything is mounted already
		return supervise(specPath)
	}
	report := os.NewFile(fdReport, "report")
	if err := enter(specPath, report); err != nil {
		fmt.Fprint(report, err)
		return err
	}
	report.Close()
	return supervise(specPath)
}

func enter(specPath string, report *os.File) error {
	unix.CloseOnExec(int(report.Fd()))
	goAhead := os.NewFile(fdGo, "go")
	defer goAhead.Close()
	if _, err := io.ReadFull(goAhead, make([]byte, 1)); err != nil {
		return fmt.Errorf("`canopy up` ended before the sandbox was recorded: %w", err)
	}
	spec, err := ReadSpec(specPath)
	if err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Boundary.Hostname)); err != nil {
		return fmt.Errorf("set the sandbox's host name: %w", err)
	}
	if err := mountRoot(spec.Boundary); err != nil {
		return err
	}
	if err := pivot(spec.Boundary.Root); err != nil {
		return err
	}
	// Pods are routed, not bridged: the sandbox is their router.
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// A mount is one call of mount(2).
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
	// optional mounts are of file systems that a kernel may lack and nothing essential needs.
	optional bool
}

// systemMounts are what every Linux machine has. Targets are relative to the root.
//
// The control groups are the host's own: there is no cgroup namespace, so that the paths which kubelet and runc write
// are the ones which `canopy down` removes.
func systemMounts() []mount {
	return []mount{
		{source: "proc", target: "proc", fstype: "proc"},
		{source: "sysfs", target: "sys", fstype: "sysfs"},
		{source: "/sys/fs/cgroup", target: "sys/fs/cgroup", flags: unix.MS_BIND | unix.MS_REC},
		{source: "bpf", target: "sys/fs/bpf", fstype: "bpf", optional: true},
		{source: "/dev", target: "dev", flags: unix.MS_BIND},
		{source: "devpts", target: "dev/pts", fstype: "devpts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{source: "tmpfs", target: "dev/shm", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
		{source: "tmpfs", target: "run", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755"},
		{source: "tmpfs", target: "tmp", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
	}
}

// mountRoot makes the directory b.Root a complete root file system. Nothing of it is visible outside of this mount
// namespace, and the kernel takes it away with the namespace.
func mountRoot(b Boundary) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("separate the sandbox's mounts from the host's: %w", err)
	}
	mounts := []mount{{source: b.Root, target: ".", flags: unix.MS_BIND}} // pivot_root wants a mount point
	mounts = append(mounts, systemMounts()...)
	for _, bind := range b.Binds {
		m := mount{source: bind.Source, target: bind.Target, flags: unix.MS_BIND}
		mounts = append(mounts, m)
		if bind.ReadOnly {
			m.flags |= unix.MS_REMOUNT | unix.MS_RDONLY
			mounts = append(mounts, m)
		}
	}
	for _, m := range mounts {
		target := filepath.Join(b.Root, m.target)
		err := os.MkdirAll(target, 0o755)
		if err == nil {
			err = unix.Mount(m.source, target, m.fstype, m.flags, m.data)
		}
		if err != nil && !m.optional {
			return fmt.Errorf("mount %s at %s: %w", m.source, target, err)
		}
	}
	return nil
}

// pivot makes root the root directory and lets go of the host's.
func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("enter %s: %w", root, err)
	}
	// With both arguments the same directory the old root lies on top of the new one, from where it is unmounted; no
	// directory has to exist for it.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("make %s the root: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	// Kubelet's volumes have to reach containers that run already. Every mount was private until here, so each becomes
	// a group of its own and two binds of one directory do not double each other's mounts.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share mounts with containers: %w", err)
	}
	return nil
}
