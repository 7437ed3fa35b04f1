// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Ports of the Service, which are those of a load balancer, and what a node's agent asks the gateway for.
const (
	ServicePortAPI    = 443
	ServicePortTunnel = 1194
)

// Ports at which the agent on each node listens.
const (
	AgentPortAPI    = 6443
	AgentPortTunnel = 1194
)

// Exposure is how people and nodes reach a seed's control planes.
type Exposure struct {
	// Strategy is that of clusters which name none.
	Strategy v1alpha1.ExposeStrategy
	// Address is the IP address at which the seed's node ports are reached.
	Address string
	// Domain is what the names of clusters at the gateway end with: <cluster>.<Domain>. Empty: the seed has no gateway.
	Domain string
	// GatewayPort is the port at which the gateway is reached.
	GatewayPort int32
	// GatewayAddress is the IP address at which the gateway is reached if no DNS server knows the names below Domain.
	// Empty: they are in the DNS.
	GatewayAddress string
}

// StrategyOf returns the strategy that a cluster wants.
func (x Exposure) StrategyOf(cluster *v1alpha1.HostedCluster) v1alpha1.ExposeStrategy {
	switch {
	case cluster.Spec.Expose.Strategy != "":
		return cluster.Spec.Expose.Strategy
	case x.Strategy != "":
		return x.Strategy
	default:
		return v1alpha1.ExposeNodePort
	}
}

// Name is the cluster's name at the gateway; empty if the seed has none.
func (x Exposure) Name(cluster *v1alpha1.HostedCluster) string {
	if x.Domain == "" {
		return ""
	}
	return cluster.Name + "." + x.Domain
}

// Endpoint returns how cluster is reached by strategy, false if the live Service cannot say it yet.
func (x Exposure) Endpoint(cluster *v1alpha1.HostedCluster, strategy v1alpha1.ExposeStrategy, service *corev1.Service) (Endpoint, bool) {
	e := Endpoint{Strategy: strategy}
	switch strategy {
	case v1alpha1.ExposeLoadBalancer:
		hosts := BalancerHosts(service)
		if len(hosts) == 0 {
			return e, false
		}
		e.Host, e.Port = hosts[0], ServicePortAPI
		e.TunnelHost, e.TunnelPort = hosts[0], ServicePortTunnel
	case v1alpha1.ExposeGateway:
		e.Host, e.Port = x.Name(cluster), x.GatewayPort
		if x.GatewayAddress != "" {
			e.Host, e.TLSServerName = x.GatewayAddress, e.Host
		}
		e.TunnelHost, e.TunnelPort = cluster.Spec.Network.AgentAddress, AgentPortTunnel
	default:
		api, tunnel := nodePort(service, PortAPI), nodePort(service, PortTunnel)
		if api == 0 || tunnel == 0 {
			return e, false
		}
		e.Host, e.Port = x.Address, api
		e.TunnelHost, e.TunnelPort = x.Address, tunnel
	}
	return e, e.Host != ""
}

// Names are the names and addresses under which cluster is reached by any strategy, as far as they are known: with a
// certificate for all of them, a change of the strategy need not wait for a new one.
func (x Exposure) Names(cluster *v1alpha1.HostedCluster, service *corev1.Service) []string {
	names := slices.DeleteFunc([]string{x.Address, x.Name(cluster)}, func(n string) bool { return n == "" })
	return append(names, BalancerHosts(service)...)
}

// Endpoint is one way to a control plane.
type Endpoint struct {
	Strategy v1alpha1.ExposeStrategy
	// Host is a name or an IP address that people and nodes connect to.
	Host string
	Port int32
	// TLSServerName is what clients say in TLS; empty: Host.
	TLSServerName string
	// TunnelHost and TunnelPort are what the tunnel's client inside the cluster connects to.
	TunnelHost string
	TunnelPort int32
}

// URL is what people connect to.
func (e Endpoint) URL() string { return "https://" + hostPort(e.Host, e.Port) }

// Tunnel is the tunnel's host and port.
func (e Endpoint) Tunnel() string { return hostPort(e.TunnelHost, e.TunnelPort) }

// NodeHost is what the programs on nodes connect to, most of which cannot be told to say another name in TLS.
// With an address, they need to be told that NodeHost is there.
func (e Endpoint) NodeHost() (host, address string) {
	if e.TLSServerName != "" {
		return e.TLSServerName, e.Host
	}
	return e.Host, ""
}

// NodeURL is the URL with NodeHost.
func (e Endpoint) NodeURL() string {
	host, _ := e.NodeHost()
	return "https://" + hostPort(host, e.Port)
}

// NeedsAgent reports whether the clients of the Service "kubernetes", which connect to an address and name nobody, need an
// agent on their node to get there.
func (e Endpoint) NeedsAgent() bool {
	_, err := netip.ParseAddr(e.Host)
	return e.Strategy == v1alpha1.ExposeGateway || err != nil
}

// EndpointOfStatus returns the endpoint that the cluster's status names, without the tunnel's.
func EndpointOfStatus(cluster *v1alpha1.HostedCluster) (Endpoint, error) {
	s := cluster.Status
	e := Endpoint{Strategy: s.ExposeStrategy, TLSServerName: s.TLSServerName}
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return e, fmt.Errorf("status.endpoint: %w", err)
	}
	port, err := strconv.ParseInt(u.Port(), 10, 32)
	if err != nil {
		return e, fmt.Errorf("status.endpoint %q: %w", s.Endpoint, err)
	}
	e.Host, e.Port = u.Hostname(), int32(port)
	return e, nil
}

func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// BalancerHosts are the addresses, or else the names, of the Service's load balancer.
func BalancerHosts(service *corev1.Service) []string {
	var ips, names []string
	if service == nil {
		return nil
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			ips = append(ips, ingress.IP)
		}
		if ingress.Hostname != "" {
			names = append(names, ingress.Hostname)
		}
	}
	return append(ips, names...)
}

func nodePort(service *corev1.Service, name string) int32 {
	for _, p := range service.Spec.Ports {
		if p.Name == name {
			return p.NodePort
		}
	}
	return 0
}

// Service is how the API and the tunnel's server are reached by the given strategies. It comes before all other objects,
// because they need its ports and addresses. Each port leads to the pods that name it.
func Service(cluster *v1alpha1.HostedCluster, by ...v1alpha1.ExposeStrategy) *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: Input{Cluster: cluster}.meta(APIServer, APIServer),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: map[string]string{v1alpha1.LabelCluster: cluster.Name, v1alpha1.LabelExposed: "true"},
			Ports: []corev1.ServicePort{
				{Name: PortAPI, Port: ServicePortAPI, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(PortAPI)},
				{Name: PortTunnel, Port: ServicePortTunnel, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(PortTunnel)},
			},
			PublishNotReadyAddresses: true, // the way is there before the API is
		},
	}
	if slices.Contains(by, v1alpha1.ExposeNodePort) {
		service.Spec.Type = corev1.ServiceTypeNodePort
		service.Spec.Ports[0].NodePort = cluster.Spec.Expose.Port
	}
	if slices.Contains(by, v1alpha1.ExposeLoadBalancer) { // which has node ports as well
		service.Spec.Type = corev1.ServiceTypeLoadBalancer
	}
	if slices.Contains(by, v1alpha1.ExposeGateway) {
		service.Labels[v1alpha1.LabelGateway] = "true"
	}
	return service
}
