// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()

func providerMachine(name string) *v1alpha1.ProviderMachine {
	return &v1alpha1.ProviderMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: "0d6cbd6c-6d0e-4b2c-9f0a-2f6d3c1f7a11",
			Labels: map[string]string{v1alpha1.LabelCluster: "demo", v1alpha1.LabelPool: "workers"},
		},
		Spec: v1alpha1.ProviderMachineSpec{Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}},
		}}},
	}
}

func TestPod(t *testing.T) {
	golden.Check(t, "pod.yaml", golden.YAML(t, scheme, []client.Object{
		pod(providerMachine("workers-abcde-fghij"), "registry.canopy.dev/node:v1.37.2", "workers-abcde-fghij"),
	}))
}

func TestAMachineWithoutRequestsGetsThoseOfAnIdleNode(t *testing.T) {
	m := providerMachine("m")
	m.Spec.Provider.Local.Resources = corev1.ResourceRequirements{}
	got := pod(m, "image", "user-data").Spec.Containers[0].Resources
	if got.Requests.Cpu().IsZero() || got.Requests.Memory().IsZero() || len(got.Limits) > 0 {
		t.Errorf("resources = %+v", got)
	}
}

func TestInstanceOf(t *testing.T) {
	addresses := []clusterv1.MachineAddress{
		{Type: clusterv1.MachineInternalIP, Address: "10.0.0.7"}, {Type: clusterv1.MachineHostName, Address: "m"},
	}
	ips := []corev1.PodIP{{IP: "10.0.0.7"}}
	container := func(state corev1.ContainerState) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: Component, State: state}}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   machine.Instance
	}{
		"a pod that was just made is being started": {
			corev1.PodStatus{Phase: corev1.PodPending},
			machine.Instance{Reason: "Starting", Message: "pod m is being started"},
		},
		"a pod that no node has room for": {
			corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient memory.",
			}}},
			machine.Instance{Reason: "Unschedulable", Message: "pod m: 0/1 nodes are available: 1 Insufficient memory."},
		},
		"an image that is missing": {
			corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: container(corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"},
			})},
			machine.Instance{Reason: "ErrImagePull", Message: "pod m: not found"},
		},
		"a container that runs": {
			corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: ips, ContainerStatuses: container(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})},
			machine.Instance{Running: true, Addresses: addresses},
		},
		"a container that runs at an address that is not known yet": {
			corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: container(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})},
			machine.Instance{Reason: "Starting", Message: "pod m is being started"},
		},
		"a machine that reboots": {
			corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: ips, ContainerStatuses: container(corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"},
			})},
			machine.Instance{Addresses: addresses, Reason: "Stopped", Message: "pod m has stopped (Completed, exit code 0) and will be started again"},
		},
		"a pod that was evicted": {
			corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."},
			machine.Instance{Failed: true, Reason: "PodFailed", Message: "pod m has ended: Evicted The node was low on resource: memory."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.ProviderID = "canopy-local://default/m"
			got := instanceOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "m"}, Status: c.status})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("instance (-want +got):\n%s", diff)
			}
		})
	}
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.New(&config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t *testing.T, c client.Client, m *v1alpha1.ProviderMachine) *v1alpha1.ProviderMachine {
	t.Helper()
	m.UID = ""
	if err := c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

var order = machine.Order{Version: "1.37.2", UserDataSecret: "user-data"}

func TestAMachineIsMadeOnceAndDeletedTwice(t *testing.T) {
	c := newClient(t)
	p, m := Provider{Client: c}, create(t, c, providerMachine("once"))
	if _, err := p.Observe(t.Context(), m, false); !errors.Is(err, machine.ErrNotFound) {
		t.Fatalf("before it is made, Observe() = %v", err)
	}
	for range 2 {
		instance, err := p.Ensure(t.Context(), m, order)
		if err != nil || instance.Running || instance.ProviderID != "canopy-local://default/once" {
			t.Fatalf("Ensure() = %+v, %v", instance, err)
		}
	}
	if gone, err := p.Delete(t.Context(), m); gone || err != nil {
		t.Fatalf("the first Delete() = %v, %v", gone, err)
	}
	if gone, err := p.Delete(t.Context(), m); !gone || err != nil {
		t.Fatalf("the second Delete() = %v, %v", gone, err)
	}
}

func TestThePodOfAnotherMachineOfTheSameNameIsLeftAlone(t *testing.T) {
	c := newClient(t)
	p, m := Provider{Client: c}, create(t, c, providerMachine("twice"))
	if _, err := p.Ensure(t.Context(), m, order); err != nil {
		t.Fatal(err)
	}
	other := m.DeepCopy()
	other.UID = "another"
	if _, err := p.Ensure(t.Context(), other, order); err == nil || errors.Is(err, machine.ErrNotFound) {
		t.Errorf("Ensure() = %v, want an error while the other's pod exists", err)
	}
	if gone, err := p.Delete(t.Context(), other); !gone || err != nil {
		t.Errorf("Delete() = %v, %v", gone, err)
	}
	if _, err := p.Observe(t.Context(), m, false); err != nil {
		t.Errorf("the other's pod is gone: %v", err)
	}
}

func TestAVersionWithoutImagesIsRefused(t *testing.T) {
	c := newClient(t)
	m := create(t, c, providerMachine("ancient"))
	_, err := Provider{Client: c}.Ensure(t.Context(), m, machine.Order{Version: "1.2.3", UserDataSecret: "user-data"})
	var refused *machine.RefusedError
	if !errors.As(err, &refused) || refused.Reason != v1alpha1.ReasonUnsupportedVersion {
		t.Errorf("Ensure() = %v", err)
	}
}
