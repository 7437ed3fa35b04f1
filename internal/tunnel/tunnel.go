// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package tunnel carries connections of a control plane through OpenVPN to where they are wanted: it runs beside both ends
// of the VPN, in the same pods, reads nothing but the connections, and writes nothing.
//
//	kube-apiserver ──TLS──► relay ══ VPN ══► agent ──► pod, Service or kubelet
//	                        seed             user cluster
//
// The relay (relay.go) lets the control plane in and hands its bytes to one of the agents, whichever answers. The agent
// (agent.go) answers HTTP's CONNECT and opens the connection from inside the user cluster. So no address of a cluster's
// network is ever routed on the seed: two clusters, and a cluster and its seed, may have the same ranges, and nothing is
// translated. The VPN itself carries packets between the few addresses of one small range only.
package tunnel

import (
	"fmt"
	"net/netip"
)

// Clients is how many clients a tunnel has, so that losing a node does not cut it.
const Clients = 2

// Ports that the two ends listen on.
const (
	RelayPort   = 8131 // the relay, for the control plane: TLS
	AgentPort   = 8132 // the agent, for the relay: inside of the VPN only
	MetricsPort = 8133 // both, for health checks and metrics
)

// Addresses are those of the VPN's ends.
type Addresses struct {
	Server  netip.Addr
	Clients [Clients]netip.Addr
	// Range is the one that holds them all.
	Range netip.Prefix
}

// NewAddresses returns the addresses of a VPN with the range cidr, for example "169.254.88.0/28": the first is the
// server's, those of the clients follow.
func NewAddresses(cidr string) (Addresses, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return Addresses{}, fmt.Errorf("the range of the tunnel: %w", err)
	}
	a := Addresses{Range: prefix.Masked()}
	a.Server = a.Range.Addr().Next()
	last := a.Server
	for i := range a.Clients {
		last = last.Next()
		a.Clients[i] = last
	}
	if !prefix.Contains(last.Next()) { // the one after the last is the broadcast address at the earliest
		return Addresses{}, fmt.Errorf("the range of the tunnel: %s has no room for a server and %d clients", cidr, Clients)
	}
	return a, nil
}
