// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// annotationConfig is on pods: which configuration they were started with.
const annotationConfig = "hosting.canopy.dev/config"

func meta(name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceSystem, Labels: labels(component)}
}

func clusterMeta(name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: labels(component)}
}

func labels(component string) map[string]string {
	return map[string]string{v1alpha1.LabelComponent: component}
}

func selector(component string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels(component)}
}

// identity is the ServiceAccount of a component with the rights of a ClusterRole.
func identity(component, role string) []client.Object {
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta(component, component), AutomountServiceAccountToken: new(false)},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: clusterMeta("canopy:"+component, component),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceSystem, Name: component}},
		},
	}
}

func configMap(component string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: meta(component, component), Data: data}
}

// nodeAgent is a DaemonSet that runs in the network namespace of every node, whatever state the node is in: it is what
// makes nodes usable. A tenth of the nodes get a new version at a time.
func nodeAgent(in Input, component, config string, container corev1.Container, volumes ...corev1.Volume) *appsv1.DaemonSet {
	template := podTemplate(component, config, container, volumes)
	template.Spec.HostNetwork = true
	template.Spec.HostAliases = hostAliases(in)
	template.Spec.PriorityClassName = "system-node-critical"
	template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	return &appsv1.DaemonSet{
		ObjectMeta: meta(component, component),
		Spec: appsv1.DaemonSetSpec{
			Selector: selector(component),
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{
				Type:          appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: new(intstr.FromString("10%"))},
			},
			Template: template,
		},
	}
}

func podTemplate(component, config string, container corev1.Container, volumes []corev1.Volume) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      labels(component),
			Annotations: map[string]string{annotationConfig: checksum(config)},
		},
		Spec: corev1.PodSpec{
			ServiceAccountName:           component,
			AutomountServiceAccountToken: new(true),
			EnableServiceLinks:           new(false),
			NodeSelector:                 map[string]string{corev1.LabelOSStable: "linux"},
			SecurityContext:              &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers:                   []corev1.Container{container},
			Volumes:                      volumes,
		},
	}
}

// apiEnv leads a client in a pod to the API's own address instead of the Service "kubernetes".
func apiEnv(in Input) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "KUBERNETES_SERVICE_HOST", Value: in.APIHost},
		{Name: "KUBERNETES_SERVICE_PORT", Value: strconv.Itoa(int(in.APIPort))},
	}
}

// hostAliases are for pods that are told the API's own name (apiEnv), where no DNS server knows it.
func hostAliases(in Input) []corev1.HostAlias {
	if in.APIAddress == "" {
		return nil
	}
	return []corev1.HostAlias{{IP: in.APIAddress, Hostnames: []string{in.APIHost}}}
}

func fieldEnv(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}}
}

func configVolume(component string) corev1.Volume {
	return corev1.Volume{Name: "config", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: component}},
	}}
}

// httpProbe asks host, or the pod's own address if that is empty.
func httpProbe(host, path string, port, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: host, Path: path, Port: intstr.FromInt32(port)}},
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures,
	}
}
