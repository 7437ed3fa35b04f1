// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Machine is one of a cluster's machines, as its seed knows it.
type Machine struct {
	Name      string    `json:"name"`
	NodePool  string    `json:"nodePool,omitempty" doc:"The pool that it is of."`
	Phase     string    `json:"phase,omitempty" doc:"How far it is, for example Provisioning, Running or Deleting."`
	Ready     bool      `json:"ready" doc:"Whether its node is ready."`
	Message   string    `json:"message,omitempty" doc:"What it waits for."`
	Version   string    `json:"version,omitempty" doc:"The version of kubelet that it is to have."`
	Node      string    `json:"node,omitempty" doc:"The name of its node, once that has joined."`
	Addresses []string  `json:"addresses,omitempty"`
	Created   time.Time `json:"created"`
	Deleting  bool      `json:"deleting,omitempty" doc:"Whether it is about to go."`
}

// Node is a node of a cluster.
type Node struct {
	Name             string   `json:"name"`
	NodePool         string   `json:"nodePool,omitempty"`
	Machine          string   `json:"machine" doc:"The machine that it is."`
	Ready            bool     `json:"ready"`
	Message          string   `json:"message,omitempty"`
	KubeletVersion   string   `json:"kubeletVersion,omitempty"`
	OSImage          string   `json:"osImage,omitempty"`
	KernelVersion    string   `json:"kernelVersion,omitempty"`
	ContainerRuntime string   `json:"containerRuntime,omitempty"`
	Architecture     string   `json:"architecture,omitempty"`
	Addresses        []string `json:"addresses,omitempty"`
}

type machinesOutput struct{ Body List[Machine] }

type nodesOutput struct{ Body List[Node] }

// serveMachines registers what is read from seeds. A seed that does not answer makes a list shorter, and no error.
func serveMachines(s *Server) {
	const cluster = "/projects/{project}/clusters/{cluster}"
	machines := operation(http.MethodGet, cluster+"/machines", "listMachines", "List the machines of a cluster")
	huma.Register(s.api, machines, func(ctx context.Context, in *detailInput) (*machinesOutput, error) {
		items, partial, err := s.machines(ctx, in.Place)
		out := &machinesOutput{Body: List[Machine]{Items: []Machine{}, TotalSize: len(items), Partial: partial}}
		for i := range items {
			out.Body.Items = append(out.Body.Items, shownMachine(&items[i]))
		}
		return out, fail(ctx, err)
	})
	nodes := operation(http.MethodGet, cluster+"/nodes", "listNodes", "List the nodes of a cluster")
	huma.Register(s.api, nodes, func(ctx context.Context, in *detailInput) (*nodesOutput, error) {
		items, partial, err := s.machines(ctx, in.Place)
		out := &nodesOutput{Body: List[Node]{Items: []Node{}, Partial: partial}}
		for i := range items {
			if items[i].Status.NodeRef.Name != "" {
				out.Body.Items = append(out.Body.Items, shownNode(&items[i]))
			}
		}
		out.Body.TotalSize = len(out.Body.Items)
		return out, fail(ctx, err)
	})
}

// machines reads the machines of a cluster from its seed, sorted by pool and name.
func (s *Server) machines(ctx context.Context, at place) ([]clusterv1.Machine, []Partial, error) {
	cluster, err := s.cluster(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	if cluster.Status.ID == "" {
		return nil, nil, nil // it has no place yet, and so no machines
	}
	ctx, cancel := context.WithTimeout(ctx, seedPatience)
	defer cancel()
	list := &clusterv1.MachineList{}
	seed, err := s.seeds.client(ctx, s, cluster.Status.Seed)
	if err == nil {
		err = seed.machines.List(ctx, list, client.InNamespace(hostingv1alpha1.NamespacePrefix+cluster.Status.ID))
	}
	if err != nil {
		logger(ctx).Error(err, "A seed could not be asked", "seed", cluster.Status.Seed)
		return nil, []Partial{{Seed: cluster.Status.Seed, Reason: seedReason(err, "list machines")}}, nil
	}
	slices.SortFunc(list.Items, func(a, b clusterv1.Machine) int {
		return cmp.Or(cmp.Compare(poolOf(&a), poolOf(&b)), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, nil, nil
}

func poolOf(m *clusterv1.Machine) string { return m.Labels[clusterv1.MachineDeploymentNameLabel] }

func shownMachine(m *clusterv1.Machine) Machine {
	ready, message := machineReady(m)
	return Machine{
		Name: m.Name, NodePool: poolOf(m), Phase: m.Status.Phase, Ready: ready, Message: message, Version: m.Spec.Version,
		Node: m.Status.NodeRef.Name, Addresses: addressesOf(m), Created: m.CreationTimestamp.UTC(), Deleting: !m.DeletionTimestamp.IsZero(),
	}
}

func shownNode(m *clusterv1.Machine) Node {
	ready, message := machineReady(m)
	node := Node{Name: m.Status.NodeRef.Name, NodePool: poolOf(m), Machine: m.Name, Ready: ready, Message: message, Addresses: addressesOf(m)}
	if info := m.Status.NodeInfo; info != nil {
		node.KubeletVersion, node.OSImage, node.KernelVersion = info.KubeletVersion, info.OSImage, info.KernelVersion
		node.ContainerRuntime, node.Architecture = info.ContainerRuntimeVersion, info.Architecture
	}
	return node
}

func machineReady(m *clusterv1.Machine) (bool, string) {
	condition := meta.FindStatusCondition(m.Status.Conditions, clusterv1.MachineNodeReadyCondition)
	if condition == nil {
		return false, "no controller has looked at it yet"
	}
	if condition.Status == metav1.ConditionTrue {
		return true, ""
	}
	return false, condition.Message
}

func addressesOf(m *clusterv1.Machine) []string {
	var addresses []string
	for _, address := range m.Status.Addresses {
		addresses = append(addresses, address.Address)
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}
