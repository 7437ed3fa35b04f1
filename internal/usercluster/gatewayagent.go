// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/podspec"
)

const agentHealthPort = 10287

// Agent is what runs on every node where the API is reached by name.
type Agent struct {
	// Address is the node-local address at which it listens.
	Address string
	// Gateway is the host:port of the seed's gateway; empty: it connects to what it forwards to.
	Gateway string
	// Forwards are the ports at which it listens and the host:port that each leads to.
	Forwards []Forward
}

// Forward is one port of an Agent.
type Forward struct {
	Port int32
	To   string
}

// gatewayAgent is a DaemonSet without any rights in the cluster. The new pod of a node starts before the old one ends.
func gatewayAgent(in Input) []client.Object {
	if in.Agent == nil {
		return nil
	}
	args := []string{"gateway-agent", "--address=" + in.Agent.Address, fmt.Sprintf("--health-address=127.0.0.1:%d", agentHealthPort)}
	if in.Agent.Gateway != "" {
		args = append(args, "--gateway="+in.Agent.Gateway)
	}
	for _, f := range in.Agent.Forwards {
		args = append(args, fmt.Sprintf("--forward=%d=%s", f.Port, f.To))
	}
	set := nodeAgent(in, GatewayAgent, strings.Join(args, " "), corev1.Container{
		Name:            GatewayAgent,
		Image:           in.NodeNetworkImage,
		Command:         []string{"node-network"},
		Args:            args,
		Resources:       podspec.Resources("10m", "16Mi", "256Mi"),
		SecurityContext: podspec.Restricted("NET_ADMIN"),
		StartupProbe:    httpProbe("127.0.0.1", "/healthz", agentHealthPort, 1, 120),
		ReadinessProbe:  httpProbe("127.0.0.1", "/healthz", agentHealthPort, 10, 2),
		LivenessProbe:   httpProbe("127.0.0.1", "/healthz", agentHealthPort, 10, 6),
	})
	set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{
		MaxSurge: new(intstr.FromString("10%")), MaxUnavailable: new(intstr.FromInt32(0)),
	}
	set.Spec.Template.Spec.ServiceAccountName = ""
	set.Spec.Template.Spec.AutomountServiceAccountToken = new(false)
	return []client.Object{set}
}

// APIService is the name of the Service by which pods reach the API, in the namespace "default".
const APIService = "kubernetes"

// APIEndpoints returns where that Service leads: kube-apiserver itself does not know under which address nodes reach it.
// They are no part of Objects: nothing may ever prune them.
func APIEndpoints(address string, port int32) []client.Object {
	skipMirror := map[string]string{discoveryv1.LabelSkipMirror: "true"}
	return []client.Object{
		//nolint:staticcheck // upstream's conformance tests still look for it beside the EndpointSlice
		&corev1.Endpoints{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: APIService, Labels: skipMirror},
			Subsets: []corev1.EndpointSubset{{ //nolint:staticcheck // as above
				Addresses: []corev1.EndpointAddress{{IP: address}},                                          //nolint:staticcheck // as above
				Ports:     []corev1.EndpointPort{{Name: "https", Port: port, Protocol: corev1.ProtocolTCP}}, //nolint:staticcheck // as above
			}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: metav1.NamespaceDefault, Name: APIService,
				Labels: map[string]string{discoveryv1.LabelServiceName: APIService},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
			Ports:       []discoveryv1.EndpointPort{{Name: new("https"), Port: new(port), Protocol: new(corev1.ProtocolTCP)}},
		},
	}
}

// LeadsTo reports whether the live slice of the Service says address and port, and nothing else.
func LeadsTo(slice *discoveryv1.EndpointSlice, address string, port int32) bool {
	return len(slice.Endpoints) == 1 && len(slice.Endpoints[0].Addresses) == 1 && slice.Endpoints[0].Addresses[0] == address &&
		len(slice.Ports) == 1 && slice.Ports[0].Port != nil && *slice.Ports[0].Port == port
}
