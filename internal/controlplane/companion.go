// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// alone is the Deployment of a component of which never two pods run, so that it needs no lease. Its pod runs as nobody, with the
// component's Secret in the volume of that name.
func alone(in Input, component, volume string, annotations map[string]string, pod corev1.PodSpec) *appsv1.Deployment {
	labels := map[string]string{v1alpha1.LabelCluster: in.Cluster.Name, v1alpha1.LabelComponent: component}
	pod.Volumes = []corev1.Volume{{Name: volume, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: component, DefaultMode: new(int32(0o440))},
	}}}
	pod.EnableServiceLinks = new(false)
	pod.SecurityContext = unprivileged()
	return &appsv1.Deployment{
		ObjectMeta: in.meta(component, component),
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(int32(1)),
			RevisionHistoryLimit: new(int32(1)),
			Selector:             &metav1.LabelSelector{MatchLabels: labels},
			Strategy:             appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations}, Spec: pod},
		},
	}
}

// unprivileged lets a pod run as nobody, who may read its volumes.
func unprivileged() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:   new(true),
		RunAsUser:      new(nobody),
		RunAsGroup:     new(nobody),
		FSGroup:        new(nobody),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}
