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
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/podspec"
)

// MetricsServer is the component behind `kubectl top` and horizontal autoscaling.
const MetricsServer = "metrics-server"

const (
	metricsServerPort = 10250
	metricsServerUser = int64(65534)
	metricsServerKeys = "/etc/metrics-server"
)

// MetricsServerLeaf is the certificate that it shows to kube-apiserver, which asks for the name of its Service.
func MetricsServerLeaf() pki.Leaf {
	return pki.Leaf{CommonName: MetricsServer, Names: []string{MetricsServer + ".kube-system.svc"}}
}

func metricsServer(in Input) []client.Object {
	template := podTemplate(MetricsServer, string(in.MetricsServerKeys[corev1.TLSCertKey]), metricsServerContainer(in), []corev1.Volume{{
		Name: "keys",
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o440)), Sources: []corev1.VolumeProjection{
			{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: MetricsServer}}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}},
		}}},
	}})
	spec := &template.Spec
	spec.HostAliases = hostAliases(in)
	spec.PriorityClassName = "system-cluster-critical"
	spec.Tolerations = coreDNSTolerations()
	spec.SecurityContext.RunAsNonRoot = new(true)
	spec.SecurityContext.RunAsUser, spec.SecurityContext.RunAsGroup, spec.SecurityContext.FSGroup = new(metricsServerUser), new(metricsServerUser), new(metricsServerUser)
	return append(metricsServerRBAC(),
		&corev1.Secret{ObjectMeta: meta(MetricsServer, MetricsServer), Type: corev1.SecretTypeTLS, Data: in.MetricsServerKeys},
		&corev1.Service{ObjectMeta: meta(MetricsServer, MetricsServer), Spec: corev1.ServiceSpec{
			Selector: labels(MetricsServer),
			Ports:    []corev1.ServicePort{{Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromString("https")}},
		}},
		&apiregistrationv1.APIService{
			ObjectMeta: clusterMeta("v1beta1.metrics.k8s.io", MetricsServer),
			Spec: apiregistrationv1.APIServiceSpec{
				Group: "metrics.k8s.io", Version: "v1beta1", GroupPriorityMinimum: 100, VersionPriority: 100,
				Service:  &apiregistrationv1.ServiceReference{Namespace: metav1.NamespaceSystem, Name: MetricsServer, Port: new(int32(443))},
				CABundle: in.CA,
			},
		},
		&appsv1.Deployment{ObjectMeta: meta(MetricsServer, MetricsServer), Spec: appsv1.DeploymentSpec{
			Replicas:             new(int32(1)),
			RevisionHistoryLimit: new(int32(1)),
			Selector:             selector(MetricsServer),
			Template:             template,
		}},
	)
}

func metricsServerContainer(in Input) corev1.Container {
	probe := func(path string, period, failures int32) *corev1.Probe {
		p := httpProbe("", path, metricsServerPort, period, failures)
		p.HTTPGet.Scheme = corev1.URISchemeHTTPS
		return p
	}
	return corev1.Container{
		Name:  MetricsServer,
		Image: images.Ref(MetricsServer),
		Args: []string{
			"--kubelet-certificate-authority=" + metricsServerKeys + "/ca.crt",
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-use-node-status-port",
			"--metric-resolution=15s",
			"--secure-port=" + strconv.Itoa(metricsServerPort),
			"--tls-cert-file=" + metricsServerKeys + "/" + corev1.TLSCertKey,
			"--tls-private-key-file=" + metricsServerKeys + "/" + corev1.TLSPrivateKeyKey,
		},
		Env:             append(apiEnv(in), corev1.EnvVar{Name: "GOGC", Value: "50"}),
		Ports:           []corev1.ContainerPort{{Name: "https", ContainerPort: metricsServerPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Resources("20m", "48Mi", "512Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "keys", MountPath: metricsServerKeys, ReadOnly: true}},
		StartupProbe:    probe("/livez", 1, 120),
		ReadinessProbe:  probe("/readyz", 5, 3), // it has asked the nodes
		LivenessProbe:   probe("/livez", 10, 6),
	}
}

// metricsServerRBAC lets it read the usage of nodes and pods, and whoever may view a namespace read it there.
func metricsServerRBAC() []client.Object {
	reader := &rbacv1.ClusterRole{
		ObjectMeta: clusterMeta("canopy:metrics-reader", MetricsServer),
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"metrics.k8s.io"}, Resources: []string{"pods", "nodes"}, Verbs: []string{"get", "list", "watch"}}},
	}
	for _, role := range []string{"view", "edit", "admin"} {
		reader.Labels["rbac.authorization.k8s.io/aggregate-to-"+role] = "true"
	}
	self := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceSystem, Name: MetricsServer}
	return append(identity(MetricsServer, "canopy:"+MetricsServer),
		reader,
		&rbacv1.ClusterRole{
			ObjectMeta: clusterMeta("canopy:"+MetricsServer, MetricsServer),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"nodes/metrics"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"pods", "nodes"}, Verbs: []string{"get", "list", "watch"}},
			},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: clusterMeta("canopy:"+MetricsServer+":auth-delegator", MetricsServer),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
			Subjects:   []rbacv1.Subject{self},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: meta("canopy:"+MetricsServer+":auth-reader", MetricsServer),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extension-apiserver-authentication-reader"},
			Subjects:   []rbacv1.Subject{self},
		},
	)
}
