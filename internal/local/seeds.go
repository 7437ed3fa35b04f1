// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
)

// SeedsProject has the clusters that are dedicated seeds of the platform.
const SeedsProject = "seeds"

// Networks of the clusters that are seeds. They differ from the default ones, which the clusters on these seeds get.
const (
	seedPodCIDR     = "172.26.0.0/16"
	seedServiceCIDR = "10.241.0.0/20"
)

// seedGatewayPort is where the gateway of such a seed listens, on its nodes and at the load balancer that leads there.
const seedGatewayPort = 30043

// SeedName is that of the nth dedicated seed, of its cluster, and of its datacenter.
func SeedName(n int) string { return fmt.Sprintf("local-%d", n) }

// seedCluster is the user cluster that becomes a seed, with a node. Its Secrets are encrypted, as those of the platform are.
// Everything that is said to it comes through the load balancer, and nothing watches it but the platform's own seed.
func seedCluster(name string) []client.Object {
	meta := metav1.ObjectMeta{Name: name, Namespace: v1alpha1.ProjectNamespacePrefix + SeedsProject}
	cluster := &v1alpha1.Cluster{ObjectMeta: meta, Spec: v1alpha1.ClusterSpec{Datacenter: ownSeed, Version: images.DefaultKubernetesVersion()}}
	cluster.Spec.Network.PodCIDR, cluster.Spec.Network.ServiceCIDR = seedPodCIDR, seedServiceCIDR
	cluster.Spec.Monitoring.Enabled = new(false)
	cluster.Spec.Encryption.Enabled = true // it has keys of clusters and credentials of presets
	return []client.Object{cluster, seedNodes(meta, name)}
}

func seedNodes(meta metav1.ObjectMeta, cluster string) *v1alpha1.NodePool {
	meta.Name = cluster + "-workers"
	return &v1alpha1.NodePool{ObjectMeta: meta, Spec: v1alpha1.NodePoolSpec{Cluster: cluster, MachinePool: v1alpha1.MachinePool{
		Replicas: new(int32(1)), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}},
	}}}
}

// MakeSeedCluster makes the cluster that becomes a seed, and returns when it is ready.
func MakeSeedCluster(ctx context.Context, name string) error {
	project := &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Name: SeedsProject},
		Spec: v1alpha1.ProjectSpec{
			DisplayName: "Dedicated seeds",
			Members:     []v1alpha1.Member{{Name: "kubernetes-admin", Role: v1alpha1.RoleOwner}},
		},
	}
	return applyAndAwait(ctx, []client.Object{project}, seedCluster(name))
}

// MakeSeedDatacenter makes the datacenter of a dedicated seed, and a cluster with a node there, and returns when it is ready.
func MakeSeedDatacenter(ctx context.Context, seed, cluster string) error {
	datacenter := &v1alpha1.Datacenter{
		ObjectMeta: metav1.ObjectMeta{Name: seed},
		Spec: v1alpha1.DatacenterSpec{
			Seed: seed, Location: "the cluster " + seed, Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}},
		},
	}
	meta := metav1.ObjectMeta{Name: cluster, Namespace: v1alpha1.ProjectNamespacePrefix + SeedsProject}
	first := &v1alpha1.Cluster{ObjectMeta: meta, Spec: v1alpha1.ClusterSpec{Datacenter: seed, Version: images.DefaultKubernetesVersion()}}
	first.Spec.Monitoring.Enabled = new(false)
	return applyAndAwait(ctx, []client.Object{datacenter}, []client.Object{first, seedNodes(meta, cluster)})
}

// applyAndAwait applies the sets of objects, each when all of the one before are ready.
func applyAndAwait(ctx context.Context, sets ...[]client.Object) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	owner := kube.Owner{FieldManager: "canopy-local", Label: ownerLabel, Value: "seeds"}
	for _, objs := range sets {
		if err := (&kube.Applier{Client: c}).Apply(ctx, owner, objs); err != nil {
			return err
		}
		for _, obj := range objs {
			conditioned, ok := obj.(kube.Conditioned)
			if !ok {
				continue
			}
			if err := awaitReady(ctx, c, conditioned); err != nil {
				return err
			}
		}
	}
	return nil
}

// seedGateway leads from outside to the nodes of a cluster that is a seed, which nobody else reaches.
func seedGateway(namespace string) (*corev1.Service, *networkingv1.NetworkPolicy) {
	port := intstr.FromInt32(seedGatewayPort)
	machines := map[string]string{hostingv1alpha1.LabelComponent: hostingv1alpha1.ComponentMachine}
	meta := metav1.ObjectMeta{Name: "seed-gateway", Namespace: namespace}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, Selector: machines,
		Ports: []corev1.ServicePort{{Name: "gateway", Port: seedGatewayPort, TargetPort: port}},
	}}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: machines},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: &port}}}},
	}}
	return service, policy
}

// OpenSeedGateway gives the nodes of the cluster in the namespace an address at which the seed's gateway is reached, and
// returns it.
func OpenSeedGateway(ctx context.Context, namespace string) (address string, err error) {
	c, err := newClient()
	if err != nil {
		return "", err
	}
	service, policy := seedGateway(namespace)
	if err := applyAndAwait(ctx, []client.Object{service, policy}); err != nil {
		return "", err
	}
	err = await(ctx, "the address of the gateway", func(ctx context.Context) string {
		if err := c.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err.Error()
		}
		if balancers := service.Status.LoadBalancer.Ingress; len(balancers) > 0 {
			address = balancers[0].IP
			return ""
		}
		return "the load balancer has not given it one yet"
	})
	return address, err
}

// SeedSpec is what the master is told of a dedicated seed whose gateway is at the address. Images come from the platform's
// registry, which every node reaches.
func SeedSpec(name, address string) (v1alpha1.SeedSpec, error) {
	settings, err := settle(DefaultSettings(), false)
	if err != nil {
		return v1alpha1.SeedSpec{}, err
	}
	return seedSpec(settings, name, address), nil
}

func seedSpec(settings Settings, name, address string) v1alpha1.SeedSpec {
	reserved := []string{seedPodCIDR, seedServiceCIDR}
	for _, n := range settings.networks() {
		reserved = append(reserved, n.prefix.String())
	}
	return v1alpha1.SeedSpec{
		Location:       "a user cluster of this platform",
		Install:        v1alpha1.InstallManaged,
		ReservedCIDRs:  reserved,
		RegistryMirror: settings.RegistryURL(),
		Gateway: &v1alpha1.SeedGateway{
			Domain: name + "." + gatewayDomain, Address: address, ServiceType: corev1.ServiceTypeNodePort, NodePort: seedGatewayPort, Replicas: 1,
		},
		Monitoring: v1alpha1.SeedMonitoring{Disabled: true},
		Defaults:   v1alpha1.ClusterDefaults{ExposeStrategy: hostingv1alpha1.ExposeGateway},
	}
}
