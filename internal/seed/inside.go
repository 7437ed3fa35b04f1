// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/usercluster"
)

// agentOf returns what has to run on the nodes so that clients which name nobody reach the control plane at endpoint.
func agentOf(hc *v1alpha1.HostedCluster, endpoint *controlplane.Endpoint) *usercluster.Agent {
	if endpoint == nil {
		return nil
	}
	agent := &usercluster.Agent{Address: hc.Spec.Network.AgentAddress}
	host, address := endpoint.NodeHost()
	to := func(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	agent.Forwards = []usercluster.Forward{{Port: controlplane.AgentPortAPI, To: to(controlplane.ServicePortAPI)}}
	if endpoint.Strategy == v1alpha1.ExposeGateway {
		agent.Gateway = net.JoinHostPort(cmp.Or(address, host), strconv.Itoa(int(endpoint.Port)))
		agent.Forwards = append(agent.Forwards, usercluster.Forward{Port: controlplane.AgentPortTunnel, To: to(controlplane.ServicePortTunnel)})
	}
	return agent
}

// led is where the Service "kubernetes" of a cluster led, and when that was last seen.
type led struct {
	address string
	port    int32
	at      time.Time
}

// leadInside makes the cluster's own Service "kubernetes" lead to the endpoint, once every node that there is can follow.
func (a *addons) leadInside(ctx context.Context, inside client.Client, hc *v1alpha1.HostedCluster, endpoint controlplane.Endpoint) error {
	address, port := endpoint.Host, endpoint.Port
	if endpoint.NeedsAgent() {
		address, port = hc.Spec.Network.AgentAddress, controlplane.AgentPortAPI
	}
	key, now := client.ObjectKeyFromObject(hc), led{address, port, a.options.Clock.Now()}
	if last, ok := a.led.Load(key); ok {
		if last := last.(led); last.address == address && last.port == port && now.at.Sub(last.at) < reapplyAfter {
			return nil
		}
	}
	slice := &discoveryv1.EndpointSlice{}
	err := inside.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: usercluster.APIService}, slice)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && usercluster.LeadsTo(slice, address, port) {
		a.led.Store(key, now)
		return nil
	}
	if err == nil && len(slice.Endpoints) > 0 && endpoint.NeedsAgent() {
		if ready, err := agentIsReady(ctx, inside); err != nil || !ready {
			return err // the DaemonSet's events wake us
		}
	}
	owner := kube.Owner{FieldManager: hostedClusterController, Label: usercluster.OwnerLabel, Value: usercluster.OwnerValue}
	if err := (&kube.Applier{Client: inside}).Apply(ctx, owner, usercluster.APIEndpoints(address, port)); err != nil {
		return err
	}
	a.led.Store(key, now)
	return nil
}

func agentIsReady(ctx context.Context, inside client.Client) (bool, error) {
	set := &appsv1.DaemonSet{}
	err := inside.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: usercluster.GatewayAgent}, set)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	s := set.Status
	return s.ObservedGeneration == set.Generation && s.UpdatedNumberScheduled == s.DesiredNumberScheduled && s.NumberReady == s.DesiredNumberScheduled, nil
}
