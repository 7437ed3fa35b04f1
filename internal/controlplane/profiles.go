// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/podspec"
)

const (
	keysDir   = "/etc/kubernetes/pki"
	configDir = "/etc/kubernetes/config"
	// nobody is the user and group that the control plane runs as.
	nobody = int64(65532)
	// PriorityClass keeps control planes running when the seed is short of memory or CPU.
	PriorityClass = "canopy-control-plane"
	// AnnotationKeys is on the control plane's pods: which keys and certificates they were started with.
	AnnotationKeys = "hosting.canopy.dev/keys"
)

// kubernetesContainer is the name of the container that runs three components in one process.
const kubernetesContainer = "kubernetes"

// compact lays the whole control plane out in one pod: etcd in one container, everything else in one process, which takes
// a quarter less memory and starts faster than a process for each. Nothing in it waits for anything else by a timer:
// kube-apiserver retries until etcd answers, the other two start when kube-apiserver does.
func compact(in Input) []client.Object {
	labels := map[string]string{v1alpha1.LabelCluster: in.Cluster.Name, v1alpha1.LabelComponent: Name}
	set := &appsv1.StatefulSet{
		ObjectMeta: in.meta(Name, Name),
		Spec: appsv1.StatefulSetSpec{
			Replicas:            new(int32(1)),
			Selector:            &metav1.LabelSelector{MatchLabels: labels},
			ServiceName:         APIServer,
			PodManagementPolicy: appsv1.ParallelPodManagement,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels: exposed(labels),
					Annotations: map[string]string{
						AnnotationKeys:                            in.KeysChecksum,
						"hosting.canopy.dev/config":               startedWith(in),
						"kubectl.kubernetes.io/default-container": kubernetesContainer,
					},
				},
				Spec: corev1.PodSpec{
					Containers:                    []corev1.Container{etcd(in), kubernetes(in)},
					Volumes:                       volumes(in),
					AutomountServiceAccountToken:  new(false),
					EnableServiceLinks:            new(false),
					PriorityClassName:             PriorityClass,
					TerminationGracePeriodSeconds: new(int64(20)),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot:        new(true),
						RunAsUser:           new(nobody),
						RunAsGroup:          new(nobody),
						FSGroup:             new(nobody),
						FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
						SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
				},
			},
		},
	}
	addKonnectivity(in, &set.Spec.Template.Spec)
	return []client.Object{set, etcdVolumeClaim(in)}
}

// exposed returns labels with the one that makes the Service lead to a pod.
func exposed(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	labels[v1alpha1.LabelExposed] = "true"
	return labels
}

func kubernetes(in Input) corev1.Container {
	return corev1.Container{
		Name:  kubernetesContainer,
		Image: in.KubernetesImage,
		Args: slices.Concat(
			[]string{"control-plane", APIServer}, apiserverArgs(in),
			[]string{ControllerManager}, controllerManagerArgs(in),
			[]string{Scheduler}, schedulerArgs(in),
		),
		Ports: []corev1.ContainerPort{
			{Name: PortAPI, ContainerPort: apiPort, Protocol: corev1.ProtocolTCP},
			{Name: "kcm", ContainerPort: controllerManagerPort, Protocol: corev1.ProtocolTCP},
			{Name: "scheduler", ContainerPort: schedulerPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:       podspec.Requests("50m", "192Mi"), // at rest it takes 25m to 40m
		SecurityContext: podspec.Restricted(),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "keys", MountPath: keysDir, ReadOnly: true},
			{Name: "config", MountPath: configDir, ReadOnly: true},
		},
		StartupProbe:   apiProbe("/livez", 1, 300),
		LivenessProbe:  apiProbe("/livez", 10, 6),
		ReadinessProbe: apiProbe("/readyz", 5, 2),
	}
}

func apiProbe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  httpGet(path, intstr.FromString(PortAPI), corev1.URISchemeHTTPS),
		PeriodSeconds: period, TimeoutSeconds: 10, FailureThreshold: failures,
	}
}

// volumes: all keys come in one directory from one volume, because each volume costs time at the start.
func volumes(in Input) []corev1.Volume {
	keys := append([]corev1.VolumeProjection{
		secretFiles(SecretCA, corev1.KeyToPath{Key: corev1.TLSCertKey, Path: "ca.crt"}, corev1.KeyToPath{Key: corev1.TLSPrivateKeyKey, Path: "ca.key"}),
		secretFiles(SecretFrontProxyCA, corev1.KeyToPath{Key: corev1.TLSCertKey, Path: "front-proxy-ca.crt"}),
		secretFiles(SecretServiceAccounts, corev1.KeyToPath{Key: "tls.key", Path: "sa.key"}, corev1.KeyToPath{Key: "tls.pub", Path: "sa.pub"}),
		secretFiles(SecretCertificates),
	}, egressKeys(in)...)
	if in.Encryption.Encrypts() {
		keys = append(keys, secretFiles(SecretEncryption, corev1.KeyToPath{Key: in.Encryption.File(), Path: in.Encryption.File()}))
	}
	return []corev1.Volume{
		{Name: etcdClaim, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: etcdClaim}}},
		{Name: "keys", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o440)), Sources: keys}}},
		configMapVolume("config", Name),
	}
}

func secretFiles(secret string, items ...corev1.KeyToPath) corev1.VolumeProjection {
	return corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Items: items}}
}

func checksum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
