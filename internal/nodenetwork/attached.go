// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// resultsDir is where the container runtime's CNI library keeps what the plugins answered, one file for each interface. A
// file appears before the first container of its pod starts, while the API learns the pod's address from kubelet some
// time afterwards: with these files a pod is isolated from its first packet on.
const resultsDir = "/var/lib/cni/results"

// result is the part of such a file that matters.
type result struct {
	IfName  string     `json:"ifName"`
	CNIArgs [][]string `json:"cniArgs"`
	Result  struct {
		IPs []struct {
			Address string `json:"address"` // with the length of its network
		} `json:"ips"`
	} `json:"result"`
}

// attachedPods returns the IPv4 addresses of the pods that have an interface, by the UID of the pod. Where two files have
// the same address, the older one was left behind when its pod's end was missed.
func attachedPods(dir string) (map[types.UID][]netip.Addr, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the results of CNI plugins: %w", err)
	}
	type owner struct {
		uid types.UID
		at  time.Time
	}
	owners := map[netip.Addr]owner{}
	for _, entry := range entries {
		uid, addresses, at, err := readResult(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went while we looked
		}
		if err != nil {
			return nil, err
		}
		for _, address := range addresses {
			if known, ok := owners[address]; !ok || at.After(known.at) {
				owners[address] = owner{uid, at}
			}
		}
	}
	attached := map[types.UID][]netip.Addr{}
	for address, owner := range owners {
		attached[owner.uid] = append(attached[owner.uid], address)
	}
	return attached, nil
}

// readResult returns nothing for a file that is not written completely yet: there is an event when it is.
func readResult(path string) (uid types.UID, addresses []netip.Addr, at time.Time, err error) {
	stat, err := os.Stat(path)
	if err != nil {
		return "", nil, time.Time{}, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", nil, time.Time{}, fmt.Errorf("reading the result of a CNI plugin: %w", err)
	}
	var r result
	if err := json.Unmarshal(content, &r); err != nil || r.IfName != "eth0" {
		return "", nil, time.Time{}, nil //nolint:nilerr // half a file
	}
	for _, arg := range r.CNIArgs {
		if len(arg) == 2 && arg[0] == "K8S_POD_UID" {
			uid = types.UID(arg[1])
		}
	}
	for _, ip := range r.Result.IPs {
		if prefix, err := netip.ParsePrefix(ip.Address); err == nil && prefix.Addr().Is4() && uid != "" {
			addresses = append(addresses, prefix.Addr())
		}
	}
	return uid, addresses, stat.ModTime(), nil
}
