// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/podspec"
)

// name of every object.
const name = "load-balancer"

// Input says where the load balancer runs and what it hands out.
type Input struct {
	Namespace string
	// Image of canopy-server.
	Image string
	Pool  netip.Prefix
}

// Objects returns everything that gives addresses to the Services of a cluster.
func Objects(in Input) []client.Object {
	labels := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "canopy"}
	cluster := metav1.ObjectMeta{Name: "canopy:" + name, Labels: labels}
	namespaced := metav1.ObjectMeta{Namespace: in.Namespace, Name: name, Labels: labels}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: namespaced},
		&rbacv1.ClusterRole{ObjectMeta: cluster, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"services/status"}, Verbs: []string{"patch"}},
		}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: cluster,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: cluster.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: in.Namespace, Name: name}},
		},
		&appsv1.Deployment{
			ObjectMeta: namespaced,
			Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(1)),
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, // never two that assign
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod(in)},
			},
		},
	}
}

func pod(in Input) corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName:            name,
		PriorityClassName:             "system-cluster-critical",
		TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name:            name,
			Image:           in.Image,
			Args:            []string{"loadbalancer", "--pool=" + in.Pool.String()},
			Resources:       podspec.Resources("5m", "32Mi", "256Mi"),
			SecurityContext: podspec.Restricted(),
		}},
	}
}
