// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package usercluster turns a HostedCluster's settings into the objects that run inside the user cluster: pod network,
// Services, DNS, network policies, volumes and roles. It is pure: no I/O, no clock, no randomness. A component has a file
// of its own; observe.go reads the components' health from what lives. The seed manager applies the objects.
package usercluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/nodenetwork"
)

// Names of the components. Each is the object and label name as well.
const (
	Flannel   = "flannel"
	KubeProxy = "kube-proxy"
	CoreDNS   = "coredns"
	// GatewayAgent is there only where the API is reached by name.
	GatewayAgent = "gateway-agent"
	// NodeNetwork is the component that nodenetwork.Objects deploys.
	NodeNetwork = nodenetwork.Name
)

// OwnerLabel and OwnerValue mark what the seed puts into a user cluster.
const (
	OwnerLabel = "hosting.canopy.dev/managed-by"
	OwnerValue = "seed"
)

// PrunedKinds are the kinds of the objects, in the order in which they are applied: what pods need comes before the pods.
// What carries the owner label and is no longer among the objects is deleted.
var PrunedKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
	rbacv1.SchemeGroupVersion.WithKind("ClusterRole"),
	rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
	rbacv1.SchemeGroupVersion.WithKind("Role"),
	rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
	corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("Secret"),
	corev1.SchemeGroupVersion.WithKind("Service"),
	apiregistrationv1.SchemeGroupVersion.WithKind("APIService"),
	storagev1.SchemeGroupVersion.WithKind("StorageClass"),
	policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
	appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
	appsv1.SchemeGroupVersion.WithKind("Deployment"),
	appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
}

// Input is everything that the objects are made from.
type Input struct {
	// Network is the user cluster's own network.
	Network v1alpha1.Network
	// APIHost and APIPort are where nodes reach the API: what makes the cluster's Services work cannot use one itself.
	APIHost string
	APIPort int32
	// APIAddress is the IP address of APIHost where no DNS server knows it.
	APIAddress string
	// Agent leads clients on nodes that name nobody to the control plane; nil: they need no agent.
	Agent *Agent
	// DNSAddress is the address of the DNS server's Service.
	DNSAddress string
	// CoreDNSReplicas is how many DNS servers there are.
	CoreDNSReplicas int32
	// KubeProxyImage is of the Kubernetes version that the control plane runs: kube-proxy must not be newer than
	// kube-apiserver, and may be three minors away from kubelet on either side.
	KubeProxyImage string
	// NodeNetworkImage and ServerImage are the images of node-network and canopy-server. They are compiled from this
	// repository, so the list of images does not know their tags.
	NodeNetworkImage, ServerImage string
	Tunnel                        Tunnel
	// CA is the cluster's authority, PEM.
	CA []byte
	// MetricsServerKeys are tls.crt and tls.key of the certificate that MetricsServerLeaf describes.
	MetricsServerKeys map[string][]byte
	// Access says who may do what.
	Access []v1alpha1.Access
	// SSHKeys are the public keys with which people log in to nodes, lines of an authorized_keys file.
	SSHKeys []string
	// Autoscaled lets cluster-autoscaler in.
	Autoscaled bool
	// LocalVolumes gives the cluster volumes in a folder that all its nodes share, which only local machines do.
	LocalVolumes bool
}

// Objects returns everything that runs inside the user cluster, sorted by kind (in the order of PrunedKinds) and name.
func Objects(in Input) []client.Object {
	objs := slices.Concat(
		flannel(in),
		kubeProxy(in),
		coreDNS(in),
		metricsServer(in),
		nodeNetwork(in),
		gatewayAgent(in),
		tunnelClients(in),
		volumes(in),
		rbac(),
		clusterAutoscaler(in),
		members(in),
		sshKeys(in),
	)
	slices.SortFunc(objs, func(a, b client.Object) int {
		return cmp.Or(
			cmp.Compare(position(a), position(b)),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
	return objs
}

func position(obj client.Object) int {
	kind := reflect.TypeOf(obj).Elem().Name()
	return slices.IndexFunc(PrunedKinds, func(gvk schema.GroupVersionKind) bool { return gvk.Kind == kind })
}

// checksum changes with a configuration; as an annotation it makes pods start anew with it.
func checksum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
