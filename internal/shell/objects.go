// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/internal/podspec"
)

const (
	container      = "shell"
	home           = "/home/person"
	kubeconfigPath = home + "/kubeconfig"
	// person is the user that the shell runs as.
	person = int64(65532)
)

// namespace lets in only pods that can do no harm to a node.
func namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
}

// jobOf returns a Job whose pod waits to be used. Whatever becomes of the API, the pod ends with its time, and the Job goes a minute later.
func jobOf(opts Options) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "shell-", Namespace: Namespace},
		Spec: batchv1.JobSpec{
			ActiveDeadlineSeconds:   new(int64(Longest.Seconds())),
			TTLSecondsAfterFinished: new(int32(60)),
			BackoffLimit:            new(int32(0)),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy:                 corev1.RestartPolicyNever,
				AutomountServiceAccountToken:  new(false),
				EnableServiceLinks:            new(false),
				TerminationGracePeriodSeconds: new(int64(1)),
				SecurityContext: &corev1.PodSecurityContext{
					RunAsNonRoot: new(true), RunAsUser: new(person), RunAsGroup: new(person), FSGroup: new(person),
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
				Containers: []corev1.Container{{
					Name: container, Image: opts.Image, Command: []string{"sleep", "infinity"}, WorkingDir: home,
					Env: []corev1.EnvVar{
						{Name: "HOME", Value: home},
						{Name: "KUBECONFIG", Value: kubeconfigPath},
						{Name: "TERM", Value: "xterm-256color"},
						{Name: "PS1", Value: opts.Prompt + ` \w $ `},
					},
					Resources:       podspec.Resources("10m", "32Mi", "512Mi"),
					SecurityContext: podspec.Restricted(),
					VolumeMounts:    []corev1.VolumeMount{{Name: "home", MountPath: home}, {Name: "tmp", MountPath: "/tmp"}},
				}},
				Volumes: []corev1.Volume{memory("home", "16Mi"), memory("tmp", "64Mi")},
			}},
		},
	}
}

// memory is a volume that is never on a disk.
func memory(name, size string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse(size))},
	}}
}
