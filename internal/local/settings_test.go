// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsAddresses(t *testing.T) {
	s := Settings{
		LinkCIDR:    netip.MustParsePrefix("192.0.2.10/29"), // not the first address of the network
		PodCIDR:     netip.MustParsePrefix("198.18.0.0/16"),
		ServiceCIDR: netip.MustParsePrefix("198.19.0.0/24"),
	}
	got := map[string]string{
		"host": s.HostAddress().String(), "node": s.NodeAddress().String(), "DNS": s.DNSAddress().String(),
		"the node's pods": s.NodePodCIDR().String(), "registry": s.RegistryURL(),
	}
	want := map[string]string{
		"host": "192.0.2.9", "node": "192.0.2.10", "DNS": "198.19.0.10",
		"the node's pods": "198.18.0.0/22", "registry": "http://192.0.2.10:5000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*Settings)
		want   []string
	}{
		"the defaults are valid":          {change: func(*Settings) {}},
		"networks that are too small":     {change: func(s *Settings) { s.PodCIDR = netip.MustParsePrefix("10.203.0.0/23") }, want: []string{"--pod-cidr", "too small"}},
		"IPv6 is not supported":           {change: func(s *Settings) { s.ServiceCIDR = netip.MustParsePrefix("2001:db8::/112") }, want: []string{"--service-cidr", "IPv4"}},
		"networks that overlap":           {change: func(s *Settings) { s.PodCIDR = netip.MustParsePrefix("10.0.0.0/8") }, want: []string{"--pod-cidr", "--link-cidr", "--service-cidr", "overlaps"}},
		"all problems are named together": {change: func(s *Settings) { *s = Settings{} }, want: []string{"--link-cidr", "--pod-cidr", "--service-cidr"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := DefaultSettings()
			tc.change(&s)
			err := s.Validate()
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("error = %v, want one about %q", err, tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want it to mention %q", err, want)
				}
			}
		})
	}
}

func TestOverlapsNamesTheFlagThatHelps(t *testing.T) {
	used := []usedNetwork{
		{netip.MustParsePrefix("10.0.0.0/8"), "tun0"},
		{netip.MustParsePrefix("192.0.2.2/24"), "eth0"},
		{netip.MustParsePrefix("2001:db8::/32"), "eth0"},
	}
	tests := map[string]struct {
		wanted network
		want   []string
	}{
		"inside of a used network": {
			wanted: network{"pod", "--pod-cidr", netip.MustParsePrefix("10.203.0.0/16")},
			want:   []string{"the pod network 10.203.0.0/16 overlaps 10.0.0.0/8, which this machine reaches through tun0: choose another one with --pod-cidr"},
		},
		"around a used network": {
			wanted: network{"service", "--service-cidr", netip.MustParsePrefix("192.0.0.0/16")},
			want:   []string{"the service network 192.0.0.0/16 overlaps 192.0.2.0/24, which this machine reaches through eth0: choose another one with --service-cidr"},
		},
		"beside all used networks":               {wanted: network{"link", "--link-cidr", netip.MustParsePrefix("198.51.100.0/30")}},
		"malformed, which is reported elsewhere": {wanted: network{"link", "--link-cidr", netip.Prefix{}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range overlaps([]network{tc.wanted}, used) {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
