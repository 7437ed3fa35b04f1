// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/usercluster"
)

// Component is the value of the component label on the pods that are machines.
const Component = v1alpha1.ComponentMachine

// annotationMetaData holds what cloud-init reads as its meta-data file.
const annotationMetaData = "hosting.canopy.dev/meta-data"

// stopSeconds is how long a machine may take to turn off when its pod is evicted or deleted by hand: ten seconds for what
// runs on it (images/node), and some to get there.
const stopSeconds = 20

// pod returns the machine's pod. A restart of its container is a reboot: what is in the volumes survives, the rest comes
// from the image and the user data again.
func pod(m *v1alpha1.ProviderMachine, image, userDataSecret string) *corev1.Pod {
	labels := maps.Clone(m.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelComponent] = Component
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   m.Namespace,
			Name:        m.Name,
			Labels:      labels,
			Annotations: map[string]string{annotationMetaData: metaData(m)},
		},
		Spec: corev1.PodSpec{
			Hostname:                      m.Name,
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			TerminationGracePeriodSeconds: new(int64(stopSeconds)),
			// The machine is no pod of the seed to its own pods: it resolves names as the seed's node does.
			DNSPolicy: corev1.DNSDefault,
			Containers: []corev1.Container{{
				Name:      Component,
				Image:     image,
				TTY:       true, // the console: `kubectl logs` shows the boot
				Resources: Resources(m.Spec.Provider.Local.Resources),
				// systemd takes the machine's ID from this variable.
				Env:             []corev1.EnvVar{{Name: "container_uuid", Value: string(m.UID)}},
				SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "user-data", MountPath: "/var/lib/cloud/seed/nocloud", ReadOnly: true},
					{Name: "containerd", MountPath: "/var/lib/containerd"},
					{Name: "kubelet", MountPath: "/var/lib/kubelet"},
					{Name: "log", MountPath: "/var/log"},
					{Name: "volumes", MountPath: usercluster.SharedVolumesDir},
				},
			}},
			Volumes: []corev1.Volume{
				{Name: "user-data", VolumeSource: userData(userDataSecret)},
				{Name: "containerd", VolumeSource: emptyDir()},
				{Name: "kubelet", VolumeSource: emptyDir()},
				{Name: "log", VolumeSource: emptyDir()},
				{Name: "volumes", VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: machine.VolumesClaim},
				}},
			},
		},
	}
}

// Resources are the pool's, with the requests of an idle node where it makes none: the scheduler counts the machine, and it
// gets its share when the seed's node is busy.
func Resources(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	r = *r.DeepCopy()
	if len(r.Requests) == 0 && len(r.Limits) == 0 {
		r.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	}
	return r
}

// metaData is what a cloud's metadata service would say.
func metaData(m *v1alpha1.ProviderMachine) string {
	return fmt.Sprintf("{instance-id: %q, local-hostname: %q}", m.UID, m.Name)
}

// userData is cloud-init's seed directory.
func userData(secret string) corev1.VolumeSource {
	return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret},
			Items:                []corev1.KeyToPath{{Key: machine.UserDataKey, Path: "user-data"}},
		}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
			Path:     "meta-data",
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + annotationMetaData + "']"},
		}}}},
	}}}
}

func emptyDir() corev1.VolumeSource {
	return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
}
