// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// Settings are what somebody may choose about the local platform. They hold from the first `canopy up` to `canopy down`.
type Settings struct {
	// LinkCIDR has one address for the host and one for the sandbox, at which the API is served.
	LinkCIDR netip.Prefix `json:"linkCIDR"`
	// PodCIDR is where pods get their addresses from.
	PodCIDR netip.Prefix `json:"podCIDR"`
	// ServiceCIDR is where Services get their addresses from.
	ServiceCIDR netip.Prefix `json:"serviceCIDR"`
	// LoadBalancerCIDR is where Services of type LoadBalancer get a second address from, which the host reaches.
	LoadBalancerCIDR netip.Prefix `json:"loadBalancerCIDR"`
}

// nodePodBits is the prefix length of the node's part of PodCIDR: 1022 addresses for at most 500 pods.
const nodePodBits = 22

// DefaultSettings returns networks that are seldom used elsewhere.
func DefaultSettings() Settings {
	return Settings{
		LinkCIDR:    netip.MustParsePrefix("10.202.0.0/30"),
		PodCIDR:     netip.MustParsePrefix("10.203.0.0/16"),
		ServiceCIDR: netip.MustParsePrefix("10.204.0.0/16"),

		LoadBalancerCIDR: netip.MustParsePrefix("10.202.1.0/24"),
	}
}

// HostAddress is the host's end of the link.
func (s Settings) HostAddress() netip.Addr { return s.LinkCIDR.Masked().Addr().Next() }

// NodeAddress is the sandbox's end of the link: the address of the API, of NodePorts and of the registry.
func (s Settings) NodeAddress() netip.Addr { return s.HostAddress().Next() }

// RegistryURL is the platform's own image registry, as containerd and `canopy images push` reach it.
func (s Settings) RegistryURL() string {
	return fmt.Sprintf("http://%s:%d", s.NodeAddress(), registryPort)
}

// NodePodCIDR is the part of PodCIDR that the node hands out.
func (s Settings) NodePodCIDR() netip.Prefix {
	return netip.PrefixFrom(s.PodCIDR.Masked().Addr(), nodePodBits)
}

// DNSAddress is the address of the DNS Service: by kubeadm's convention the tenth of ServiceCIDR.
func (s Settings) DNSAddress() netip.Addr {
	addr := s.ServiceCIDR.Masked().Addr()
	for range 10 {
		addr = addr.Next()
	}
	return addr
}

// networks pairs each network with the flag that changes it.
func (s Settings) networks() []network {
	return []network{
		{"link", "--link-cidr", s.LinkCIDR},
		{"pod", "--pod-cidr", s.PodCIDR},
		{"service", "--service-cidr", s.ServiceCIDR},
		{"load balancers'", "--load-balancer-cidr", s.LoadBalancerCIDR},
	}
}

// reserved are the networks that user clusters may not use.
func (s Settings) reserved() []any {
	var all []any
	for _, n := range s.networks() {
		all = append(all, n.prefix.String())
	}
	return all
}

type network struct {
	name, flag string
	prefix     netip.Prefix
}

// Validate returns all problems of the settings in themselves.
func (s Settings) Validate() error {
	var problems []error
	longest := map[string]int{"link": 30, "pod": nodePodBits, "service": 24, "load balancers'": 30}
	networks := s.networks()
	for i, n := range networks {
		switch {
		case !n.prefix.IsValid() || !n.prefix.Addr().Is4():
			problems = append(problems, fmt.Errorf("%s: want an IPv4 network such as %s", n.flag, DefaultSettings().networks()[i].prefix))
		case n.prefix.Bits() > longest[n.name]:
			problems = append(problems, fmt.Errorf("%s: %s is too small, want /%d or larger", n.flag, n.prefix, longest[n.name]))
		}
		for _, other := range networks[:i] {
			if n.prefix.Overlaps(other.prefix) {
				problems = append(problems, fmt.Errorf("%s: %s overlaps %s %s", n.flag, n.prefix, other.flag, other.prefix))
			}
		}
	}
	return errors.Join(problems...)
}

// settle returns the settings to use: those recorded by an earlier `canopy up`, else wanted. Settings that were asked for
// and differ from the recorded ones are an error, since addresses are in certificates and databases.
func settle(wanted Settings, explicit bool) (Settings, error) {
	data, err := os.ReadFile(settingsPath)
	if errors.Is(err, os.ErrNotExist) {
		return wanted, nil
	}
	if err != nil {
		return Settings{}, err
	}
	var recorded Settings
	if err := json.Unmarshal(data, &recorded); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", settingsPath, err)
	}
	if !recorded.LoadBalancerCIDR.IsValid() { // of a platform that had no load balancers yet
		recorded.LoadBalancerCIDR = wanted.LoadBalancerCIDR
	}
	if explicit && recorded != wanted {
		return Settings{}, fmt.Errorf("the platform was made with other networks (%s, %s, %s, %s), which cannot be changed while it exists: "+
			"leave the flags away, or remove it with `canopy down` first", recorded.LinkCIDR, recorded.PodCIDR, recorded.ServiceCIDR, recorded.LoadBalancerCIDR)
	}
	return recorded, nil
}
