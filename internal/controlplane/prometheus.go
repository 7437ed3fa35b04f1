// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	_ "embed"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/podspec"
	"canopy.dev/canopy/internal/usercluster"
)

// Names of the components that watch the cluster. They are containers of one pod.
const (
	Prometheus       = "prometheus"
	KubeStateMetrics = "kube-state-metrics"
)

// SecretPrometheus holds the certificates of Prometheus and kube-state-metrics, and nothing else: they need no other keys.
const SecretPrometheus = Prometheus

// componentsService has no address of its own: it is how Prometheus finds the ports of the namespace's pods by name.
const componentsService = "components"

// metricsPorts are the names of the ports that Prometheus asks, but for the API's.
var metricsPorts = []string{"kcm", "scheduler", "etcd-metrics", PortMetrics, "tunnel-metrics", portAutoscaler}

const (
	prometheusPort       = 9090
	kubeStateMetricsPort = 8080
	prometheusDir        = "/etc/prometheus"
	prometheusKeysDir    = "/etc/prometheus/pki"
	kubeStateMetricsDir  = "/etc/kube-state-metrics"
)

var (
	//go:embed prometheus/prometheus.yaml
	prometheusConfig string
	//go:embed prometheus/rules.yaml
	prometheusRules string
)

// Monitoring returns the objects that watch the cluster, none if nothing is to. They need an API that answers, so they are
// applied after the others.
func Monitoring(in Input) []client.Object {
	if !in.Cluster.Monitored() {
		return nil
	}
	return []client.Object{
		&corev1.ConfigMap{
			ObjectMeta: in.meta(Prometheus, Prometheus),
			Data:       map[string]string{"prometheus.yaml": PrometheusConfig(in), "rules.yaml": prometheusRules},
		},
		componentsEndpoints(in),
		prometheusSet(in),
	}
}

// MonitoringCertificates returns the client certificates of what watches the cluster.
func MonitoringCertificates() []Certificate {
	return []Certificate{
		{Name: Prometheus, Leaf: pki.Leaf{CommonName: usercluster.PrometheusUser}, Authority: SecretCA},
		{Name: KubeStateMetrics, Leaf: pki.Leaf{CommonName: usercluster.KubeStateMetricsUser}, Authority: SecretCA},
	}
}

// MonitoringKubeconfigs returns the configurations with which what watches the cluster reaches its API, by file name.
func MonitoringKubeconfigs(in Input) map[string]string {
	return map[string]string{
		KubeStateMetrics + ".conf": kubeconfig("https://"+ServiceHost(in.Cluster), kubeStateMetricsDir, KubeStateMetrics),
	}
}

// PrometheusConfig returns the configuration of the cluster's Prometheus.
func PrometheusConfig(in Input) string {
	alerting := "{}"
	if in.Alertmanager != "" {
		alerting = fmt.Sprintf("{alertmanagers: [{static_configs: [{targets: [%q]}]}]}", in.Alertmanager)
	}
	return strings.NewReplacer(
		"{CLUSTER}", in.Cluster.Name,
		"{COMPONENTS}", componentsService+"."+Namespace(in.Cluster)+".svc",
		"{API}", ServiceHost(in.Cluster)+":443",
		"{ALERTING}", alerting,
		"{TLS}", fmt.Sprintf("{ca_file: %[1]s/ca.crt, cert_file: %[1]s/prometheus.crt, key_file: %[1]s/prometheus.key, server_name: %[2]s}",
			prometheusKeysDir, ServiceHost(in.Cluster)),
	).Replace(prometheusConfig)
}

// componentsEndpoints gives each port of the pods a name in DNS, under which all addresses are that have it.
func componentsEndpoints(in Input) client.Object {
	svc := &corev1.Service{
		ObjectMeta: in.meta(componentsService, Prometheus),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			Selector:                 map[string]string{v1alpha1.LabelCluster: in.Cluster.Name},
			PublishNotReadyAddresses: true, // what is not ready is worth knowing about
		},
	}
	for i, port := range append([]string{PortAPI}, metricsPorts...) {
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{
			Name: port, Port: int32(i + 1), Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(port),
		})
	}
	return svc
}

// prometheusSet has no annotation for its configuration: Prometheus reads a new one by itself, and a new pod would begin
// without the series of the last day.
func prometheusSet(in Input) client.Object {
	labels := map[string]string{v1alpha1.LabelCluster: in.Cluster.Name, v1alpha1.LabelComponent: Prometheus}
	return &appsv1.StatefulSet{
		ObjectMeta: in.meta(Prometheus, Prometheus),
		Spec: appsv1.StatefulSetSpec{
			Replicas:            new(int32(1)),
			Selector:            &metav1.LabelSelector{MatchLabels: labels},
			ServiceName:         componentsService,
			PodManagementPolicy: appsv1.ParallelPodManagement,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      labels,
					Annotations: map[string]string{"kubectl.kubernetes.io/default-container": Prometheus},
				},
				Spec: corev1.PodSpec{
					Containers:                   []corev1.Container{prometheus(), kubeStateMetrics()},
					Volumes:                      prometheusVolumes(),
					AutomountServiceAccountToken: new(false),
					EnableServiceLinks:           new(false),
					SecurityContext:              unprivileged(),
				},
			},
		},
	}
}

// prometheus keeps a day of samples on the node's disk. It is tuned for a few thousand series: a tight garbage collector,
// one thread, and no query that could take more memory than all series do.
func prometheus() corev1.Container {
	return corev1.Container{
		Name:  Prometheus,
		Image: images.Ref("prometheus"),
		Args: append([]string{"--config.auto-reload"}, args(map[string]string{
			"config.auto-reload-interval":              "30s",
			"config.file":                              prometheusDir + "/prometheus.yaml",
			"log.level":                                "warn",
			"query.max-concurrency":                    "4",
			"query.max-samples":                        "2000000",
			"query.timeout":                            "30s",
			"storage.tsdb.path":                        "/prometheus",
			"storage.tsdb.retention.size":              "768MB",
			"storage.tsdb.retention.time":              "24h",
			"web.listen-address":                       fmt.Sprintf(":%d", prometheusPort),
			"web.max-connections":                      "64",
			"storage.remote.flush-deadline":            "1s",
			"rules.max-concurrent-evals":               "1",
			"alertmanager.notification-queue-capacity": "100",
		}, nil)...),
		Env:             []corev1.EnvVar{{Name: "GOGC", Value: "30"}, {Name: "GOMAXPROCS", Value: "1"}},
		Ports:           []corev1.ContainerPort{{Name: Prometheus, ContainerPort: prometheusPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Resources("10m", "64Mi", "512Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: prometheusDir, ReadOnly: true},
			{Name: "prometheus-keys", MountPath: prometheusKeysDir, ReadOnly: true},
			{Name: "data", MountPath: "/prometheus"},
		},
		ReadinessProbe: &corev1.Probe{ProbeHandler: httpGet("/-/ready", intstr.FromInt32(prometheusPort), corev1.URISchemeHTTP), PeriodSeconds: 10, TimeoutSeconds: 5},
		LivenessProbe:  &corev1.Probe{ProbeHandler: httpGet("/-/healthy", intstr.FromInt32(prometheusPort), corev1.URISchemeHTTP), PeriodSeconds: 30, TimeoutSeconds: 10, FailureThreshold: 6},
	}
}

// kubeStateMetrics is beside Prometheus on the seed, so that it works without a node, and nobody else can ask it. Its
// metrics of pods exist only for pods with a problem: a cluster has many.
func kubeStateMetrics() corev1.Container {
	return corev1.Container{
		Name:  KubeStateMetrics,
		Image: images.Ref("kube-state-metrics"),
		Args: args(map[string]string{
			"kubeconfig":     kubeStateMetricsDir + "/kube-state-metrics.conf",
			"port":           fmt.Sprint(kubeStateMetricsPort),
			"telemetry-host": "127.0.0.1",
			"resources":      "daemonsets,deployments,nodes,pods,statefulsets",
			"metric-allowlist": strings.Join([]string{
				"kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_available",
				"kube_deployment_spec_replicas", "kube_deployment_status_replicas_available",
				"kube_node_info", "kube_node_spec_unschedulable", "kube_node_status_allocatable", "kube_node_status_condition",
				"kube_pod_container_status_waiting_reason", "kube_pod_status_unschedulable",
				"kube_statefulset_replicas", "kube_statefulset_status_replicas_ready",
			}, ","),
		}, nil),
		Env:             []corev1.EnvVar{{Name: "GOGC", Value: "30"}, {Name: "GOMAXPROCS", Value: "1"}},
		Ports:           []corev1.ContainerPort{{Name: "state", ContainerPort: kubeStateMetricsPort, Protocol: corev1.ProtocolTCP}},
		Resources:       podspec.Resources("5m", "24Mi", "256Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "kube-state-metrics-keys", MountPath: kubeStateMetricsDir, ReadOnly: true}},
		// Whether it is alive does not depend on the API, of which its /livez tells.
		ReadinessProbe: &corev1.Probe{ProbeHandler: httpGet("/healthz", intstr.FromInt32(kubeStateMetricsPort), corev1.URISchemeHTTP), PeriodSeconds: 10, TimeoutSeconds: 5},
		LivenessProbe:  &corev1.Probe{ProbeHandler: httpGet("/healthz", intstr.FromInt32(kubeStateMetricsPort), corev1.URISchemeHTTP), PeriodSeconds: 30, TimeoutSeconds: 10, FailureThreshold: 6},
	}
}

// prometheusVolumes give each of the two its own key only.
func prometheusVolumes() []corev1.Volume {
	keys := func(component string, files ...string) corev1.Volume {
		source := &corev1.SecretVolumeSource{SecretName: SecretPrometheus, DefaultMode: new(int32(0o440))}
		for _, file := range append(files, "ca.crt", component+".crt", component+".key") {
			source.Items = append(source.Items, corev1.KeyToPath{Key: file, Path: file})
		}
		return corev1.Volume{Name: component + "-keys", VolumeSource: corev1.VolumeSource{Secret: source}}
	}
	return []corev1.Volume{
		configMapVolume("config", Prometheus),
		{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse("1Gi"))}}},
		keys(Prometheus),
		keys(KubeStateMetrics, KubeStateMetrics+".conf"),
	}
}

// MonitoringComponents returns the health of what watches the cluster. Live holds its StatefulSet and pod.
func MonitoringComponents(live Live) []v1alpha1.ComponentStatus {
	return []v1alpha1.ComponentStatus{
		containerStatus(live.Pod, KubeStateMetrics, KubeStateMetrics),
		containerStatus(live.Pod, Prometheus, Prometheus),
	}
}
