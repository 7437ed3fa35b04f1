// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Cloud is where a cluster's machines are, and what they have in common there.
type Cloud struct {
	// +required
	Place Place `json:"place"`

	// network names what is there already and is used as it is. What it does not name is made for the cluster, tagged with
	// its name, and deleted with it.
	//
	// +optional
	Network CloudNetwork `json:"network,omitempty,omitzero"`
}

// CloudNetwork is what the machines of a cluster have in common at their provider, by the provider's own names or
// identifiers.
type CloudNetwork struct {
	// network is the VPC, the virtual network, or in vSphere the port group.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Network string `json:"network,omitempty"`
	// subnets of the network, for machines of different zones.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	Subnets []string `json:"subnets,omitempty"`
	// securityGroups are what lets traffic in: security groups, firewalls or network tags.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// role is what machines may do at the provider: an instance profile, a service account or a managed identity.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Role string `json:"role,omitempty"`
	// resourceGroup is Azure's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=90
	ResourceGroup string `json:"resourceGroup,omitempty"`
}

// ProviderCluster is what the machines of one cluster have in common at a cloud, by Cluster API's contract for
// infrastructure clusters: it is there before the first machine, and goes after the last.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Network",type=string,JSONPath=.status.network.network
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].message
type ProviderCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ProviderClusterSpec `json:"spec"`
	// +optional
	Status ProviderClusterStatus `json:"status,omitempty"`
}

// ProviderClusterSpec is where it is.
type ProviderClusterSpec struct {
	Cloud `json:",inline"`
}

// ProviderClusterStatus is what there is.
type ProviderClusterStatus struct {
	// +optional
	Initialization ClusterInitialization `json:"initialization,omitempty"`
	// network is what the machines use, whether made for the cluster or named by its spec.
	//
	// +optional
	Network CloudNetwork `json:"network,omitempty,omitzero"`
	// observed says of which spec and of which credentials the network was last looked at: the generation, and UID and resource
	// version of the Secret. observedTime is when that was.
	//
	// +optional
	Observed string `json:"observed,omitempty"`
	// +optional
	ObservedTime *metav1.Time `json:"observedTime,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ClusterInitialization says how far it is.
type ClusterInitialization struct {
	// provisioned turns true when machines can be made, and stays true.
	//
	// +optional
	Provisioned bool `json:"provisioned,omitempty"`
}

// ProviderClusterList is a list of ProviderClusters.
//
// +kubebuilder:object:root=true
type ProviderClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProviderCluster `json:"items"`
}
