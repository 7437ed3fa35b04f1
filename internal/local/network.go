// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// connect joins the sandbox (the process pid) to the host: one veth pair, routes on both ends, and a rule that lets pods
// reach what the host reaches. It changes only what differs.
func connect(ctx context.Context, pid int, s Settings) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("open the sandbox's network: %w", err)
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("open the sandbox's network: %w", err)
	}
	defer inside.Close()
	outside, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer outside.Close()

	mtu, err := uplinkMTU(outside)
	if err != nil {
		return err
	}
	if err := ensurePair(outside, inside, pid, mtu); err != nil {
		return err
	}
	bits := s.LinkCIDR.Bits()
	if err := bringUp(inside, "lo", 0, netip.Prefix{}); err != nil {
		return err
	}
	if err := bringUp(outside, hostInterface, mtu, netip.PrefixFrom(s.HostAddress(), bits)); err != nil {
		return err
	}
	if err := bringUp(inside, guestInterface, mtu, netip.PrefixFrom(s.NodeAddress(), bits)); err != nil {
		return err
	}
	if err := ensureRoute(inside, guestInterface, netip.MustParsePrefix("0.0.0.0/0"), s.HostAddress()); err != nil {
		return err
	}
	if err := ensureUnreachable(inside, s.PodCIDR); err != nil {
		return err
	}
	for _, to := range []netip.Prefix{s.PodCIDR, s.LoadBalancerCIDR} {
		if err := ensureRoute(outside, hostInterface, to, s.NodeAddress()); err != nil {
			return err
		}
	}
	if err := applyRules(ctx, natRules(s)); err != nil {
		return err
	}
	return allowForwarding(ctx)
}

// uplinkMTU returns the packet size of the host's way to the outside, which pods may not exceed.
func uplinkMTU(h *netlink.Handle) (int, error) {
	const ethernet = 1500
	routes, err := h.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list the host's routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst != nil && r.Dst.String() != "0.0.0.0/0" {
			continue
		}
		if link, err := h.LinkByIndex(r.LinkIndex); err == nil {
			return link.Attrs().MTU, nil
		}
	}
	return ethernet, nil
}

// ensurePair makes the veth pair unless both ends are in place and belong together.
func ensurePair(outside, inside *netlink.Handle, pid, mtu int) error {
	host, hostErr := outside.LinkByName(hostInterface)
	guest, guestErr := inside.LinkByName(guestInterface)
	if hostErr == nil && guestErr == nil && guest.Attrs().ParentIndex == host.Attrs().Index {
		return nil
	}
	if hostErr == nil { // the other end is in a sandbox that is gone
		if err := outside.LinkDel(host); err != nil {
			return fmt.Errorf("remove the old interface %s: %w", hostInterface, err)
		}
	}
	if guestErr == nil {
		_ = inside.LinkDel(guest) // gone with its peer, if that was the host's end
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = hostInterface, mtu
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: guestInterface, PeerNamespace: netlink.NsPid(pid)}
	if err := outside.LinkAdd(pair); err != nil {
		return fmt.Errorf("make the interface %s: %w", hostInterface, err)
	}
	return nil
}

// bringUp gives the interface its MTU and address, unless zero, and switches it on.
func bringUp(h *netlink.Handle, name string, mtu int, address netip.Prefix) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", name, err)
	}
	if mtu != 0 && link.Attrs().MTU != mtu {
		if err := h.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set the MTU of %s to %d: %w", name, mtu, err)
		}
	}
	if address.IsValid() {
		addr, err := netlink.ParseAddr(address.String())
		if err != nil {
			return err
		}
		if err := h.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("give %s the address %s: %w", name, address, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("switch %s on: %w", name, err)
	}
	return nil
}

func ensureRoute(h *netlink.Handle, name string, to netip.Prefix, via netip.Addr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", name, err)
	}
	_, dst, err := netlinkNet(to)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: via.AsSlice()}
	if err := h.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s through %s: %w", to, name, err)
	}
	return nil
}

// ensureUnreachable has the node say at once that a pod is gone, instead of sending what is for it to the host and back.
func ensureUnreachable(h *netlink.Handle, pods netip.Prefix) error {
	_, dst, err := netlinkNet(pods)
	if err != nil {
		return err
	}
	if err := h.RouteReplace(&netlink.Route{Dst: dst, Type: unix.RTN_UNREACHABLE, Priority: 4096}); err != nil {
		return fmt.Errorf("make %s unreachable but for pods that exist: %w", pods, err)
	}
	return nil
}

// natRules replaces the table canopy as a whole, in one transaction. It is used again by down with no settings' rules. What
// comes back from the node for a load balancer's address is for one that no Service has, and would go round in circles.
func natRules(s Settings) string {
	return fmt.Sprintf(`add table ip canopy
delete table ip canopy
table ip canopy {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr { %[1]s, %[2]s } oifname != %[4]q masquerade
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname %[4]q ip daddr %[3]s reject
	}
}
`, s.LinkCIDR.Masked(), s.PodCIDR.Masked(), s.LoadBalancerCIDR.Masked(), hostInterface)
}

const noRules = "add table ip canopy\ndelete table ip canopy\n"

func applyRules(ctx context.Context, rules string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set the nftables table canopy: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// forwardRules are needed on a host whose firewall drops what it routes, as Docker's does.
var forwardRules = [][]string{
	{"FORWARD", "-i", hostInterface, "-m", "comment", "--comment", "canopy", "-j", "ACCEPT"},
	{"FORWARD", "-o", hostInterface, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-m", "comment", "--comment", "canopy", "-j", "ACCEPT"},
}

func allowForwarding(ctx context.Context) error {
	if !dropsForwarded(ctx) {
		return nil
	}
	for _, rule := range forwardRules {
		if exec.CommandContext(ctx, "iptables", append([]string{"-w", "-C"}, rule...)...).Run() == nil {
			continue
		}
		if out, err := exec.CommandContext(ctx, "iptables", append([]string{"-w", "-I"}, rule...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("let the firewall forward for %s: %w: %s", hostInterface, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

func dropsForwarded(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "iptables", "-w", "-S", "FORWARD").Output()
	return err == nil && strings.HasPrefix(string(out), "-P FORWARD DROP")
}

// disconnect removes what connect made on the host, and reports what it found.
func disconnect(ctx context.Context) (removed []string, err error) {
	link, err := netlink.LinkByName(hostInterface)
	if err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return removed, fmt.Errorf("remove the interface %s: %w", hostInterface, err)
		}
		removed = append(removed, "network interface "+hostInterface)
	} else if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return removed, fmt.Errorf("find the interface %s: %w", hostInterface, err)
	}
	if exec.CommandContext(ctx, "nft", "list", "table", "ip", "canopy").Run() == nil {
		if err := applyRules(ctx, noRules); err != nil {
			return removed, err
		}
		removed = append(removed, "nftables table canopy")
	}
	if dropsForwarded(ctx) {
		for _, rule := range forwardRules {
			_ = exec.CommandContext(ctx, "iptables", append([]string{"-w", "-D"}, rule...)...).Run() // absent when never needed
		}
	}
	return removed, nil
}
