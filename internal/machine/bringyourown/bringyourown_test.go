// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package bringyourown

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

func node(name string, addresses ...string) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, address := range addresses {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
	}
	return n
}

func TestInstanceOf(t *testing.T) {
	at := func(addresses ...string) (all []clusterv1.MachineAddress) {
		for _, address := range addresses {
			all = append(all, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: address})
		}
		return all
	}
	for name, tc := range map[string]struct {
		joined bool
		nodes  []corev1.Node
		want   machine.Instance
	}{
		"nobody has joined":      {nodes: []corev1.Node{node("other", "192.0.2.7")}, want: machine.Instance{Reason: "WaitingForJoin"}},
		"its node was deleted":   {joined: true, want: machine.Instance{Reason: "NodeGone"}},
		"it has joined":          {nodes: []corev1.Node{node("m", "192.0.2.8")}, want: machine.Instance{Running: true, Addresses: at("192.0.2.8")}},
		"it has no address yet":  {nodes: []corev1.Node{node("m")}, want: machine.Instance{Running: true}},
		"it claims another's":    {nodes: []corev1.Node{node("m", "192.0.2.7", "192.0.2.8"), node("other", "192.0.2.7")}, want: machine.Instance{Running: true, Addresses: at("192.0.2.8")}},
		"it claims another name": {nodes: []corev1.Node{node("m", "other"), node("other")}, want: machine.Instance{Running: true}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.ProviderMachine{ObjectMeta: metav1.ObjectMeta{Namespace: "cluster-demo", Name: "m", UID: "1"}}
			m.Status.Initialization.Provisioned = tc.joined
			got := instanceOf(m, tc.nodes)
			if (got.Message == "") != got.Running {
				t.Errorf("it says %q", got.Message)
			}
			got.Message = ""
			tc.want.ID, tc.want.MachineUID, tc.want.ProviderID = "m", "1", "canopy-own://cluster-demo/m"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
