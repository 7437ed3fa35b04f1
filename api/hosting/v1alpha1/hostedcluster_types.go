// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HostedCluster is one user cluster on this seed, fully resolved: it names no person, project, preset or datacenter.
// A HostedCluster demo is stored in the namespace cluster-demo, together with everything that is made from it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hc,categories=canopy
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.status.version
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=.status.endpoint
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=.status.readyNodes
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 40 lower-case letters, digits and '-', and start with a letter"
type HostedCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec HostedClusterSpec `json:"spec"`
	// +optional
	Status HostedClusterStatus `json:"status,omitempty"`
}

// HostedClusterSpec is what the cluster should be.
//
// +kubebuilder:validation:XValidation:rule="!has(self.nodePools) || self.nodePools.all(p, !has(p.version) || int(p.version.split('.')[1]) < int(self.version.split('.')[1]) || (int(p.version.split('.')[1]) == int(self.version.split('.')[1]) && int(p.version.split('.')[2]) <= int(self.version.split('.')[2])))",message="no node pool may be newer than spec.version: upgrade the control plane first"
// +kubebuilder:validation:XValidation:rule="!has(self.nodePools) || self.nodePools.all(p, !has(p.version) || int(p.version.split('.')[1]) >= int(self.version.split('.')[1]) - 3)",message="no node pool may be more than three minors older than spec.version: upgrade the pool first"
// +kubebuilder:validation:XValidation:rule="self.network.podCIDR == oldSelf.network.podCIDR",message="network.podCIDR cannot be changed"
// +kubebuilder:validation:XValidation:rule="self.network.serviceCIDR == oldSelf.network.serviceCIDR",message="network.serviceCIDR cannot be changed"
// +kubebuilder:validation:XValidation:rule="self.network.dnsDomain == oldSelf.network.dnsDomain",message="network.dnsDomain cannot be changed"
// +kubebuilder:validation:XValidation:rule="self.network.agentAddress == oldSelf.network.agentAddress",message="network.agentAddress cannot be changed"
type HostedClusterSpec struct {
	// version is the Kubernetes version of the control plane, for example "1.37.2". It can only go up, one minor at a
	// time. Node pools without a version of their own follow once the control plane runs it.
	//
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern="^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$"
	// +kubebuilder:validation:XValidation:rule="int(self.split('.')[1]) == int(oldSelf.split('.')[1]) ? int(self.split('.')[2]) >= int(oldSelf.split('.')[2]) : int(self.split('.')[1]) == int(oldSelf.split('.')[1]) + 1",message="version can only go up, one minor at a time"
	Version string `json:"version"`

	// paused keeps everything about the cluster as it is: what this spec says is not applied, machines are neither made nor
	// replaced nor deleted, and certificates of the control plane are not renewed. Its status goes on to say what is. A
	// deletion is carried out all the same.
	//
	// +optional
	Paused bool `json:"paused,omitempty"`

	// profile says how the control plane is laid out in pods. Compact is one pod.
	//
	// +optional
	// +default="Compact"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="profile cannot be changed"
	Profile Profile `json:"profile,omitempty"`

	// +optional
	// +default={}
	Network Network `json:"network,omitempty"`

	// +optional
	// +default={}
	Expose Expose `json:"expose,omitempty"`

	// +optional
	// +default={}
	Etcd Etcd `json:"etcd,omitempty"`

	// +optional
	// +default={}
	Encryption Encryption `json:"encryption,omitempty"`

	// +optional
	APIServer APIServer `json:"apiServer,omitempty"`
	// +optional
	ControllerManager Component `json:"controllerManager,omitempty"`
	// +optional
	Scheduler Component `json:"scheduler,omitempty"`

	// +optional
	// +default={}
	CoreDNS CoreDNS `json:"coreDNS,omitempty"`

	// +optional
	// +default={}
	Monitoring Monitoring `json:"monitoring,omitempty"`

	// node is what the cluster's machines need to know of the place where they are.
	//
	// +optional
	Node NodeSettings `json:"node,omitempty,omitzero"`

	// sshKeys are the public keys of those who may log in to the cluster's machines, as the user that the machine's image
	// has for that: each one line of an authorized_keys file without options. A change reaches the machines that run, and
	// replaces none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:Pattern="^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) [A-Za-z0-9+/]+={0,2}( [^\\r\\n]*)?$"
	SSHKeys []string `json:"sshKeys,omitempty"`

	// access says who may do what inside the cluster. A change takes effect at once, also for those who are logged in.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=500
	Access []Access `json:"access,omitempty"`

	// +optional
	Authentication Authentication `json:"authentication,omitempty,omitzero"`

	// cloud is where the cluster's machines are; none: on the seed, or where somebody else makes them.
	//
	// +optional
	Cloud *Cloud `json:"cloud,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	NodePools []NodePool `json:"nodePools,omitempty"`
}

// Access is what a user or a group may do inside the cluster.
type Access struct {
	// +optional
	// +default="User"
	Kind SubjectKind `json:"kind,omitempty"`

	// name is what the cluster's API knows the user or the group as.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('system:')",message="names that start with system: are Kubernetes' own"
	Name string `json:"name"`

	// +required
	Role AccessRole `json:"role"`
}

// SubjectKind says whether a name is a user's or a group's.
//
// +kubebuilder:validation:Enum=User;Group
type SubjectKind string

// The kinds of subjects. They are the names of Kubernetes' RBAC.
const (
	SubjectUser  SubjectKind = "User"
	SubjectGroup SubjectKind = "Group"
)

// AccessRole says what somebody may do inside the cluster.
//
// +kubebuilder:validation:Enum=Owner;Editor;Viewer
type AccessRole string

const (
	// AccessOwner may do everything.
	AccessOwner AccessRole = "Owner"
	// AccessEditor may run what they like in every namespace, and make and delete namespaces.
	AccessEditor AccessRole = "Editor"
	// AccessViewer may see everything but Secrets.
	AccessViewer AccessRole = "Viewer"
)

// Profile says how a control plane is laid out in pods.
//
// +kubebuilder:validation:Enum=Compact
type Profile string

// ProfileCompact is one pod: etcd, and kube-apiserver, kube-controller-manager and kube-scheduler in one process.
const ProfileCompact Profile = "Compact"

// Network is the user cluster's own network. The ranges of two user clusters may overlap; those of one may not.
//
// +kubebuilder:validation:XValidation:rule="!has(self.podCIDR) || !has(self.serviceCIDR) || !isCIDR(self.podCIDR) || !isCIDR(self.serviceCIDR) || (!cidr(self.podCIDR).containsCIDR(cidr(self.serviceCIDR)) && !cidr(self.serviceCIDR).containsCIDR(cidr(self.podCIDR)))",message="podCIDR and serviceCIDR must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.podCIDR) || !has(self.tunnelCIDR) || !isCIDR(self.podCIDR) || !isCIDR(self.tunnelCIDR) || (!cidr(self.podCIDR).containsCIDR(cidr(self.tunnelCIDR)) && !cidr(self.tunnelCIDR).containsCIDR(cidr(self.podCIDR)))",message="podCIDR and tunnelCIDR must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.serviceCIDR) || !has(self.tunnelCIDR) || !isCIDR(self.serviceCIDR) || !isCIDR(self.tunnelCIDR) || (!cidr(self.serviceCIDR).containsCIDR(cidr(self.tunnelCIDR)) && !cidr(self.tunnelCIDR).containsCIDR(cidr(self.serviceCIDR)))",message="serviceCIDR and tunnelCIDR must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.nodeCIDRs) || !has(self.podCIDR) || !isCIDR(self.podCIDR) || self.nodeCIDRs.all(n, !isCIDR(n) || (!cidr(self.podCIDR).containsCIDR(cidr(n)) && !cidr(n).containsCIDR(cidr(self.podCIDR))))",message="podCIDR and nodeCIDRs must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.nodeCIDRs) || !has(self.serviceCIDR) || !isCIDR(self.serviceCIDR) || self.nodeCIDRs.all(n, !isCIDR(n) || (!cidr(self.serviceCIDR).containsCIDR(cidr(n)) && !cidr(n).containsCIDR(cidr(self.serviceCIDR))))",message="serviceCIDR and nodeCIDRs must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.nodeCIDRs) || !has(self.tunnelCIDR) || !isCIDR(self.tunnelCIDR) || self.nodeCIDRs.all(n, !isCIDR(n) || (!cidr(self.tunnelCIDR).containsCIDR(cidr(n)) && !cidr(n).containsCIDR(cidr(self.tunnelCIDR))))",message="tunnelCIDR and nodeCIDRs must not overlap"
// +kubebuilder:validation:XValidation:rule="!has(self.agentAddress) || !has(self.podCIDR) || !isIP(self.agentAddress) || !isCIDR(self.podCIDR) || !cidr(self.podCIDR).containsIP(ip(self.agentAddress))",message="agentAddress must not be in podCIDR"
// +kubebuilder:validation:XValidation:rule="!has(self.agentAddress) || !has(self.serviceCIDR) || !isIP(self.agentAddress) || !isCIDR(self.serviceCIDR) || !cidr(self.serviceCIDR).containsIP(ip(self.agentAddress))",message="agentAddress must not be in serviceCIDR"
// +kubebuilder:validation:XValidation:rule="!has(self.agentAddress) || !has(self.tunnelCIDR) || !isIP(self.agentAddress) || !isCIDR(self.tunnelCIDR) || !cidr(self.tunnelCIDR).containsIP(ip(self.agentAddress))",message="agentAddress must not be in tunnelCIDR"
// +kubebuilder:validation:XValidation:rule="!has(self.agentAddress) || !has(self.nodeCIDRs) || !isIP(self.agentAddress) || self.nodeCIDRs.all(n, !isCIDR(n) || !cidr(n).containsIP(ip(self.agentAddress)))",message="agentAddress must not be in one of nodeCIDRs"
type Network struct {
	// podCIDR is the IPv4 range of pods; each node gets a /24 of it.
	//
	// +optional
	// +default="172.25.0.0/16"
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self)",message="must be an IPv4 range whose address is its first, such as 172.25.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (cidr(self).prefixLength() >= 8 && cidr(self).prefixLength() <= 22)",message="must be between /8 and /22: each node takes a /24 of it"
	PodCIDR string `json:"podCIDR,omitempty"`

	// serviceCIDR is the IPv4 range of service addresses; its tenth address is the DNS server's.
	//
	// +optional
	// +default="10.240.16.0/20"
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self)",message="must be an IPv4 range whose address is its first, such as 10.240.16.0/20"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (cidr(self).prefixLength() >= 12 && cidr(self).prefixLength() <= 24)",message="must be between /12 and /24"
	ServiceCIDR string `json:"serviceCIDR,omitempty"`

	// nodeCIDRs are the IPv4 ranges in which the machines' own addresses are, where they are known; pods and Services
	// cannot have them.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.all(n, isCIDR(n) && cidr(n).ip().family() == 4 && cidr(n).masked() == cidr(n))",message="each must be an IPv4 range whose address is its first, such as 10.0.0.0/16"
	NodeCIDRs []string `json:"nodeCIDRs,omitempty"`

	// dnsDomain is the suffix of service names inside the cluster.
	//
	// +optional
	// +default="cluster.local"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
	DNSDomain string `json:"dnsDomain,omitempty"`

	// tunnel is the way from the control plane to the pods, Services and kubelets of the cluster. It can be changed at
	// any time.
	//
	// +optional
	// +default="OpenVPN"
	Tunnel Tunnel `json:"tunnel,omitempty"`

	// tunnelCIDR is the IPv4 range of the two ends of an OpenVPN tunnel. The addresses exist only inside of its pods.
	//
	// +optional
	// +default="169.254.88.0/28"
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self)",message="must be an IPv4 range whose address is its first, such as 169.254.88.0/28"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 28)",message="must be between /16 and /28"
	TunnelCIDR string `json:"tunnelCIDR,omitempty"`

	// agentAddress is an IPv4 address that every node gives itself where nodes reach the API by name: there an agent
	// listens for the Service "kubernetes" and for the tunnel. It exists only inside of each node.
	//
	// +optional
	// +default="198.18.77.1"
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="isIP(self) && ip(self).family() == 4 && ip(self).isGlobalUnicast()",message="must be an IPv4 address such as 198.18.77.1; Kubernetes takes no link-local or loopback address as an endpoint"
	AgentAddress string `json:"agentAddress,omitempty"`
}

// Tunnel is a way from the control plane to the cluster's pods, Services and kubelets, which is built from their side, so
// that nodes may be behind NAT and need no open port.
//
// +kubebuilder:validation:Enum=OpenVPN;Konnectivity
type Tunnel string

// The tunnels. Over either, connections are made at the cluster's end, so that its ranges may overlap with the seed's.
const (
	TunnelOpenVPN      Tunnel = "OpenVPN"
	TunnelKonnectivity Tunnel = "Konnectivity"
)

// ExposeStrategy says how people and nodes reach a control plane.
//
// +kubebuilder:validation:Enum=NodePort;LoadBalancer;Gateway
type ExposeStrategy string

const (
	// ExposeNodePort reaches the control plane through ports of the seed's nodes.
	ExposeNodePort ExposeStrategy = "NodePort"
	// ExposeLoadBalancer gives the control plane an address of its own.
	ExposeLoadBalancer ExposeStrategy = "LoadBalancer"
	// ExposeGateway reaches all control planes of the seed at one address, by name.
	ExposeGateway ExposeStrategy = "Gateway"
)

// Expose says how people and nodes reach the control plane.
//
// +kubebuilder:validation:XValidation:rule="!has(self.port) || !has(self.strategy) || self.strategy == 'NodePort'",message="port is for the strategy NodePort: remove one of the two"
type Expose struct {
	// strategy can be changed; the endpoint then changes, kubeconfigs have to be fetched anew, and machines are replaced
	// one by one. None: the seed's.
	//
	// +optional
	Strategy ExposeStrategy `json:"strategy,omitempty"`

	// port is the node port of the API; none: the seed chooses a free one.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="port cannot be changed"
	Port int32 `json:"port,omitempty"`
}

// Monitoring is what watches the cluster from the seed.
type Monitoring struct {
	// enabled runs a Prometheus for the cluster.
	//
	// +optional
	// +default=true
	Enabled *bool `json:"enabled,omitempty"`
}

// Monitored reports whether a Prometheus watches the cluster.
func (c *HostedCluster) Monitored() bool {
	return c.Spec.Monitoring.Enabled == nil || *c.Spec.Monitoring.Enabled
}

// Autoscaled reports whether a pool of the cluster has autoscaling.
func (c *HostedCluster) Autoscaled() bool {
	for i := range c.Spec.NodePools {
		if c.Spec.NodePools[i].Autoscaling != nil {
			return true
		}
	}
	return false
}

// Etcd is the store of the control plane.
type Etcd struct {
	// storage is the size of the volume. etcd refuses writes before it is full, at nine tenths of it and 8Gi at the most.
	//
	// +optional
	// +default="2Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(self).compareTo(quantity('512Mi')) >= 0",message="must be at least 512Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(self).compareTo(quantity(oldSelf)) >= 0",message="cannot shrink"
	Storage resource.Quantity `json:"storage,omitempty,omitzero"`

	// storageClassName is the class of the volume; none: the seed's default class.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="storageClassName cannot be changed"
	StorageClassName string `json:"storageClassName,omitempty"`
}

// Component is what can be set of a component of the control plane.
type Component struct {
	// extraArgs are added to the component's flags, or replace those of the same name. Names are written without the
	// leading dashes. Flags by which the seed reaches the component, or the component its peers, are refused in status.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	ExtraArgs map[string]string `json:"extraArgs,omitempty"`
}

// APIServer is what can be set of kube-apiserver.
type APIServer struct {
	Component `json:",inline"`

	// certSANs are further names and addresses under which the API is reached; they are added to its certificate.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern="^(\\*\\.)?[A-Za-z0-9.:-]+$"
	CertSANs []string `json:"certSANs,omitempty"`
}

// CoreDNS is the DNS server inside the user cluster.
type CoreDNS struct {
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`
}

// NodePool is a set of like machines.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.provider.bringYourOwn)",message="autoscaling is for machines that Canopy makes, not for those of bringYourOwn"
type NodePool struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$"
	Name string `json:"name"`

	// replicas is how many machines there are. With autoscaling it is how many there are at first, brought into the range.
	//
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`

	// autoscaling lets cluster-autoscaler choose the number of machines; none: replicas is the number.
	//
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// version is the pool's kubelet version; none: that of the control plane. A change replaces the machines one by one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern="^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$"
	Version string `json:"version,omitempty"`

	// labels are set on the pool's nodes when they register. A change replaces the machines.
	//
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// taints are set on the pool's nodes when they register. A change replaces the machines.
	//
	// +optional
	// +listType=atomic
	Taints []corev1.Taint `json:"taints,omitempty"`

	// +required
	Provider Provider `json:"provider"`
}

// Autoscaling is the range in which cluster-autoscaler keeps the number of a pool's machines.
//
// +kubebuilder:validation:XValidation:rule="self.minReplicas <= self.maxReplicas",message="minReplicas must not be more than maxReplicas"
type Autoscaling struct {
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas int32 `json:"maxReplicas,omitempty"`
}

// HostedClusterStatus is what the cluster is.
type HostedClusterStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// version is what the control plane runs; while it rolls out it is the old one.
	//
	// +optional
	Version string `json:"version,omitempty"`

	// endpoint is where people and nodes reach the API, for example "https://203.0.113.7:31234".
	//
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// tlsServerName is the name that clients have to say in TLS when they connect to the endpoint; empty: the host of the
	// endpoint. In a kubeconfig it is the cluster's "tls-server-name".
	//
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`

	// certificateAuthority is the PEM-encoded certificate of the authority by which clients know the API.
	//
	// +optional
	CertificateAuthority string `json:"certificateAuthority,omitempty"`

	// exposeStrategy is the strategy that the endpoint is of.
	//
	// +optional
	ExposeStrategy ExposeStrategy `json:"exposeStrategy,omitempty"`

	// tunnelEndpoint is where the tunnel's clients reach its server, for example "203.0.113.7:31235". With the strategy
	// Gateway it is the address of the agent on each node.
	//
	// +optional
	TunnelEndpoint string `json:"tunnelEndpoint,omitempty"`

	// encryption is how the cluster's Secrets are stored; none: as they are.
	//
	// +optional
	Encryption *EncryptionStatus `json:"encryption,omitempty"`

	// components are the parts of the control plane and what runs inside the user cluster, sorted by name.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []ComponentStatus `json:"components,omitempty"`

	// nodePools are in the order of the spec; pools that are going away come last.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	NodePools []NodePoolStatus `json:"nodePools,omitempty"`

	// readyNodes is the number of ready nodes of all pools.
	//
	// +optional
	ReadyNodes int32 `json:"readyNodes"`
}

// ComponentStatus says whether one component is healthy, and if not, why.
type ComponentStatus struct {
	Name string `json:"name"`
	// +optional
	Ready bool `json:"ready"`
	// reason is one word, such as Running, Starting or ImageUnavailable.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says what the component waits for.
	//
	// +optional
	Message string `json:"message,omitempty"`
}

// NodePoolStatus counts the machines of one pool.
type NodePoolStatus struct {
	Name string `json:"name"`
	// wantedReplicas is the number of machines that there should be: the pool's replicas, or what cluster-autoscaler asks for.
	//
	// +optional
	WantedReplicas int32 `json:"wantedReplicas"`
	// replicas is the number of machines that exist.
	//
	// +optional
	Replicas int32 `json:"replicas"`
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// upToDateReplicas is the number of machines that have the pool's current version and settings.
	//
	// +optional
	UpToDateReplicas int32 `json:"upToDateReplicas"`
	// version is the version that the pool is on or going to.
	//
	// +optional
	Version string `json:"version,omitempty"`
	// message says what the pool waits for; empty when it is as it should be.
	//
	// +optional
	Message string `json:"message,omitempty"`
	// removed is there when the pool is no longer in the spec, until its last machine has gone.
	//
	// +optional
	Removed *RemovedPool `json:"removed,omitempty"`
}

// RemovedPool is what is still to be known of a pool that is no longer in the spec.
type RemovedPool struct {
	// provider is what its machines are; none: no machine says it.
	//
	// +optional
	Provider *Provider `json:"provider,omitempty"`
}

// HostedClusterList is a list of HostedClusters.
//
// +kubebuilder:object:root=true
type HostedClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HostedCluster `json:"items"`
}
