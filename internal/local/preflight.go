// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// minFreeBytes is what images, their unpacked copies and the build need, with some room for volumes.
const minFreeBytes = 8 << 30

// preflight returns everything that is wrong with this machine at once, each with what to do about it.
func preflight(s Settings) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the local platform needs Linux, not %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("the local platform makes namespaces, mounts and a network interface: run the command as root (sudo)")
	}
	problems := []error{s.Validate(), checkKernel(), checkDisk()}
	used, err := usedNetworks()
	problems = append(problems, err)
	problems = append(problems, overlaps(s.networks(), used)...)
	return errors.Join(problems...)
}

func checkKernel() error {
	var problems []error
	for _, ns := range []string{"pid", "mnt", "net", "uts", "ipc"} {
		if _, err := os.Stat(filepath.Join("/proc/self/ns", ns)); err != nil {
			problems = append(problems, fmt.Errorf("the kernel has no %s namespaces: use one that has", ns))
		}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(known)), "overlay") {
		problems = append(problems, errors.New("the kernel does not know the file system overlay: try `modprobe overlay`"))
	}
	all, err := hierarchies()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		problems = append(problems, errors.New("no control groups are mounted below /sys/fs/cgroup: mount them (`mount -t cgroup2 none /sys/fs/cgroup`)"))
	}
	return errors.Join(problems...)
}

// checkDisk looks at the file system that StateDir is on, or will be on.
func checkDisk() error {
	dir := StateDir
	for {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	switch fs.Type {
	case unix.OVERLAYFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return fmt.Errorf("%s is on a file system that container images cannot be unpacked on: "+
			"mount a disk or a volume (ext4, xfs, btrfs) at %s", dir, StateDir)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < minFreeBytes {
		return fmt.Errorf("%s has %d MiB free, the platform needs %d MiB: make room", dir, free>>20, minFreeBytes>>20)
	}
	return nil
}

// usedNetwork is a network that the host reaches already.
type usedNetwork struct {
	prefix netip.Prefix
	via    string // name of the interface
}

// usedNetworks lists the host's addresses and routes, but for the default route and our own.
func usedNetworks() ([]usedNetwork, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list the host's network interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's addresses: %w", err)
	}
	var used []usedNetwork
	add := func(ipNet *net.IPNet, index int) {
		prefix, err := netip.ParsePrefix(ipNet.String())
		if err == nil && prefix.Bits() > 0 && names[index] != hostInterface {
			used = append(used, usedNetwork{prefix, names[index]})
		}
	}
	for _, r := range routes {
		if r.Dst != nil {
			add(r.Dst, r.LinkIndex)
		}
	}
	for _, a := range addrs {
		add(a.IPNet, a.LinkIndex)
	}
	return used, nil
}

// overlaps says for each wanted network which used one it overlaps with, and which flag changes it.
func overlaps(wanted []network, used []usedNetwork) []error {
	var problems []error
	for _, w := range wanted {
		for _, u := range used {
			if w.prefix.IsValid() && w.prefix.Overlaps(u.prefix) {
				problems = append(problems, fmt.Errorf("the %s network %s overlaps %s, which this machine reaches through %s: choose another one with %s",
					w.name, w.prefix, u.prefix.Masked(), u.via, w.flag))
				break
			}
		}
	}
	return problems
}

func netlinkNet(p netip.Prefix) (net.IP, *net.IPNet, error) {
	return net.ParseCIDR(p.Masked().String())
}
