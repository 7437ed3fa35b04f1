// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"net/netip"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// freeAddress returns an address of the pool that no machine has, by what is written on all machines of the place's folder,
// whichever cluster's they are, and by the clones that are being made. The caller holds c.giving until the clone that gets it
// is among those.
func (c *Cloud) freeAddress(ctx context.Context, s *session, m machine.Machine) (string, error) {
	static := m.Provider.VSphere.Addresses
	if static == nil {
		return "", nil
	}
	in, err := s.inventory(ctx)
	if err != nil {
		return "", err
	}
	machines, err := s.machinesBelow(ctx, in.folder.Reference(), true)
	if err != nil {
		return "", err
	}
	taken := c.reserved(m.UID)
	for _, vm := range machines {
		taken[vm.address] = true
		for _, address := range vm.reported {
			taken[address.String()] = true
		}
	}
	return firstFree(static, m.Pool, taken)
}

// firstFree returns the first address of the pool that is not taken.
func firstFree(static *v1alpha1.StaticAddresses, pool string, taken map[string]bool) (string, error) {
	for _, text := range append([]string{static.Gateway}, static.DNSServers...) {
		if _, err := netip.ParseAddr(text); err != nil {
			return "", refusal(v1alpha1.ReasonConfiguration, "the pool %s has a gateway or DNS server %q that is not an IP address: correct it", pool, text)
		}
	}
	for _, text := range static.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return "", refusal(v1alpha1.ReasonConfiguration, "the pool %s has %q among its addresses, which is not an IP address: correct it", pool, text)
		}
		if !taken[address.String()] {
			return address.String(), nil
		}
	}
	return "", refusal(v1alpha1.ReasonQuotaExceeded, "all %d addresses of the pool %s are in use: add some to it, one more than it has machines to replace them one by one", len(static.Addresses), pool)
}
