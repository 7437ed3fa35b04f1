// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package local is the provider whose machines are privileged pods on the seed. It runs inside the seed's manager, reads
// and writes pods in the clusters' namespaces, and needs no account anywhere. The pod boots a whole Debian with systemd
// and cloud-init, so a machine is made a node by the same user data as one of a cloud (images/node).
package local

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// Provider makes machines of pods. A pod has the name of its ProviderMachine, which owns it; one that belongs to an older
// ProviderMachine of the same name is not the machine's.
type Provider struct {
	// Client writes pods, and reads them from a cache that may lag behind.
	Client client.Client
}

var _ machine.Provider = Provider{}

// Ensure creates the pod.
func (p Provider) Ensure(ctx context.Context, m *v1alpha1.ProviderMachine, order machine.Order) (machine.Instance, error) {
	instance, err := p.Observe(ctx, m, false)
	if !errors.Is(err, machine.ErrNotFound) {
		return instance, err
	}
	image, err := images.Kubernetes("node", order.Version)
	if err != nil {
		return machine.Instance{}, &machine.RefusedError{Reason: v1alpha1.ReasonUnsupportedVersion, Message: err.Error()}
	}
	wanted := pod(m, image, order.UserDataSecret)
	switch err := kube.Create(ctx, p.Client, m, wanted); {
	case apierrors.IsAlreadyExists(err):
		return machine.Instance{}, fmt.Errorf("there is a pod %s already: waiting for it to be seen or to go", client.ObjectKeyFromObject(wanted))
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return machine.Instance{}, &machine.RefusedError{Reason: "PodRefused", Message: err.Error()}
	case err != nil:
		return machine.Instance{}, err
	}
	return instanceOf(wanted), nil
}

// Observe returns the pod as it is.
func (p Provider) Observe(ctx context.Context, m *v1alpha1.ProviderMachine, _ bool) (machine.Instance, error) {
	pod, err := p.pod(ctx, m)
	if err != nil {
		return machine.Instance{}, err
	}
	return instanceOf(pod), nil
}

// Delete deletes the pod. What still runs on the machine was left there when it was drained, or goes with its cluster, and
// has no time to end.
func (p Provider) Delete(ctx context.Context, m *v1alpha1.ProviderMachine) (bool, error) {
	pod, err := p.pod(ctx, m)
	if errors.Is(err, machine.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if !pod.DeletionTimestamp.IsZero() {
		return false, nil
	}
	return false, kube.Delete(ctx, p.Client, pod, client.GracePeriodSeconds(1))
}

func (p Provider) pod(ctx context.Context, m *v1alpha1.ProviderMachine) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(m), pod)
	if apierrors.IsNotFound(err) {
		return nil, machine.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading the pod of machine %s: %w", client.ObjectKeyFromObject(m), err)
	}
	for _, owner := range pod.OwnerReferences {
		if owner.UID == m.UID {
			return pod, nil
		}
	}
	return nil, machine.ErrNotFound
}

// instanceOf says how the machine is from what its pod's status says.
func instanceOf(pod *corev1.Pod) machine.Instance {
	instance := machine.Instance{ProviderID: machine.LocalProviderID(pod.Namespace, pod.Name)}
	for _, ip := range pod.Status.PodIPs {
		instance.Addresses = append(instance.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: ip.IP})
	}
	if len(instance.Addresses) > 0 {
		instance.Addresses = append(instance.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineHostName, Address: pod.Name})
	}
	// Its container is always started again, so a pod that has ended was evicted or lost its node for good.
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		instance.Failed = true
		instance.Reason, instance.Message = "PodFailed", fmt.Sprintf("pod %s has ended: %s %s", pod.Name, pod.Status.Reason, pod.Status.Message)
		return instance
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running != nil && len(instance.Addresses) > 0 {
			instance.Running = true
			return instance
		}
	}
	instance.Reason, instance.Message = waitsFor(pod)
	return instance
}

// waitsFor says why the pod's container does not run.
func waitsFor(pod *corev1.Pod) (reason, message string) {
	for _, c := range pod.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Message != "" {
			return w.Reason, fmt.Sprintf("pod %s: %s", pod.Name, w.Message)
		}
		if t := c.State.Terminated; t != nil {
			return "Stopped", fmt.Sprintf("pod %s has stopped (%s, exit code %d) and will be started again", pod.Name, t.Reason, t.ExitCode)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason != "" {
			return c.Reason, fmt.Sprintf("pod %s: %s", pod.Name, c.Message)
		}
	}
	return "Starting", fmt.Sprintf("pod %s is being started", pod.Name)
}
