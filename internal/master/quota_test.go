// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// localPool returns a pool of a cluster that need not exist.
func localPool(project, name string, replicas int32) *v1alpha1.NodePool {
	return &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.ProjectNamespacePrefix + project},
		Spec: v1alpha1.NodePoolSpec{Cluster: "a", MachinePool: v1alpha1.MachinePool{
			Replicas: ptr.To(replicas), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}},
		}},
	}
}

// scaleTo scales a pool as kubectl scale does.
func scaleTo(t *testing.T, c client.Client, pool *v1alpha1.NodePool, replicas int, opts ...client.SubResourcePatchOption) error {
	t.Helper()
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: pool.Name, Namespace: pool.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: int32(replicas)}}
	return c.SubResource("scale").Patch(t.Context(), pool.DeepCopy(), client.Merge, append(opts, client.WithSubResourceBody(scale))...)
}
