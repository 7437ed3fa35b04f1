// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/podspec"
	"canopy.dev/canopy/internal/usercluster"
)

// AWSCloudController is the name of the component that makes load balancers at AWS, and of the Secret with all that it needs.
const AWSCloudController = "aws-cloud-controller-manager"

// Files in that Secret. Both are read when the process starts.
const (
	FileCloudConfig  = "cloud.conf" // its own configuration
	FileCloudAccount = "aws.conf"   // the configuration of AWS's SDK, with the credentials
)

const (
	cloudControllerDir    = "/etc/cloud-controller-manager"
	cloudControllerKey    = "client"
	cloudControllerPort   = 10258
	cloudControllerHealth = "health"
)

// CloudController returns the name of the component that makes load balancers for a cluster's Services; empty: nobody does.
func CloudController(cluster *v1alpha1.HostedCluster) string {
	if cluster.Spec.Cloud != nil && cluster.Spec.Cloud.Place.AWS != nil {
		return AWSCloudController
	}
	return ""
}

// CloudControllerCertificates returns the client certificate with which it reaches the cluster's API.
func CloudControllerCertificates() []Certificate {
	return []Certificate{{Name: cloudControllerKey, Leaf: pki.Leaf{CommonName: usercluster.CloudControllerUser}, Authority: SecretCA}}
}

// CloudControllerFiles returns the files beside it that are not about the cloud.
func CloudControllerFiles(in Input, ca []byte) map[string]string {
	return map[string]string{
		"ca.crt":     string(ca),
		"kubeconfig": kubeconfig("https://"+ServiceHost(in.Cluster), cloudControllerDir, cloudControllerKey),
	}
}

// cloudController is AWS's cloud controller manager, of which only the part runs that makes load balancers: addresses, provider IDs
// and the end of nodes are the machines' business.
func cloudController(in Input) []client.Object {
	if in.CloudControllerChecksum == "" {
		return nil
	}
	annotations := map[string]string{AnnotationKeys: in.CloudControllerChecksum}
	return []client.Object{alone(in, AWSCloudController, "files", annotations, corev1.PodSpec{
		Containers:                    []corev1.Container{cloudControllerContainer(in)},
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(5)),
	})}
}

func cloudControllerContainer(in Input) corev1.Container {
	probe := func(failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  httpGet("/healthz", intstr.FromString(cloudControllerHealth), corev1.URISchemeHTTPS),
			PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: failures,
		}
	}
	return corev1.Container{
		Name:  AWSCloudController,
		Image: images.Ref(AWSCloudController),
		Args: args(map[string]string{
			"authentication-skip-lookup":       "true", // nobody is let in but to ask for its health
			"authorization-always-allow-paths": "/healthz",
			"cloud-config":                     cloudControllerDir + "/" + FileCloudConfig,
			"cloud-provider":                   "aws",
			"cluster-name":                     in.Cluster.Name,
			"concurrent-service-syncs":         "5", // each waits until AWS lets go of what a load balancer had
			"configure-cloud-routes":           "false",
			"controllers":                      "service-lb-controller",
			"kubeconfig":                       cloudControllerDir + "/kubeconfig",
			"leader-elect":                     "false",
			"profiling":                        "false",
			"secure-port":                      strconv.Itoa(cloudControllerPort),
		}, nil),
		Env: []corev1.EnvVar{
			{Name: "AWS_CONFIG_FILE", Value: cloudControllerDir + "/" + FileCloudAccount},
			{Name: "AWS_EC2_METADATA_DISABLED", Value: "true"}, // that of the seed's node would be another account
			{Name: "GOGC", Value: "30"},
			{Name: "GOMAXPROCS", Value: "1"},
		},
		Ports:           []corev1.ContainerPort{{Name: cloudControllerHealth, ContainerPort: cloudControllerPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Resources("5m", "32Mi", "256Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "files", MountPath: cloudControllerDir, ReadOnly: true}},
		StartupProbe:    probe(30),
		ReadinessProbe:  probe(2),
		LivenessProbe:   probe(6),
	}
}
