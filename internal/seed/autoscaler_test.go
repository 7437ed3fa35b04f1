// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// autoscalerTest is a cluster with one pool, and somebody who is what cluster-autoscaler is on the seed.
type autoscalerTest struct {
	clusterTest
	autoscaler client.Client
}

func newAutoscalerTest(t *testing.T, name string, pool v1alpha1.NodePool) autoscalerTest {
	t.Helper()
	pool.Name, pool.Provider = "workers", v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}
	c := newClusterTest(t, name, func(s *v1alpha1.HostedClusterSpec) { s.NodePools = []v1alpha1.NodePool{pool} })
	c.step()
	c.answered()
	a := autoscalerTest{c, as(t, "system:serviceaccount:"+c.hc.Namespace+":"+controlplane.ClusterAutoscaler)}
	a.companions()
	return a
}

// companions applies what stands beside the control plane, which the seed does only when the API answers. Here it never does.
func (a autoscalerTest) companions() {
	a.Helper()
	owner := kube.Owner{FieldManager: hostedClusterController, Label: v1alpha1.LabelCluster, Value: a.hc.Name, Object: a.hc}
	in := controlplane.Input{Cluster: a.hc, OpenVPNImage: "openvpn", ClusterAutoscalerImage: "cluster-autoscaler"}
	if err := a.Applier.Apply(a.Context(), owner, controlplane.Companions(in)); err != nil {
		a.Fatal(err)
	}
	if a.hc.Autoscaled() {
		eventually(a.T, "for the API to know what the autoscaler may do", func(ctx context.Context) bool {
			return a.autoscaler.List(ctx, &clusterv1.MachineList{}, client.InNamespace(a.hc.Namespace)) == nil
		})
	}
}

func (a autoscalerTest) pool() *clusterv1.MachineDeployment {
	a.Helper()
	d := &clusterv1.MachineDeployment{}
	a.get(d, "workers")
	return d
}

// scale asks for another number of machines in the way of cluster-autoscaler.
func (a autoscalerTest) scale(replicas int) error {
	a.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas))
	return a.autoscaler.SubResource("scale").Patch(a.Context(), a.pool(), patch)
}

// wants checks how many machines the pool is to have after a step, and that cluster-autoscaler knows its range.
func (a autoscalerTest) wants(why string, replicas int32, rng string) {
	a.Helper()
	a.step()
	d := a.pool()
	known := ""
	if least, ok := d.Annotations[clusterv1.AutoscalerMinSizeAnnotation]; ok {
		known = least + "-" + d.Annotations[clusterv1.AutoscalerMaxSizeAnnotation]
	}
	if *d.Spec.Replicas != replicas || known != rng || a.hc.Status.NodePools[0].WantedReplicas != replicas {
		a.Errorf("%s: %d machines in the range %q, and the status says %d; want %d in %q", why, *d.Spec.Replicas, known, a.hc.Status.NodePools[0].WantedReplicas, replicas, rng)
	}
}

func (a autoscalerTest) between(least, most int32) {
	a.Helper()
	a.change(func(s *v1alpha1.HostedClusterSpec) {
		s.NodePools[0].Autoscaling = &v1alpha1.Autoscaling{MinReplicas: &least, MaxReplicas: most}
	})
	a.companions()
}

func TestAPoolIsScaledByTheAutoscaler(t *testing.T) {
	a := newAutoscalerTest(t, "scaled", v1alpha1.NodePool{
		Replicas: new(int32(2)), Autoscaling: &v1alpha1.Autoscaling{MinReplicas: new(int32(1)), MaxReplicas: 5},
	})
	a.wants("it begins with its replicas", 2, "1-5")
	if err := a.scale(4); err != nil {
		t.Fatal(err)
	}
	a.wants("the autoscaler's number stays", 4, "1-5")
	a.change(func(s *v1alpha1.HostedClusterSpec) { s.NodePools[0].Replicas = new(int32(3)) })
	a.wants("replicas are where it began", 4, "1-5")
	a.between(1, 3)
	a.wants("more than the range allows", 3, "1-3")
	if err := a.scale(0); err != nil {
		t.Fatal(err)
	}
	a.wants("less than the range allows", 1, "1-3")
	a.between(0, 3)
	if err := a.scale(0); err != nil {
		t.Fatal(err)
	}
	a.wants("a pool may be empty", 0, "0-3")

	a.change(func(s *v1alpha1.HostedClusterSpec) { s.NodePools[0].Autoscaling = nil })
	a.wants("without autoscaling, replicas are the number", 3, "")
	if err := a.scale(5); !apierrors.IsForbidden(err) {
		t.Errorf("which the autoscaler still changes: %v", err)
	}
	a.between(1, 9)
	a.wants("with autoscaling again, it goes on from there", 3, "1-9")
	a.wants("and stays there", 3, "1-9")
}

func TestTheAutoscalerIsNotOverwritten(t *testing.T) {
	a := newAutoscalerTest(t, "not-overwritten", v1alpha1.NodePool{Replicas: new(int32(7))})
	a.between(1, 5)
	stale := machine.Deployments{"workers": a.pool()}
	a.wants("more than the range allows", 5, "1-5")
	if err := a.scale(2); err != nil {
		t.Fatal(err)
	}
	if err := a.resize(t.Context(), a.hc, stale); !apierrors.IsConflict(err) {
		t.Errorf("a number of before is written: %v", err)
	}
	a.wants("the autoscaler's number stays", 2, "1-5")
}

func TestTheAutoscalerMayDoNothingElse(t *testing.T) {
	a := newAutoscalerTest(t, "rights", v1alpha1.NodePool{Autoscaling: &v1alpha1.Autoscaling{MinReplicas: new(int32(1)), MaxReplicas: 5}})
	other := newAutoscalerTest(t, "rights-other", v1alpha1.NodePool{})
	in := client.InNamespace(a.hc.Namespace)
	for _, list := range []client.ObjectList{
		&clusterv1.MachineDeploymentList{}, &clusterv1.MachineSetList{}, &clusterv1.MachineList{}, &v1alpha1.ProviderMachineTemplateList{},
	} {
		if err := a.autoscaler.List(t.Context(), list, in); err != nil {
			t.Error(err)
		}
	}
	for what, err := range map[string]error{
		"another cluster's machines":          a.autoscaler.List(t.Context(), &clusterv1.MachineList{}, client.InNamespace(other.hc.Namespace)),
		"Secrets":                             a.autoscaler.List(t.Context(), &corev1.SecretList{}, in),
		"the pool itself":                     a.autoscaler.Patch(t.Context(), a.pool(), client.RawPatch(types.MergePatchType, []byte(`{"spec": {"paused": true}}`))),
		"the deletion of a pool":              a.autoscaler.Delete(t.Context(), a.pool()),
		"the deletion of machines":            a.autoscaler.DeleteAllOf(t.Context(), &clusterv1.Machine{}, in),
		"a number of another cluster's pools": a.autoscaler.SubResource("scale").Patch(t.Context(), other.pool(), client.RawPatch(types.MergePatchType, []byte(`{"spec": {"replicas": 9}}`))),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheAutoscalerComesAndGoes(t *testing.T) {
	a := newAutoscalerTest(t, "comes-and-goes", v1alpha1.NodePool{Autoscaling: &v1alpha1.Autoscaling{MinReplicas: new(int32(1)), MaxReplicas: 5}})
	if ready := meta.FindStatusCondition(a.hc.Status.Conditions, v1alpha1.ConditionAutoscalerReady); ready == nil || ready.Message != "cluster-autoscaler: its pod does not exist yet" {
		t.Errorf("AutoscalerReady: %+v", ready)
	}
	pod := create(t, a.Client, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "autoscaler", Namespace: a.hc.Namespace, Labels: map[string]string{
			v1alpha1.LabelCluster: a.hc.Name, v1alpha1.LabelComponent: controlplane.ClusterAutoscaler,
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: controlplane.ClusterAutoscaler, Image: "registry.example.com/autoscaler:1"}}},
	})
	patchStatus(t, a.Client, pod, func() {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: controlplane.ClusterAutoscaler, Image: "registry.example.com/autoscaler:1",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}},
		}}
	})
	a.step()
	if ready := meta.FindStatusCondition(a.hc.Status.Conditions, v1alpha1.ConditionAutoscalerReady); ready.Status != metav1.ConditionFalse || ready.Reason != "ImageUnavailable" {
		t.Errorf("AutoscalerReady: %+v", ready)
	}
	if data := a.secret(controlplane.ClusterAutoscaler); len(data) != 4 {
		t.Errorf("its Secret has %d files", len(data))
	}

	a.change(func(s *v1alpha1.HostedClusterSpec) { s.NodePools[0].Autoscaling = nil })
	a.step()
	for _, obj := range []client.Object{&corev1.Secret{}, &corev1.ServiceAccount{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}} {
		if err := a.Get(t.Context(), client.ObjectKey{Namespace: a.hc.Namespace, Name: controlplane.ClusterAutoscaler}, obj); !apierrors.IsNotFound(err) {
			t.Errorf("there is still a %T: %v", obj, err)
		}
	}
	if meta.FindStatusCondition(a.hc.Status.Conditions, v1alpha1.ConditionAutoscalerReady) != nil ||
		slices.ContainsFunc(a.hc.Status.Components, func(c v1alpha1.ComponentStatus) bool { return c.Name == controlplane.ClusterAutoscaler }) {
		t.Errorf("the status still has it: %+v", a.hc.Status)
	}
}
