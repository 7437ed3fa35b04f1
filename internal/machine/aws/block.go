// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// subnetBits is the length of the prefix of subnets that are made: 4,091 machines each. In a small VPC they are a quarter of
// it, and never smaller than AWS allows.
const (
	subnetBits    = 20
	maxSubnetBits = 28
)

// freeBlock returns the first range for a subnet of a VPC that overlaps none of those that are used.
func freeBlock(vpc string, used []netip.Prefix) (netip.Prefix, error) {
	whole, err := netip.ParsePrefix(vpc)
	if err != nil || !whole.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf("%q is not an IPv4 range", vpc)
	}
	bits := min(max(subnetBits, whole.Bits()+2), maxSubnetBits)
	first := binary.BigEndian.Uint32(whole.Masked().Addr().AsSlice())
	for i := range uint32(1) << (bits - whole.Bits()) {
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], first+i<<(32-bits))
		block := netip.PrefixFrom(netip.AddrFrom4(address), bits)
		if !slices.ContainsFunc(used, block.Overlaps) {
			return block, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s has no free range of /%d", vpc, bits)
}

// compareBlocks orders ranges by their addresses.
func compareBlocks(a, b string) int {
	x, _ := netip.ParsePrefix(a) // of AWS
	y, _ := netip.ParsePrefix(b)
	return x.Compare(y)
}
