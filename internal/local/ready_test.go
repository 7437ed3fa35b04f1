// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const sandboxStart = 1000

// controlPlane returns the pods of a control plane that is well.
func controlPlane() []corev1.Pod {
	var pods []corev1.Pod
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		pods = append(pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Labels: map[string]string{"tier": "control-plane"}, Annotations: map[string]string{configAnnotation: "new"},
			},
			Status: corev1.PodStatus{
				ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
					Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(sandboxStart, 0))},
				}}},
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			},
		})
	}
	return pods
}

func TestIncomplete(t *testing.T) {
	tests := map[string]struct {
		change func([]corev1.Pod) []corev1.Pod
		want   string // part of it; empty: nothing is missing
	}{
		"all is well":                 {change: func(p []corev1.Pod) []corev1.Pod { return p }},
		"one is not reported yet":     {change: func(p []corev1.Pod) []corev1.Pod { return p[1:] }, want: "3 of 4"},
		"none is reported yet":        {change: func([]corev1.Pod) []corev1.Pod { return nil }, want: "0 of 4"},
		"one has the older version":   {change: func(p []corev1.Pod) []corev1.Pod { p[1].Annotations = nil; return p }, want: "kube-apiserver has an older configuration"},
		"one ran in the last sandbox": {change: func(p []corev1.Pod) []corev1.Pod { started(&p[0], sandboxStart-1); return p }, want: "etcd is not running yet"},
		"one waits for an image":      {change: func(p []corev1.Pod) []corev1.Pod { waiting(&p[2], "ErrImagePull"); return p }, want: "kube-controller-manager waits: ErrImagePull"},
		"one has failed its probe":    {change: func(p []corev1.Pod) []corev1.Pod { p[3].Status.Conditions[0].Status = "False"; return p }, want: "kube-scheduler is not ready yet"},
		"another pod needs no version": {change: func(p []corev1.Pod) []corev1.Pod {
			other := controlPlane()[0]
			other.Labels, other.Annotations = nil, nil
			return append(p, other)
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := incomplete(tc.change(controlPlane()), sandboxStart, "new")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func started(pod *corev1.Pod, at int64) {
	pod.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(time.Unix(at, 0))
}

func waiting(pod *corev1.Pod, reason string) {
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func TestUnavailable(t *testing.T) {
	two := int32(2)
	tests := map[string]struct {
		deployment appsv1.Deployment
		want       string
	}{
		"all replicas": {deployment: appsv1.Deployment{
			Spec: appsv1.DeploymentSpec{Replicas: &two}, Status: appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
		}},
		"one by default": {deployment: appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}}},
		"none yet":       {deployment: appsv1.Deployment{}, want: "0 of 1"},
		"old ones only": {deployment: appsv1.Deployment{
			Spec: appsv1.DeploymentSpec{Replicas: &two}, Status: appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 1, AvailableReplicas: 2},
		}, want: "1 of 2"},
		"not looked at": {deployment: appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: 2},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}, want: "has not seen"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := unavailable(&tc.deployment)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
