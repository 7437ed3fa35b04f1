// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Seed is a Kubernetes cluster that hosts the control planes of user clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=.spec.kubeconfigSecretName
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=.spec.location
// +kubebuilder:printcolumn:name="Kubernetes",type=string,JSONPath=.status.kubernetesVersion
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.status.installedVersion
// +kubebuilder:printcolumn:name="Drained",type=boolean,priority=1,JSONPath=.spec.drained
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=.status.clusters
// +kubebuilder:printcolumn:name="Contact",type=date,JSONPath=.status.lastContact
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
type Seed struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec SeedSpec `json:"spec,omitempty"`
	// +optional
	Status SeedStatus `json:"status,omitempty"`
}

// InstallMode says who installs Canopy on a seed.
//
// +kubebuilder:validation:Enum=Managed;Manual
type InstallMode string

const (
	// InstallManaged is for seeds that the master installs and upgrades.
	InstallManaged InstallMode = "Managed"
	// InstallManual is for seeds that somebody else installs and upgrades.
	InstallManual InstallMode = "Manual"
)

// SeedSpec says how to reach the seed, what is installed there, and what its clusters get where they do not say.
//
// +kubebuilder:validation:XValidation:rule="!has(self.kubeconfigSecretName) || self.kubeconfigSecretName.size() == 0 || has(self.install) && self.install == 'Manual' || has(self.address) && self.address.size() > 0",message="address is required where the master installs: give the IP address of the seed's nodes, or set install to Manual"
type SeedSpec struct {
	// kubeconfigSecretName is the name of the Secret, in the namespace canopy-system, whose key kubeconfig is the seed's
	// kubeconfig; none: the seed is the master's own cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KubeconfigSecretName string `json:"kubeconfigSecretName,omitempty"`

	// location is where the seed is, for people, for example "Google Cloud us-east1".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Location string `json:"location,omitempty"`

	// country is where the seed is, as two letters by ISO 3166.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Z]{2}$"
	Country string `json:"country,omitempty"`

	// drained keeps new clusters away. Those that are there stay.
	//
	// +optional
	Drained bool `json:"drained,omitempty"`

	// install says who installs and upgrades Canopy there: Managed, the master; Manual, somebody else, such as
	// "canopy install". The master's own cluster is never installed by the master.
	//
	// +optional
	// +kubebuilder:default=Managed
	Install InstallMode `json:"install,omitempty"`

	// address is the IP address of the seed's nodes under which people and machines reach node ports. It and what follows
	// say what the master installs.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="self.size() == 0 || isIP(self)",message="must be an IP address"
	Address string `json:"address,omitempty"`

	// reservedCIDRs are ranges that user clusters may not use, because the seed does: those of its nodes, pods and Services.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=50
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="must be ranges such as 10.0.0.0/8"
	ReservedCIDRs []string `json:"reservedCIDRs,omitempty"`

	// registryMirror is the URL of a registry that machines pull all images from first; none: each image's own registry.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RegistryMirror string `json:"registryMirror,omitempty"`

	// +optional
	Proxy SeedProxy `json:"proxy,omitempty,omitzero"`

	// gateway leads to all control planes at one address, by name; none: there is no gateway.
	//
	// +optional
	Gateway *SeedGateway `json:"gateway,omitempty"`

	// +optional
	Manager SeedManager `json:"manager,omitempty,omitzero"`

	// +optional
	Monitoring SeedMonitoring `json:"monitoring,omitempty,omitzero"`

	// +optional
	Defaults ClusterDefaults `json:"defaults,omitempty,omitzero"`

	// maxAutomaticUpgrades is how many of the seed's clusters are upgraded at the same time: no upgrade begins by itself
	// while as many are under way. Upgrades that people ask for never wait. 0: none begins by itself.
	//
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxAutomaticUpgrades *int32 `json:"maxAutomaticUpgrades,omitempty"`
}

// SeedProxy is what the machines of the seed's clusters download packages, kubelet and images through.
type SeedProxy struct {
	// http is the URL of the proxy for http.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	HTTP string `json:"http,omitempty"`

	// https is the URL of the proxy for https.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	HTTPS string `json:"https,omitempty"`

	// no is what is reached without the proxy, separated by commas.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2000
	No string `json:"no,omitempty"`
}

// SeedGateway is the seed's gateway.
//
// +kubebuilder:validation:XValidation:rule="self.serviceType == 'LoadBalancer' || has(self.nodePort)",message="nodePort is required where serviceType is NodePort"
type SeedGateway struct {
	// domain is a DNS domain of which the seed's clusters become subdomains, for example "seed-eu.example.com". A record
	// "*.<domain>" has to lead to the gateway's address.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=190
	Domain string `json:"domain"`

	// address is the gateway's IP address, where there is no such record: machines and kubeconfigs are told the address
	// with the name.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="self.size() == 0 || isIP(self)",message="must be an IP address"
	Address string `json:"address,omitempty"`

	// serviceType is how the gateway is reached.
	//
	// +optional
	// +kubebuilder:validation:Enum=LoadBalancer;NodePort
	// +kubebuilder:default=LoadBalancer
	ServiceType corev1.ServiceType `json:"serviceType,omitempty"`

	// port is the load balancer's.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:default=443
	Port int32 `json:"port,omitempty"`

	// nodePort is the port of each node.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort,omitempty"`

	// annotations of the gateway's Service, which some load balancers are told by what they should be.
	//
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// replicas is how many pods the gateway has.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:default=2
	Replicas int32 `json:"replicas,omitempty"`
}

// SeedManager is what runs the seed's control planes.
type SeedManager struct {
	// replicas is how many pods it has, of which one works.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	Replicas *int32 `json:"replicas,omitempty"`

	// resources are those of each pod; none: the chart's.
	//
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// SeedMonitoring is the Prometheus and the Alertmanager for the whole seed. Clusters have a Prometheus of their own.
type SeedMonitoring struct {
	// disabled: neither is installed.
	//
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// alertmanager is the host and port of another Alertmanager that alerts of all clusters go to.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Alertmanager string `json:"alertmanager,omitempty"`

	// retention is how long samples are kept, for example "15d"; none: the chart's.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^([0-9]+[smhdwy])+$"
	Retention string `json:"retention,omitempty"`

	// storage is the size of Prometheus' volume; none: the chart's.
	//
	// +optional
	Storage *resource.Quantity `json:"storage,omitempty"`

	// storageClassName is the class of that volume; none: the seed's default class.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName string `json:"storageClassName,omitempty"`
}

// ClusterDefaults are what the clusters of a seed get where they do not say.
type ClusterDefaults struct {
	// exposeStrategy says how people and nodes reach a control plane; none: the seed manager's.
	//
	// +optional
	ExposeStrategy hostingv1alpha1.ExposeStrategy `json:"exposeStrategy,omitempty"`

	// etcdStorage is the size of etcd's volume. A change is for new clusters.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(self).compareTo(quantity('512Mi')) >= 0",message="must be at least 512Mi"
	EtcdStorage *resource.Quantity `json:"etcdStorage,omitempty"`

	// etcdStorageClassName is the class of etcd's volume; none: the seed's default class. A change is for new clusters.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	EtcdStorageClassName string `json:"etcdStorageClassName,omitempty"`
}

// SeedStatus is what the seed is.
type SeedStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// kubernetesVersion is the version of the seed's API server, for example "v1.37.2".
	//
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// installedVersion is the version of Canopy that the master installed there last.
	//
	// +optional
	InstalledVersion string `json:"installedVersion,omitempty"`
	// capacity is what the seed's nodes have and what is asked of them.
	//
	// +optional
	Capacity *SeedCapacity `json:"capacity,omitempty"`
	// clusters is the number of clusters that are placed on the seed.
	//
	// +optional
	// +default=0
	Clusters int32 `json:"clusters"`
	// clusterUID tells Kubernetes clusters apart: it is the UID of the seed's namespace kube-system.
	//
	// +optional
	ClusterUID string `json:"clusterUID,omitempty"`
	// credentialsExpire is when the master's credentials there do. Those that "canopy seed add" made are renewed long before.
	//
	// +optional
	CredentialsExpire *metav1.Time `json:"credentialsExpire,omitempty"`
	// lastContact is when the seed's API last answered, to half a minute.
	//
	// +optional
	LastContact *metav1.Time `json:"lastContact,omitempty"`
}

// SeedCapacity is what nodes have that take pods, and what the pods there ask for.
type SeedCapacity struct {
	// time is when it was counted; it is every few minutes.
	Time metav1.Time `json:"time"`
	// nodes is the number of nodes that are ready and take pods.
	//
	// +optional
	Nodes int32 `json:"nodes"`
	// cpu is in cores.
	CPU ResourceUse `json:"cpu"`
	// memory is in bytes.
	Memory ResourceUse `json:"memory"`
	// pods is the number of pods.
	Pods ResourceUse `json:"pods"`
}

// ResourceUse is how much there is of a resource and how much of it is asked for.
type ResourceUse struct {
	// allocatable is what pods can have.
	Allocatable resource.Quantity `json:"allocatable"`
	// requested is what the pods that run there ask for.
	Requested resource.Quantity `json:"requested"`
}

// SeedList is a list of Seeds.
//
// +kubebuilder:object:root=true
type SeedList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Seed `json:"items"`
}
