// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/podspec"
)

const (
	coreDNSHealthPort = 8080
	coreDNSReadyPort  = 8181
	coreDNSUser       = int64(65532)
)

// coreDNSLabels carries the label that tools and tests know a cluster's DNS server by, whatever it is called.
func coreDNSLabels() map[string]string {
	all := labels(CoreDNS)
	maps.Copy(all, map[string]string{"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"})
	return all
}

// coreDNS resolves the names of Services and, through the node's own resolvers, all others.
func coreDNS(in Input) []client.Object {
	config := corefile(in)
	const user = "canopy:" + CoreDNS
	objs := append(identity(CoreDNS, user),
		&rbacv1.ClusterRole{
			ObjectMeta: clusterMeta(user, CoreDNS),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: []string{"list", "watch"}},
				{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
			},
		},
		configMap(CoreDNS, map[string]string{"Corefile": config}),
		coreDNSService(in),
		coreDNSDeployment(in, config),
	)
	if in.CoreDNSReplicas > 1 {
		objs = append(objs, &policyv1.PodDisruptionBudget{
			ObjectMeta: meta(CoreDNS, CoreDNS),
			Spec: policyv1.PodDisruptionBudgetSpec{
				MaxUnavailable:             new(intstr.FromInt32(1)),
				Selector:                   selector(CoreDNS),
				UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
			},
		})
	}
	return objs
}

// corefile fails at once for outside names while none of the node's resolvers answers, instead of letting every program
// wait for its timeout. There is no reload: a change starts new pods, and only if those become ready the old ones go.
func corefile(in Input) string {
	return fmt.Sprintf(`.:53 {
    errors
    health :%d {
        lameduck 5s
    }
    ready :%d
    prometheus :9153
    kubernetes %s in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/resolv.conf {
        max_concurrent 1000
        failfast_all_unhealthy_upstreams
    }
    cache 30
    loop
    loadbalance
}
`, coreDNSHealthPort, coreDNSReadyPort, in.Network.DNSDomain)
}

// coreDNSService has the name under which tools and tests look for a cluster's DNS server.
func coreDNSService(in Input) *corev1.Service {
	svc := &corev1.Service{
		ObjectMeta: meta("kube-dns", CoreDNS),
		Spec: corev1.ServiceSpec{
			ClusterIP: in.DNSAddress,
			Selector:  labels(CoreDNS),
			Ports: []corev1.ServicePort{
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromString("dns")},
				{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: 53, TargetPort: intstr.FromString("dns-tcp")},
				{Name: "metrics", Protocol: corev1.ProtocolTCP, Port: 9153, TargetPort: intstr.FromString("metrics")},
			},
		},
	}
	svc.Labels = coreDNSLabels()
	return svc
}

func coreDNSDeployment(in Input, config string) *appsv1.Deployment {
	template := podTemplate(CoreDNS, config, coreDNSContainer(in), []corev1.Volume{configVolume(CoreDNS)})
	template.Labels = coreDNSLabels()
	spec := &template.Spec
	spec.HostAliases = hostAliases(in)
	spec.DNSPolicy = corev1.DNSDefault // the node's resolvers: it cannot ask itself
	spec.PriorityClassName = "system-cluster-critical"
	spec.SecurityContext.RunAsNonRoot = new(true)
	spec.SecurityContext.RunAsUser = new(coreDNSUser)
	spec.SecurityContext.RunAsGroup = new(coreDNSUser)
	// Port 53 without privileges. Another port behind the Service would not do: network policies that let pods ask for
	// names are written for 53, and apply to the pod's port.
	spec.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}
	spec.Tolerations = coreDNSTolerations()
	spec.Affinity = apart(CoreDNS)
	return &appsv1.Deployment{
		ObjectMeta: meta(CoreDNS, CoreDNS),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(in.CoreDNSReplicas),
			Selector: selector(CoreDNS),
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				// The only replica stays until its successor answers.
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromInt32(1))},
			},
			Template: template,
		},
	}
}

// coreDNSTolerations let DNS servers leave a dead node after half a minute instead of five.
func coreDNSTolerations() []corev1.Toleration {
	tolerations := []corev1.Toleration{
		{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists},
		{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	}
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		tolerations = append(tolerations, corev1.Toleration{
			Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(30)),
		})
	}
	return tolerations
}

func coreDNSContainer(in Input) corev1.Container {
	return corev1.Container{
		Name:  CoreDNS,
		Image: images.Ref("coredns"),
		Args:  []string{"-conf", "/etc/coredns/Corefile"},
		Env:   apiEnv(in), // starts without waiting for this node's service proxy
		Ports: []corev1.ContainerPort{
			{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
			{Name: "dns-tcp", ContainerPort: 53, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: 9153, Protocol: corev1.ProtocolTCP},
		},
		Resources:       podspec.Resources("50m", "48Mi", "256Mi"),
		SecurityContext: podspec.Restricted(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/coredns", ReadOnly: true}},
		StartupProbe:    httpProbe("", "/ready", coreDNSReadyPort, 1, 120),
		ReadinessProbe:  httpProbe("", "/ready", coreDNSReadyPort, 5, 2),
		LivenessProbe:   httpProbe("", "/health", coreDNSHealthPort, 10, 6),
	}
}
