// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// podTimeout bounds the wait for pods whose images are in the local registry. Replacing all components of the control
// plane takes a minute.
const podTimeout = 4 * time.Minute

// Selectors of Kubernetes' own pods.
var (
	allPods          = client.MatchingLabels{}
	controlPlanePods = client.MatchingLabels{controlPlaneLabel: controlPlaneValue}
)

const controlPlaneLabel, controlPlaneValue = "tier", "control-plane"

// controlPlaneSize is how many pods kubeadm's control plane has, etcd among them.
const controlPlaneSize = 4

// awaitSystemPods waits until the API and the node are ready and so is every selected pod of Kubernetes itself. The status
// of pods that ran before since, in seconds since 1970, is of a sandbox that is gone, and does not count; nor do pods of
// the control plane that kubeadm made from another configuration than the one with the hash.
func awaitSystemPods(ctx context.Context, since int64, hash string, selected client.MatchingLabels) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	return await(ctx, "Kubernetes to be ready", func(ctx context.Context) string {
		if err := apiReady(ctx); err != nil {
			return "API: " + err.Error()
		}
		if node := nodePart(ctx, c); node.State != Healthy {
			return "node " + NodeName + ": " + node.Reason
		}
		var pods corev1.PodList
		if err := c.List(ctx, &pods, client.InNamespace(metav1.NamespaceSystem), selected); err != nil {
			return err.Error()
		}
		return incomplete(pods.Items, since, hash)
	})
}

// incomplete says what the pods of Kubernetes itself lack; empty: nothing.
func incomplete(pods []corev1.Pod, since int64, hash string) string {
	members := 0
	for i := range pods {
		pod := &pods[i]
		if pod.Labels[controlPlaneLabel] == controlPlaneValue {
			members++
			if pod.Annotations[configAnnotation] != hash {
				return "pod " + pod.Name + " has an older configuration"
			}
		}
		if why := notReady(pod, since); why != "" {
			return "pod " + pod.Name + " " + why
		}
	}
	if members < controlPlaneSize {
		return fmt.Sprintf("kubelet has reported %d of %d pods of the control plane", members, controlPlaneSize)
	}
	return ""
}

// awaitFreshPods waits until kubelet has reported every pod anew in the sandbox that was started at since. Before, all
// that is said about pods, and about clusters that are made of them, may be of a sandbox that is gone.
func awaitFreshPods(ctx context.Context, c client.Client, since int64) error {
	return await(ctx, "pods to be started again", func(ctx context.Context) string {
		var pods corev1.PodList
		if err := c.List(ctx, &pods); err != nil {
			return err.Error()
		}
		for i := range pods.Items {
			for _, status := range pods.Items[i].Status.ContainerStatuses {
				if running := status.State.Running; running != nil && running.StartedAt.Unix() < since {
					return "pod " + client.ObjectKeyFromObject(&pods.Items[i]).String() + " has not been started again yet"
				}
			}
		}
		return ""
	})
}

// notReady says what a pod lacks to be ready in the sandbox that was started at since; empty: nothing.
func notReady(pod *corev1.Pod, since int64) string {
	for _, status := range pod.Status.ContainerStatuses {
		switch {
		case status.State.Waiting != nil:
			return "waits: " + status.State.Waiting.Reason + " " + status.State.Waiting.Message
		case status.State.Running == nil || status.State.Running.StartedAt.Unix() < since:
			return "is not running yet"
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return ""
		}
	}
	return "is not ready yet"
}

func awaitDeployment(ctx context.Context, c client.Client, key client.ObjectKey) error {
	return await(ctx, fmt.Sprintf("deployment %s", key), func(ctx context.Context) string {
		var d appsv1.Deployment
		if err := c.Get(ctx, key, &d); err != nil {
			return err.Error()
		}
		return unavailable(&d)
	})
}

// await polls until missing returns an empty string; otherwise it says what is missing, which is in the error when the
// time is over.
func await(ctx context.Context, what string, missing func(context.Context) string) error {
	return awaitFor(ctx, podTimeout, what, missing)
}

func awaitFor(ctx context.Context, timeout time.Duration, what string, missing func(context.Context) string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last string
	err := poll(ctx, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		now := missing(ctx)
		if ctx.Err() == nil { // else now tells only that the time is over
			last = now
		}
		return now == "", nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w: %s", what, err, last)
	}
	return nil
}

// unavailable says what a Deployment lacks until all wanted replicas of the newest version are available; empty: nothing.
func unavailable(d *appsv1.Deployment) string {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	switch s := d.Status; {
	case s.ObservedGeneration < d.Generation:
		return "its controller has not seen the newest version yet"
	case s.UpdatedReplicas < want, s.AvailableReplicas < want, s.Replicas > want:
		return fmt.Sprintf("%d of %d replicas are available", min(s.AvailableReplicas, s.UpdatedReplicas), want)
	}
	return ""
}
