// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/podspec"
)

const (
	// etcdURL is reached by nobody outside the pod: etcd listens on the loopback address only.
	etcdURL         = "http://127.0.0.1:2379"
	etcdMetricsPort = 2381
	etcdDir         = "/var/lib/etcd"
	etcdClaim       = "etcd-data"
	// maxEtcdQuota is the largest size of its store that etcd is tested with.
	maxEtcdQuota = 8 << 30
)

func etcd(in Input) corev1.Container {
	return corev1.Container{
		Name:  Etcd,
		Image: images.Ref("etcd"),
		Command: append([]string{"etcd"}, args(map[string]string{
			"advertise-client-urls":       etcdURL,
			"auto-compaction-mode":        "periodic",
			"auto-compaction-retention":   "1h",
			"data-dir":                    etcdDir + "/data", // of its own: the root of a volume may hold lost+found
			"initial-advertise-peer-urls": "http://127.0.0.1:2380",
			"initial-cluster":             "default=http://127.0.0.1:2380",
			"listen-client-urls":          etcdURL,
			"listen-metrics-urls":         "http://0.0.0.0:" + strconv.Itoa(etcdMetricsPort),
			"listen-peer-urls":            "http://127.0.0.1:2380",
			"logger":                      "zap",
			"quota-backend-bytes":         strconv.FormatInt(etcdQuota(in.Cluster.Spec.Etcd.Storage), 10),
		}, nil)...),
		Ports:           []corev1.ContainerPort{{Name: "etcd-metrics", ContainerPort: etcdMetricsPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Requests("20m", "64Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: etcdClaim, MountPath: etcdDir}},
		// Serializable: alive does not mean that the disk is fast or a leader elected.
		LivenessProbe: &corev1.Probe{
			ProbeHandler:     httpGet("/health?serializable=true", intstr.FromString("etcd-metrics"), corev1.URISchemeHTTP),
			PeriodSeconds:    10,
			TimeoutSeconds:   10,
			FailureThreshold: 6,
		},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  httpGet("/readyz", intstr.FromString("etcd-metrics"), corev1.URISchemeHTTP),
			PeriodSeconds: 10, TimeoutSeconds: 5,
		},
	}
}

// etcdQuota is nine tenths of the volume, so that the store is full before the disk is.
func etcdQuota(storage resource.Quantity) int64 {
	return min(storage.Value()/10*9, maxEtcdQuota)
}

func etcdVolumeClaim(in Input) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: in.meta(etcdClaim, Etcd),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: in.Cluster.Spec.Etcd.Storage}},
		},
	}
	if class := in.Cluster.Spec.Etcd.StorageClassName; class != "" {
		claim.Spec.StorageClassName = &class
	}
	return claim
}

func httpGet(path string, port intstr.IntOrString, scheme corev1.URIScheme) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: scheme}}
}
