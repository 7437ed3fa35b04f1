// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
)

func exposedCluster() *v1alpha1.HostedCluster {
	return &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "cluster-demo"},
		Spec:       v1alpha1.HostedClusterSpec{Network: v1alpha1.Network{AgentAddress: "198.18.77.1"}},
	}
}

// All strategies that are open at the same time have their part in the Service.
func TestService(t *testing.T) {
	hc := exposedCluster()
	render := func(by ...v1alpha1.ExposeStrategy) string {
		return golden.YAML(t, scheme.Scheme, []client.Object{Service(hc, by...)})
	}
	base := render(v1alpha1.ExposeNodePort)
	golden.Check(t, "service.yaml", base)
	for name, by := range map[string][]v1alpha1.ExposeStrategy{
		"service-gateway":          {v1alpha1.ExposeGateway},
		"service-load-balancer":    {v1alpha1.ExposeLoadBalancer},
		"service-gateway-was-port": {v1alpha1.ExposeGateway, v1alpha1.ExposeNodePort},
		"service-port-was-gateway": {v1alpha1.ExposeNodePort, v1alpha1.ExposeGateway},
		"service-all":              {v1alpha1.ExposeNodePort, v1alpha1.ExposeGateway, v1alpha1.ExposeLoadBalancer},
	} {
		golden.CheckVariant(t, name+".diff", base, render(by...))
	}
}

func TestEndpoint(t *testing.T) {
	ports := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: PortAPI, NodePort: 31234}, {Name: PortTunnel, NodePort: 31235}}}}
	balanced := func(ingress ...corev1.LoadBalancerIngress) *corev1.Service {
		return &corev1.Service{Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: ingress}}}
	}
	inDNS := Exposure{Address: "192.0.2.1", Domain: "seed.example.test", GatewayPort: 443}
	byAddress := inDNS
	byAddress.GatewayAddress, byAddress.GatewayPort = "192.0.2.8", 30043
	type view struct {
		URL, TLSServerName, NodeURL, NodeAddress, Tunnel string
		Agent                                            bool
	}
	for name, tc := range map[string]struct {
		exposure Exposure
		strategy v1alpha1.ExposeStrategy
		service  *corev1.Service
		want     view // zero: there is none yet
	}{
		"node ports": {inDNS, v1alpha1.ExposeNodePort, ports, view{
			URL: "https://192.0.2.1:31234", NodeURL: "https://192.0.2.1:31234", Tunnel: "192.0.2.1:31235",
		}},
		"node ports that are not assigned": {inDNS, v1alpha1.ExposeNodePort, &corev1.Service{}, view{}},
		"a load balancer's address": {inDNS, v1alpha1.ExposeLoadBalancer, balanced(corev1.LoadBalancerIngress{Hostname: "lb.test"}, corev1.LoadBalancerIngress{IP: "203.0.113.9"}), view{
			URL: "https://203.0.113.9:443", NodeURL: "https://203.0.113.9:443", Tunnel: "203.0.113.9:1194",
		}},
		"a load balancer's name": {inDNS, v1alpha1.ExposeLoadBalancer, balanced(corev1.LoadBalancerIngress{Hostname: "lb.test"}), view{
			URL: "https://lb.test:443", NodeURL: "https://lb.test:443", Tunnel: "lb.test:1194", Agent: true,
		}},
		"a load balancer that is not there yet": {inDNS, v1alpha1.ExposeLoadBalancer, ports, view{}},
		"the gateway, in the DNS": {inDNS, v1alpha1.ExposeGateway, ports, view{
			URL: "https://demo.seed.example.test:443", NodeURL: "https://demo.seed.example.test:443", Tunnel: "198.18.77.1:1194", Agent: true,
		}},
		"the gateway, without DNS": {byAddress, v1alpha1.ExposeGateway, ports, view{
			URL: "https://192.0.2.8:30043", TLSServerName: "demo.seed.example.test",
			NodeURL: "https://demo.seed.example.test:30043", NodeAddress: "192.0.2.8", Tunnel: "198.18.77.1:1194", Agent: true,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			hc := exposedCluster()
			e, ok := tc.exposure.Endpoint(hc, tc.strategy, tc.service)
			var got view
			if ok {
				_, address := e.NodeHost()
				got = view{e.URL(), e.TLSServerName, e.NodeURL(), address, e.Tunnel(), e.NeedsAgent()}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if !ok {
				return
			}
			// What is written into the status says all that machines are told.
			hc.Status.Endpoint, hc.Status.TLSServerName, hc.Status.ExposeStrategy = e.URL(), e.TLSServerName, e.Strategy
			read, err := EndpointOfStatus(hc)
			if err != nil || read.NodeURL() != e.NodeURL() || read.NeedsAgent() != e.NeedsAgent() {
				t.Errorf("read back %+v, %v", read, err)
			}
		})
	}
}

// Whatever way the tunnel's client comes, its server's certificate is for the address that it connects to.
func TestTheTunnelsCertificateIsForEveryWay(t *testing.T) {
	hc := exposedCluster()
	hc.Spec.Network.Tunnel, hc.Spec.Network.ServiceCIDR = v1alpha1.TunnelKonnectivity, "10.240.16.0/20"
	exposure := Exposure{Address: "192.0.2.1", Domain: "seed.example.test", GatewayPort: 443}
	service := &corev1.Service{
		Spec:   corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: PortAPI, NodePort: 31234}, {Name: PortTunnel, NodePort: 31235}}},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "203.0.113.9"}}}},
	}
	certificates, err := Certificates(Input{Cluster: hc, Names: exposure.Names(hc, service)})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(certificates, func(c Certificate) bool { return c.Name == KonnectivityServer })
	if i < 0 {
		t.Fatal("there is no certificate of the tunnel's server")
	}
	for _, strategy := range []v1alpha1.ExposeStrategy{v1alpha1.ExposeNodePort, v1alpha1.ExposeLoadBalancer, v1alpha1.ExposeGateway} {
		e, ok := exposure.Endpoint(hc, strategy, service)
		if !ok || !slices.Contains(certificates[i].Names, e.TunnelHost) {
			t.Errorf("%s: the client connects to %q, the certificate is for %v", strategy, e.TunnelHost, certificates[i].Names)
		}
	}
}
