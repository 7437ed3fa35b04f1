// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Cluster is a user cluster of a project. Its control plane is on the seed of its datacenter.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=canopy
// +kubebuilder:selectablefield:JSONPath=.spec.datacenter
// +kubebuilder:selectablefield:JSONPath=.spec.preset
// +kubebuilder:selectablefield:JSONPath=.spec.version
// +kubebuilder:selectablefield:JSONPath=.status.seed
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Datacenter",type=string,JSONPath=.spec.datacenter
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.status.version
// +kubebuilder:printcolumn:name="Upgrade",type=string,JSONPath=.status.conditions[?(@.type=="UpgradeAvailable")].reason
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=.status.endpoint
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=.status.readyNodes
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="ID",type=string,priority=1,JSONPath=.status.id
// +kubebuilder:printcolumn:name="Seed",type=string,priority=1,JSONPath=.status.seed
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
// +kubebuilder:validation:XValidation:rule="self.spec.datacenter == oldSelf.spec.datacenter",message="spec.datacenter cannot be changed: make another Cluster"
// +kubebuilder:validation:XValidation:rule="self.spec.profile == oldSelf.spec.profile",message="spec.profile cannot be changed"
// +kubebuilder:validation:XValidation:rule="self.spec.network.podCIDR == oldSelf.spec.network.podCIDR && self.spec.network.serviceCIDR == oldSelf.spec.network.serviceCIDR && self.spec.network.dnsDomain == oldSelf.spec.network.dnsDomain && self.spec.network.agentAddress == oldSelf.spec.network.agentAddress",message="spec.network: podCIDR, serviceCIDR, dnsDomain and agentAddress cannot be changed"
// +kubebuilder:validation:XValidation:rule="int(self.spec.version.split('.')[1]) == int(oldSelf.spec.version.split('.')[1]) ? int(self.spec.version.split('.')[2]) >= int(oldSelf.spec.version.split('.')[2]) : int(self.spec.version.split('.')[1]) == int(oldSelf.spec.version.split('.')[1]) + 1",message="spec.version can only go up, one minor at a time"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.spec.etcd.storage) || !has(self.spec.etcd.storage) || quantity(self.spec.etcd.storage).compareTo(quantity(oldSelf.spec.etcd.storage)) >= 0",message="spec.etcd.storage cannot shrink"
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterSpec `json:"spec"`
	// +optional
	Status ClusterStatus `json:"status,omitempty"`
}

// ClusterSpec is what the cluster should be.
type ClusterSpec struct {
	// datacenter is the name of the Datacenter where the cluster's machines are.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Datacenter string `json:"datacenter"`

	// version is the Kubernetes version of the control plane, for example "1.37.2", for which there must be a Release. It
	// can only go up, one minor at a time. Node pools without a version of their own follow. With automatic upgrades the
	// control plane may have a later patch of the same minor.
	//
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern="^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$"
	Version string `json:"version"`

	// paused keeps everything about the cluster as it is: changes of this spec, of its pools and of the project's members wait,
	// and machines are neither made nor replaced nor deleted. A deletion is carried out all the same.
	//
	// +optional
	Paused bool `json:"paused,omitempty"`

	// preset is the name of the Preset with the credentials for the datacenter's provider; none: the provider needs none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Preset string `json:"preset,omitempty"`

	// cloudNetwork names what is there already at the datacenter's provider and is used as it is. What it does not name is
	// made for the cluster, and deleted with it.
	//
	// +optional
	CloudNetwork hostingv1alpha1.CloudNetwork `json:"cloudNetwork,omitempty,omitzero"`

	// sshKeys are the names of the SSHKeys of the project whose holders may log in to the cluster's machines; none: nobody
	// may. A change reaches the machines that run, and replaces none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	SSHKeys []string `json:"sshKeys,omitempty"`

	// profile says how the control plane is laid out in pods. Compact is one pod.
	//
	// +optional
	// +default="Compact"
	Profile hostingv1alpha1.Profile `json:"profile,omitempty"`

	// network is the cluster's own network, and its tunnel: the way from the control plane to it.
	//
	// +optional
	// +default={}
	Network hostingv1alpha1.Network `json:"network,omitempty"`

	// +optional
	// +default={}
	Expose ClusterExpose `json:"expose,omitempty"`

	// +optional
	// +default={}
	Etcd ClusterEtcd `json:"etcd,omitempty"`

	// encryption is how the cluster's Secrets are stored.
	//
	// +optional
	// +default={}
	Encryption hostingv1alpha1.Encryption `json:"encryption,omitempty"`

	// +optional
	APIServer hostingv1alpha1.APIServer `json:"apiServer,omitempty"`
	// +optional
	ControllerManager hostingv1alpha1.Component `json:"controllerManager,omitempty"`
	// +optional
	Scheduler hostingv1alpha1.Component `json:"scheduler,omitempty"`

	// +optional
	// +default={}
	CoreDNS hostingv1alpha1.CoreDNS `json:"coreDNS,omitempty"`

	// +optional
	// +default={}
	Monitoring hostingv1alpha1.Monitoring `json:"monitoring,omitempty"`

	// maintenance says which upgrades begin by themselves, and when.
	//
	// +optional
	Maintenance Maintenance `json:"maintenance,omitempty,omitzero"`
}

// ClusterExpose says how people and nodes reach the control plane.
type ClusterExpose struct {
	// strategy can be changed; the endpoint then changes and kubeconfigs have to be fetched anew. None: the seed's.
	//
	// +optional
	Strategy hostingv1alpha1.ExposeStrategy `json:"strategy,omitempty"`
}

// ClusterEtcd is the store of the control plane.
type ClusterEtcd struct {
	// storage is the size of the volume, which cannot shrink; none: the seed's.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(self).compareTo(quantity('512Mi')) >= 0",message="must be at least 512Mi"
	Storage *resource.Quantity `json:"storage,omitempty"`
}

// ClusterStatus is what the cluster is, as far as the master knows.
type ClusterStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// id names the HostedCluster on the seed, and its namespace cluster-<id>.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="id cannot be changed"
	ID string `json:"id,omitempty"`

	// seed is the name of the Seed that hosts the control plane.
	//
	// +optional
	Seed string `json:"seed,omitempty"`

	// applied identifies what the master has last written on the seed for the cluster, so that a master that starts need not write
	// it once more.
	//
	// +optional
	Applied string `json:"applied,omitempty"`

	// lastContact is when the seed was last heard of, to half a minute, if it is not any more: what follows was true then.
	// Empty while it answers.
	//
	// +optional
	LastContact *metav1.Time `json:"lastContact,omitempty"`

	// version is what the control plane runs; while it rolls out it is the old one.
	//
	// +optional
	Version string `json:"version,omitempty"`

	// targetVersion is the version that the control plane has or goes to: spec.version, or a later patch that came by itself.
	//
	// +optional
	TargetVersion string `json:"targetVersion,omitempty"`

	// availableUpgrades are the versions to which spec.version could be set now, the newest last: the newest five of its
	// own minor and of the next.
	//
	// +optional
	// +listType=atomic
	AvailableUpgrades []string `json:"availableUpgrades,omitempty"`

	// maintenance is how far automatic upgrades are.
	//
	// +optional
	Maintenance *MaintenanceStatus `json:"maintenance,omitempty"`

	// endpoint is where people and nodes reach the API.
	//
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// tlsServerName is the name that clients have to say in TLS when they connect to the endpoint; empty: the host of the
	// endpoint.
	//
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`

	// certificateAuthority is the PEM-encoded certificate of the authority by which clients know the API.
	//
	// +optional
	CertificateAuthority string `json:"certificateAuthority,omitempty"`

	// components are the parts of the control plane and what runs inside the user cluster, sorted by name.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []hostingv1alpha1.ComponentStatus `json:"components,omitempty"`

	// nodePools are those that the seed knows; pools that are going away come last.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	NodePools []hostingv1alpha1.NodePoolStatus `json:"nodePools,omitempty"`

	// readyNodes is the number of ready nodes of all pools.
	//
	// +optional
	// +default=0
	ReadyNodes int32 `json:"readyNodes"`
}

// ClusterList is a list of Clusters.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}
