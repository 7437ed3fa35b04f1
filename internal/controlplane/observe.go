// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/openvpn"
)

// Live is what was read of a control plane.
type Live struct {
	// Set and Pod are nil where there is none yet.
	Set *appsv1.StatefulSet
	Pod *corev1.Pod
	// Companions are the newest pods of what stands beside the control plane, by component.
	Companions map[string]*corev1.Pod
	// Health is the answer of each component that was asked, nil if it is well. Components that were not asked are absent.
	Health map[string]error
}

// Components returns the health of each component of the control plane and of what stands beside it.
func Components(cluster *v1alpha1.HostedCluster, live Live) []v1alpha1.ComponentStatus {
	statuses := []v1alpha1.ComponentStatus{containerStatus(live.Pod, Etcd, Etcd)}
	if TunnelServer(cluster) == KonnectivityServer {
		statuses = append(statuses, containerStatus(live.Pod, KonnectivityServer, KonnectivityServer))
	} else {
		statuses = append(statuses, podStatus(live.Companions[openvpn.Server], openvpn.Server))
	}
	if name := CloudController(cluster); name != "" {
		statuses = append(statuses, podStatus(live.Companions[name], name))
	}
	for _, name := range []string{APIServer, ControllerManager, Scheduler} {
		status := containerStatus(live.Pod, name, kubernetesContainer)
		// All three share a container, so its readiness is kube-apiserver's; each is also asked itself.
		if err, asked := live.Health[name]; asked && err != nil && (status.Ready || status.Reason == reasonStarting) {
			status = v1alpha1.ComponentStatus{Name: name, Reason: reasonStarting, Message: "its health check says: " + err.Error()}
		} else if asked && err == nil {
			status = v1alpha1.ComponentStatus{Name: name, Ready: true, Reason: reasonRunning}
		}
		statuses = append(statuses, status)
	}
	if cluster.Autoscaled() {
		statuses = append(statuses, podStatus(live.Companions[ClusterAutoscaler], ClusterAutoscaler))
	}
	return statuses
}

// Reasons of a component's status.
const (
	reasonRunning  = "Running"
	reasonStarting = "Starting"
	reasonWaiting  = "Waiting"
)

// podStatus is the status of a component that has a pod of its own: that of the first container that is not well.
func podStatus(pod *corev1.Pod, name string) v1alpha1.ComponentStatus {
	status := containerStatus(pod, name, "")
	if pod == nil {
		return status
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if status = containerStatus(pod, name, c.Name); !status.Ready {
			break
		}
	}
	return status
}

func containerStatus(pod *corev1.Pod, name, container string) v1alpha1.ComponentStatus {
	status := v1alpha1.ComponentStatus{Name: name, Reason: reasonWaiting}
	if pod == nil {
		status.Message = "its pod does not exist yet"
		return status
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			status.Reason, status.Message = c.Reason, "its pod cannot be placed on a node of the seed: "+c.Message
			return status
		}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c.Name != container {
			continue
		}
		switch {
		case c.Ready:
			status.Ready, status.Reason = true, reasonRunning
		case c.State.Running != nil:
			status.Reason, status.Message = reasonStarting, "its container runs and is not ready yet"
		case c.State.Waiting != nil:
			status.Reason, status.Message = explainWaiting(c)
		case c.State.Terminated != nil:
			status.Reason, status.Message = c.State.Terminated.Reason, ended(c.State.Terminated)
		}
		return status
	}
	status.Message = "its container is not started yet"
	return status
}

func explainWaiting(c corev1.ContainerStatus) (reason, message string) {
	waiting := c.State.Waiting
	switch waiting.Reason {
	case "ContainerCreating", "PodInitializing", "":
		return reasonWaiting, "its container is being created: the volumes and the image are made ready"
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName":
		check := "check that the seed's registry has it (canopy images push)"
		if images.FromUpstream(c.Image) {
			check = "Canopy does not build it: check that the seed reaches the registry, or copy the image into its mirror"
		}
		return "ImageUnavailable", fmt.Sprintf("image %s cannot be pulled; %s. %s", c.Image, check, firstLine(waiting.Message))
	case "CrashLoopBackOff":
		message := fmt.Sprintf("it has ended %d times", c.RestartCount)
		if last := c.LastTerminationState.Terminated; last != nil {
			message += "; the last time, " + ended(last)
		}
		return waiting.Reason, message
	default:
		return waiting.Reason, firstLine(waiting.Message)
	}
}

func ended(t *corev1.ContainerStateTerminated) string {
	message := fmt.Sprintf("it ended with exit code %d (%s)", t.ExitCode, t.Reason)
	if t.Message != "" {
		message += ": " + firstLine(t.Message)
	}
	return message
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// RolledOut reports whether the pods run what the spec wants, and if not, what is waited for.
func RolledOut(live Live) (done bool, waitsFor string) {
	set := live.Set
	switch {
	case set == nil || set.Status.ObservedGeneration < set.Generation:
		return false, "the change has not been seen by the StatefulSet controller yet"
	case set.Status.UpdatedReplicas < *set.Spec.Replicas || set.Status.CurrentRevision != set.Status.UpdateRevision:
		return false, "the control plane's pod is being replaced"
	default:
		return true, ""
	}
}

// Stuck reports whether the pod is of an older revision and not ready: the StatefulSet controller waits for it to become
// ready before it replaces it, which may never happen. Such a pod is to be deleted.
func Stuck(live Live) bool {
	if live.Set == nil || live.Pod == nil || !live.Pod.DeletionTimestamp.IsZero() || live.Set.Status.ObservedGeneration < live.Set.Generation {
		return false
	}
	revision := live.Pod.Labels[appsv1.ControllerRevisionHashLabelKey]
	return live.Set.Status.UpdateRevision != "" && revision != live.Set.Status.UpdateRevision && !ready(live.Pod)
}

// Running reports whether the control plane's process runs, so that asking it may be worth it.
func Running(live Live) bool {
	if live.Pod == nil {
		return false
	}
	for _, c := range live.Pod.Status.ContainerStatuses {
		if c.Name == kubernetesContainer {
			return c.State.Running != nil
		}
	}
	return false
}

// Version returns the Kubernetes version that the pod runs, empty if there is no pod.
func Version(live Live) string {
	if live.Pod == nil {
		return ""
	}
	for _, c := range live.Pod.Spec.Containers {
		if c.Name == kubernetesContainer {
			_, version, _ := strings.Cut(c.Image, ":v")
			return version
		}
	}
	return ""
}

// HealthURLs returns where the components that have no probe of their own say how they are, by component.
func HealthURLs(pod *corev1.Pod) map[string]string {
	return map[string]string{
		ControllerManager: fmt.Sprintf("https://%s:%d/healthz", pod.Status.PodIP, controllerManagerPort),
		Scheduler:         fmt.Sprintf("https://%s:%d/healthz", pod.Status.PodIP, schedulerPort),
	}
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
