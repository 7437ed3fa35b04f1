// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"path/filepath"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/podspec"
)

// Name is the name of the component and of its objects.
const Name = "node-network"

const (
	namespace  = metav1.NamespaceSystem
	role       = "canopy:" + Name
	healthPort = 10286
)

// Input says where and for what the agent runs.
type Input struct {
	// Image is the image of node-network.
	Image string
	// APIHost and APIPort are where nodes reach the API. Without them the agent uses the Service "kubernetes".
	APIHost string
	APIPort int32
	// HostAliases are names that no DNS server knows.
	HostAliases []corev1.HostAlias
	// CNIConfig is the CNI configuration that the agent writes on the node when its network is complete. Empty: none, the
	// node has one.
	CNIConfig string
	// WaitFor are the URLs on the node that must answer 200 before that.
	WaitFor []string
	// SSHKeys keeps the SSH keys of people on the node as the ConfigMap SSHKeysConfigMap has them.
	SSHKeys bool
}

// Objects returns what runs the agent on every node of a cluster.
func Objects(in Input) []client.Object {
	objs := []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta(namespace, Name), AutomountServiceAccountToken: new(false)},
		&rbacv1.ClusterRole{
			ObjectMeta: meta("", role),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"pods", "namespaces", "nodes"}, Verbs: []string{"list", "watch"}},
				{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: []string{"list", "watch"}},
			},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: meta("", role),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: Name}},
		},
		daemonSet(in),
	}
	if in.SSHKeys {
		objs = append(objs, mayReadSSHKeys()...)
	}
	return objs
}

func mayReadSSHKeys() []client.Object {
	return []client.Object{
		&rbacv1.Role{
			ObjectMeta: meta(namespace, role),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{SSHKeysConfigMap}, Verbs: []string{"list", "watch"}},
			},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: meta(namespace, role),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: Name}},
		},
	}
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labelsOf()}
}

func labelsOf() map[string]string { return map[string]string{v1alpha1.LabelComponent: Name} }

func daemonSet(in Input) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		ObjectMeta: meta(namespace, Name),
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labelsOf()},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{
				Type:          appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: new(intstr.FromString("10%"))},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labelsOf()},
				Spec: corev1.PodSpec{
					ServiceAccountName:            Name,
					AutomountServiceAccountToken:  new(true),
					EnableServiceLinks:            new(false),
					HostNetwork:                   true,
					HostAliases:                   in.HostAliases,
					PriorityClassName:             "system-node-critical",
					Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					NodeSelector:                  map[string]string{corev1.LabelOSStable: "linux"},
					TerminationGracePeriodSeconds: new(int64(5)),
					SecurityContext:               &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
					Containers:                    []corev1.Container{container(in)},
					Volumes:                       volumes(in),
				},
			},
		},
	}
}

func container(in Input) corev1.Container {
	c := corev1.Container{
		Name:    Name,
		Image:   in.Image,
		Command: []string{"node-network"},
		Args:    []string{"--health-address=127.0.0.1:" + strconv.Itoa(healthPort)},
		Env: []corev1.EnvVar{
			{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}},
		},
		Resources:       podspec.Resources("10m", "32Mi", "512Mi"),
		SecurityContext: podspec.Restricted("NET_ADMIN"),
		VolumeMounts:    []corev1.VolumeMount{{Name: "results", MountPath: resultsDir, ReadOnly: true}},
		StartupProbe:    probe("/readyz", 1, 120),
		ReadinessProbe:  probe("/readyz", 10, 2),
		LivenessProbe:   probe("/healthz", 10, 6),
	}
	if in.APIHost != "" {
		c.Env = append(c.Env,
			corev1.EnvVar{Name: "KUBERNETES_SERVICE_HOST", Value: in.APIHost},
			corev1.EnvVar{Name: "KUBERNETES_SERVICE_PORT", Value: strconv.Itoa(int(in.APIPort))})
	}
	if in.CNIConfig != "" {
		c.Args = append(c.Args, "--cni-config="+in.CNIConfig, "--wait-for="+strings.Join(in.WaitFor, ","))
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "cni", MountPath: filepath.Dir(in.CNIConfig)})
	}
	if in.SSHKeys {
		c.Args = append(c.Args, "--ssh-keys="+SSHKeysFile)
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "ssh-keys", MountPath: filepath.Dir(SSHKeysFile)})
	}
	return c
}

func volumes(in Input) []corev1.Volume {
	folder := func(name, path string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: path, Type: new(corev1.HostPathDirectoryOrCreate)},
		}}
	}
	all := []corev1.Volume{folder("results", resultsDir)}
	if in.CNIConfig != "" {
		all = append(all, folder("cni", filepath.Dir(in.CNIConfig)))
	}
	if in.SSHKeys {
		all = append(all, folder("ssh-keys", filepath.Dir(SSHKeysFile)))
	}
	return all
}

func probe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "127.0.0.1", Path: path, Port: intstr.FromInt32(healthPort)}},
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures,
	}
}
