// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/usercluster"
)

func withGateway(c clusterTest) clusterTest {
	c.Options.Exposure.Domain, c.Options.Exposure.GatewayPort = "seed.example.test", 443
	return c
}

func by(strategy v1alpha1.ExposeStrategy) func(*v1alpha1.HostedClusterSpec) {
	return func(s *v1alpha1.HostedClusterSpec) { s.Expose.Strategy = strategy }
}

func (c clusterTest) service() *corev1.Service {
	c.Helper()
	service := &corev1.Service{}
	c.get(service, controlplane.APIServer)
	return service
}

// change writes what mod does to the spec.
func (c clusterTest) change(mod func(*v1alpha1.HostedClusterSpec)) {
	c.Helper()
	c.get(c.hc, c.hc.Name)
	mod(&c.hc.Spec)
	if err := c.Update(c.Context(), c.hc); err != nil {
		c.Fatal(err)
	}
}

func (c clusterTest) certificate() *x509.Certificate {
	c.Helper()
	block, _ := pem.Decode(c.secret(controlplane.SecretCertificates)["apiserver.crt"])
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		c.Fatal(err)
	}
	return cert
}

// assign does what a cloud does.
func (c clusterTest) assign(ingress corev1.LoadBalancerIngress) {
	c.Helper()
	service := c.service()
	patchStatus(c.T, c.Client, service, func() { service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{ingress} })
}

func TestALoadBalancerIsWaitedFor(t *testing.T) {
	c := newClusterTest(t, "lb", by(v1alpha1.ExposeLoadBalancer))
	ready := c.step()
	if ready.Reason != v1alpha1.ReasonWaitingForBalancer || !strings.Contains(ready.Message, "kubectl -n cluster-lb describe service kube-apiserver") {
		t.Errorf("Ready: %+v", ready)
	}
	if s := c.service(); s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.Ports[0].NodePort == 0 {
		t.Errorf("Service: %+v", s.Spec)
	}
	c.assign(corev1.LoadBalancerIngress{IP: "203.0.113.9"})
	c.step()
	if s := c.hc.Status; s.Endpoint != "https://203.0.113.9:443" || s.TunnelEndpoint != "203.0.113.9:1194" || s.ExposeStrategy != v1alpha1.ExposeLoadBalancer {
		t.Errorf("status: %+v", s)
	}
	if err := c.certificate().VerifyHostname("203.0.113.9"); err != nil {
		t.Error(err)
	}
}

func TestAGatewaysClusterTakesNoNodePorts(t *testing.T) {
	c := withGateway(newClusterTest(t, "named", by(v1alpha1.ExposeGateway)))
	c.step()
	if s := c.service(); s.Spec.Type != corev1.ServiceTypeClusterIP || s.Spec.Ports[0].NodePort != 0 || s.Labels[v1alpha1.LabelGateway] != "true" {
		t.Errorf("Service: %+v", s)
	}
	if s := c.hc.Status; s.Endpoint != "https://named.seed.example.test:443" || s.TLSServerName != "" || s.TunnelEndpoint != "198.18.77.1:1194" {
		t.Errorf("status: %+v", s)
	}
	if err := c.certificate().VerifyHostname("named.seed.example.test"); err != nil {
		t.Error(err)
	}
	c.Options.Exposure.GatewayAddress = "203.0.113.8" // no DNS server knows the name
	c.step()
	if s := c.hc.Status; s.Endpoint != "https://203.0.113.8:443" || s.TLSServerName != "named.seed.example.test" {
		t.Errorf("status: %+v", s)
	}
}

func TestTheSeedsStrategyIsTheDefault(t *testing.T) {
	c := withGateway(newClusterTest(t, "default-strategy"))
	c.Options.Exposure.Strategy = v1alpha1.ExposeGateway
	c.step()
	if got := c.hc.Status.ExposeStrategy; got != v1alpha1.ExposeGateway {
		t.Errorf("strategy %q", got)
	}
}

func TestAStrategyThatTheSeedDoesNotOffer(t *testing.T) {
	c := newClusterTest(t, "no-gateway", by(v1alpha1.ExposeGateway))
	if ready := c.step(); ready.Reason != v1alpha1.ReasonNoGateway || !strings.Contains(ready.Message, "choose NodePort or LoadBalancer") {
		t.Errorf("Ready: %+v", ready)
	}
	p := withGateway(newClusterTest(t, "port-and-default", func(s *v1alpha1.HostedClusterSpec) { s.Expose.Port = 30778 }))
	p.Options.Exposure.Strategy = v1alpha1.ExposeGateway
	if ready := p.step(); ready.Reason != v1alpha1.ReasonInvalidSpec || !strings.Contains(ready.Message, "remove the port") {
		t.Errorf("Ready: %+v", ready)
	}
}

// The old way stays open until the last machine that uses it has been replaced.
func TestAChangeOfTheStrategyKeepsTheOldWay(t *testing.T) {
	c := withGateway(newClusterTest(t, "moving"))
	c.step()
	old := c.hc.Status.Endpoint
	machine := create(t, c.Client, &v1alpha1.BootstrapConfig{
		ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: c.hc.Namespace},
		Spec:       v1alpha1.BootstrapConfigSpec{Endpoint: old, ExposeStrategy: v1alpha1.ExposeNodePort},
	})
	keys := func() string {
		set := &appsv1.StatefulSet{}
		c.get(set, controlplane.Name)
		return set.Spec.Template.Annotations[controlplane.AnnotationKeys]
	}
	before := keys()
	c.change(by(v1alpha1.ExposeGateway))
	for range 2 { // not only in the first moment
		c.step()
		service := c.service()
		if service.Spec.Type != corev1.ServiceTypeNodePort || !strings.HasSuffix(old, ":"+port(service)) || service.Labels[v1alpha1.LabelGateway] == "" {
			t.Errorf("the old way or the new one is closed: %+v", service.Spec)
		}
	}
	if c.hc.Status.Endpoint != "https://moving.seed.example.test:443" {
		t.Errorf("status.endpoint: %s", c.hc.Status.Endpoint)
	}
	if keys() != before {
		t.Error("the control plane is restarted, though its certificate knew the name already")
	}
	recorder := c.Events.(*events.FakeRecorder)
	if event := <-recorder.Events; !strings.Contains(event, v1alpha1.ReasonEndpointChanged) || !strings.Contains(event, old) || len(recorder.Events) > 0 {
		t.Errorf("event: %s", event)
	}
	if err := c.Delete(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	c.step()
	if service := c.service(); service.Spec.Type != corev1.ServiceTypeClusterIP || service.Spec.Ports[0].NodePort != 0 {
		t.Errorf("nobody uses the old way, and it is still open: %+v", service.Spec)
	}
}

func port(service *corev1.Service) string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix((controlplane.Endpoint{Host: "x", Port: service.Spec.Ports[0].NodePort}).URL(), "https://"))
	return port
}

func TestALiveClusterStaysWhereItIsUntilTheLoadBalancerHasAnAddress(t *testing.T) {
	c := newClusterTest(t, "to-lb")
	c.step()
	old := c.hc.Status.Endpoint
	c.change(by(v1alpha1.ExposeLoadBalancer))
	c.step()
	exposed := meta.FindStatusCondition(c.hc.Status.Conditions, v1alpha1.ConditionExposed)
	if c.hc.Status.Endpoint != old || exposed == nil || exposed.Reason != v1alpha1.ReasonWaitingForBalancer || !strings.Contains(exposed.Message, old) {
		t.Errorf("endpoint %s, Exposed: %+v", c.hc.Status.Endpoint, exposed)
	}
	c.assign(corev1.LoadBalancerIngress{Hostname: "lb.example.test"})
	c.step()
	if c.hc.Status.Endpoint != "https://lb.example.test:443" {
		t.Errorf("endpoint %s", c.hc.Status.Endpoint)
	}
}

func TestWhatIsWrongWithAnEndpointIsSaid(t *testing.T) {
	opts := Options{Exposure: controlplane.Exposure{Domain: "seed.example.test"}}
	gateway := controlplane.Endpoint{Strategy: v1alpha1.ExposeGateway, Host: "a.seed.example.test", Port: 443}
	for name, tc := range map[string]struct {
		err             error
		endpoint        controlplane.Endpoint
		reason, message string
	}{
		"no DNS record":        {&net.DNSError{Name: gateway.Host}, gateway, v1alpha1.ReasonNameUnresolved, "make a record *.seed.example.test"},
		"gateway down":         {errors.New("refused"), gateway, v1alpha1.ReasonUnreachable, "Deployment canopy-gateway"},
		"load balancer's name": {&net.DNSError{}, controlplane.Endpoint{Strategy: v1alpha1.ExposeLoadBalancer, Host: "lb.test"}, v1alpha1.ReasonNameUnresolved, "lb.test"},
		"firewall":             {errors.New("timeout"), controlplane.Endpoint{Strategy: v1alpha1.ExposeNodePort, Host: "192.0.2.1", Port: 1}, v1alpha1.ReasonUnreachable, "https://192.0.2.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if reason, message := explainUnreachable(tc.err, tc.endpoint, opts); reason != tc.reason || !strings.Contains(message, tc.message) {
				t.Errorf("%s: %s", reason, message)
			}
		})
	}
}

// The Service "kubernetes" moves to the agents only when every node has one, and away from them at once. The test's API
// server is the user cluster here; its own reconciler is slower than the test.
func TestPodsFollowWhenTheirNodesCan(t *testing.T) {
	c := newClusterTest(t, "inside")
	a, ctx := c.addons, t.Context()
	hc := c.hc
	gateway := controlplane.Endpoint{Strategy: v1alpha1.ExposeGateway, Host: "a.seed.example.test", Port: 443}
	nodePort := controlplane.Endpoint{Strategy: v1alpha1.ExposeNodePort, Host: "192.0.2.1", Port: 31234}
	leads := func() []string {
		slice := &discoveryv1.EndpointSlice{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: usercluster.APIService}, slice); err != nil {
			t.Fatal(err)
		}
		return slice.Endpoints[0].Addresses
	}
	lead := func(e controlplane.Endpoint, want string) {
		t.Helper()
		if err := a.leadInside(ctx, c.Client, hc, e); err != nil {
			t.Fatal(err)
		}
		if got := leads(); !slices.Equal(got, []string{want}) {
			t.Errorf("pods are led to %v, want %s", got, want)
		}
	}
	lead(nodePort, "192.0.2.1")
	lead(gateway, "192.0.2.1") // there are no agents yet
	set := usercluster.Objects(usercluster.Input{Network: hc.Spec.Network, Agent: agentOf(hc, &gateway), NodeNetworkImage: "x"})
	i := slices.IndexFunc(set, func(o client.Object) bool { return o.GetName() == usercluster.GatewayAgent })
	agents := create(t, c.Client, set[i].(*appsv1.DaemonSet))
	t.Cleanup(func() { _ = c.Delete(context.Background(), agents) })
	lead(gateway, "192.0.2.1") // nobody has looked at them yet
	patchStatus(t, c.Client, agents, func() {
		agents.Status = appsv1.DaemonSetStatus{ObservedGeneration: agents.Generation, DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 1}
	})
	lead(gateway, "192.0.2.1")
	patchStatus(t, c.Client, agents, func() { agents.Status.NumberReady = 2 })
	lead(gateway, hc.Spec.Network.AgentAddress)
	patchStatus(t, c.Client, agents, func() { agents.Status.NumberReady = 1 })
	lead(gateway, hc.Spec.Network.AgentAddress) // it does not go back because of one node
	lead(nodePort, "192.0.2.1")
}

func TestAgentsArguments(t *testing.T) {
	hc := &v1alpha1.HostedCluster{Spec: v1alpha1.HostedClusterSpec{Network: v1alpha1.Network{AgentAddress: "198.18.77.1"}}}
	byAddress := agentOf(hc, &controlplane.Endpoint{Strategy: v1alpha1.ExposeGateway, Host: "203.0.113.8", Port: 30043, TLSServerName: "a.seed.example.test"})
	if byAddress.Gateway != "203.0.113.8:30043" || byAddress.Forwards[1] != (usercluster.Forward{Port: 1194, To: "a.seed.example.test:1194"}) {
		t.Errorf("%+v", byAddress)
	}
	balancer := agentOf(hc, &controlplane.Endpoint{Strategy: v1alpha1.ExposeLoadBalancer, Host: "lb.example.test", Port: 443})
	if balancer.Gateway != "" || len(balancer.Forwards) != 1 || balancer.Forwards[0].To != "lb.example.test:443" {
		t.Errorf("%+v", balancer)
	}
	if agentOf(hc, nil) != nil {
		t.Error("an agent where none is needed")
	}
}
