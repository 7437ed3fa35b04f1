// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

const (
	// capacityPeriod is how often a seed's pods are counted: on a large seed that is some ten megabytes.
	capacityPeriod = 2 * time.Minute
	// podsAtOnce bounds how many pods one answer has.
	podsAtOnce = 500
)

// checkHealth fails when something that the master has installed does not run, or etcd's volumes have no storage class.
func (to *remote) checkHealth(ctx context.Context, seed *v1alpha1.Seed) error {
	names := []string{seedManagerName}
	if seed.Spec.Gateway != nil && seed.IsManaged() {
		names = append(names, gatewayName)
	}
	for _, name := range names {
		deployment, err := to.api.AppsV1().Deployments(v1alpha1.SystemNamespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			if seed.IsManaged() {
				return kube.Wait(v1alpha1.ReasonWaitingForPods, name+" is not there: it is being installed again", 0)
			}
			continue // who has installed it knows where
		}
		if err != nil {
			return to.unreachable("how "+name+" is", err)
		}
		pods, err := to.api.CoreV1().Pods(v1alpha1.SystemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + name})
		if err != nil {
			return to.unreachable("how the pods of "+name+" are", err)
		}
		if why := unavailable(deployment, pods.Items); why != "" {
			return kube.Wait(v1alpha1.ReasonWaitingForPods, name+": "+why, 0)
		}
	}
	return to.checkStorage(ctx, seed)
}

func (to *remote) unreachable(what string, err error) error {
	return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say %s: %s", to.config.Host, what, cause(err)))
}

func (to *remote) checkStorage(ctx context.Context, seed *v1alpha1.Seed) error {
	if seed.Spec.Defaults.EtcdStorageClassName != "" {
		return nil
	}
	classes, err := to.api.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return to.unreachable("its storage classes", err)
	}
	if kube.DefaultStorageClass(classes.Items) != "" {
		return nil
	}
	return kube.Wait(v1alpha1.ReasonNoDefaultStorageClass, "it has no default StorageClass, and etcd's volumes get none: make one the default there, or name one in spec.defaults.etcdStorageClassName", 0)
}

// unavailable says why a Deployment has not all of its pods; empty: it has.
func unavailable(d *appsv1.Deployment, pods []corev1.Pod) string {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	if d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas >= want && d.Status.AvailableReplicas >= want {
		return ""
	}
	slices.SortFunc(pods, func(x, y corev1.Pod) int { return y.CreationTimestamp.Compare(x.CreationTimestamp.Time) })
	for i := range pods { // the newest first
		if why := waitsFor(&pods[i]); why != "" {
			return why
		}
	}
	if d.Status.ObservedGeneration < d.Generation {
		return "its new version is about to start"
	}
	return fmt.Sprintf("%d of %d pods of its version are available", min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas), want)
}

// waitsFor says why a pod does not run, as far as Kubernetes says it. It names no pod, so that the message stays when a pod
// is replaced.
func waitsFor(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "no node takes its pod: " + condition.Message
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" {
			return fmt.Sprintf("its container %s waits: %s: %s", status.Name, waiting.Reason, waiting.Message)
		}
		if ended := status.LastTerminationState.Terminated; ended != nil && !status.Ready {
			return fmt.Sprintf("its container %s ended with code %d (%s) and was started again", status.Name, ended.ExitCode, ended.Reason)
		}
	}
	return ""
}

// countCapacity counts what the seed has and what is asked of it, now and then.
func (r *SeedReconciler) countCapacity(ctx context.Context, seed *v1alpha1.Seed, to *remote) error {
	now := r.Clock.Now()
	if last := seed.Status.Capacity; last != nil && now.Sub(last.Time.Time) < capacityPeriod {
		return nil
	}
	nodes, err := to.api.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return to.unreachable("its nodes", err)
	}
	counted := newCapacity(nodes.Items)
	options := metav1.ListOptions{Limit: podsAtOnce, FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"}
	for {
		pods, err := to.api.CoreV1().Pods("").List(ctx, options)
		if err != nil {
			return to.unreachable("its pods", err)
		}
		addPods(counted, pods.Items)
		if options.Continue = pods.Continue; options.Continue == "" {
			break
		}
	}
	counted.Time = metav1.Time{Time: now}
	seed.Status.Capacity = counted
	return nil
}

// newCapacity adds up the nodes that are ready and take pods.
func newCapacity(nodes []corev1.Node) *v1alpha1.SeedCapacity {
	counted := &v1alpha1.SeedCapacity{}
	for i := range nodes {
		node := &nodes[i]
		if node.Spec.Unschedulable || !isReadyNode(node) {
			continue
		}
		counted.Nodes++
		counted.CPU.Allocatable.Add(*node.Status.Allocatable.Cpu())
		counted.Memory.Allocatable.Add(*node.Status.Allocatable.Memory())
		counted.Pods.Allocatable.Add(*node.Status.Allocatable.Pods())
	}
	return counted
}

func isReadyNode(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// addPods adds what pods ask for that run on a node, as the scheduler does, but for init containers, which are over.
func addPods(counted *v1alpha1.SeedCapacity, pods []corev1.Pod) {
	for i := range pods {
		if pods[i].Spec.NodeName == "" {
			continue
		}
		counted.Pods.Requested.Add(*resource.NewQuantity(1, resource.DecimalSI))
		for _, container := range pods[i].Spec.Containers {
			counted.CPU.Requested.Add(*container.Resources.Requests.Cpu())
			counted.Memory.Requested.Add(*container.Resources.Requests.Memory())
		}
		counted.CPU.Requested.Add(*pods[i].Spec.Overhead.Cpu())
		counted.Memory.Requested.Add(*pods[i].Spec.Overhead.Memory())
	}
}
