// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package localvolume

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/podspec"
)

// name of every object, but for the StorageClass.
const name = "local-volumes"

// StorageClassName is the name of the StorageClass, which is the cluster's default.
const StorageClassName = "local"

// Input says where the volumes are.
type Input struct {
	// Namespace of the provisioner.
	Namespace string
	// Image of canopy-server.
	Image string
	// Path of the directory on the node.
	Path string
	// Node whose disk Path is on. Empty: all nodes share Path, and the provisioner runs on any of them.
	Node string
}

// Objects returns everything that provides local volumes in a cluster.
func Objects(in Input) []client.Object {
	return []client.Object{
		serviceAccount(in), clusterRole(), clusterRoleBinding(in), deployment(in), storageClass(),
	}
}

func labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "canopy"}
}

func serviceAccount(in Input) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: name, Labels: labels()},
	}
}

func clusterRole() *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: "canopy:" + name, Labels: labels()},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"persistentvolumes"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
			{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		},
	}
}

func clusterRoleBinding(in Input) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "canopy:" + name, Labels: labels()},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "canopy:" + name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: in.Namespace, Name: name}},
	}
}

func deployment(in Input) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: name, Labels: labels()},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1),
			Selector: &metav1.LabelSelector{MatchLabels: labels()},
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels()},
				Spec:       podSpec(in),
			},
		},
	}
}

func podSpec(in Input) corev1.PodSpec {
	spec := corev1.PodSpec{
		ServiceAccountName:            name,
		PriorityClassName:             "system-cluster-critical",
		TerminationGracePeriodSeconds: ptr.To[int64](1),
		Containers:                    []corev1.Container{container(in)},
		Volumes: []corev1.Volume{{
			Name: "volumes",
			VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: in.Path, Type: ptr.To(corev1.HostPathDirectoryOrCreate),
			}},
		}},
	}
	if in.Node != "" {
		spec.NodeSelector = map[string]string{corev1.LabelHostname: in.Node}
	}
	return spec
}

func container(in Input) corev1.Container {
	args := []string{"volumes", "--path=" + in.Path}
	if in.Node == "" {
		args = append(args, "--shared")
	}
	// Root, to remove files of every user, also in directories that they closed to others.
	security := podspec.Restricted("DAC_OVERRIDE", "FOWNER")
	security.RunAsUser, security.RunAsGroup = ptr.To[int64](0), ptr.To[int64](0)
	security.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	return corev1.Container{
		Name:  name,
		Image: in.Image,
		Args:  args,
		Env: []corev1.EnvVar{{
			Name:      "NODE_NAME",
			ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}},
		}},
		Resources:       podspec.Resources("10m", "32Mi", "256Mi"),
		VolumeMounts:    []corev1.VolumeMount{{Name: "volumes", MountPath: in.Path}},
		SecurityContext: security,
	}
}

func storageClass() *storagev1.StorageClass {
	return &storagev1.StorageClass{
		TypeMeta: metav1.TypeMeta{APIVersion: storagev1.SchemeGroupVersion.String(), Kind: "StorageClass"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        StorageClassName,
			Labels:      labels(),
			Annotations: map[string]string{kube.DefaultStorageClassAnnotation: "true"},
		},
		Provisioner:   ProvisionerName,
		ReclaimPolicy: ptr.To(corev1.PersistentVolumeReclaimDelete),
		// With one place for all volumes there is no better one to wait for.
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingImmediate),
	}
}
