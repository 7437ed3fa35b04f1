// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Datacenter is a place at a provider where the machines of user clusters can be, and the seed that hosts their control
// planes.
//
// +kubebuilder:object:root=true
// +kubebuilder:selectablefield:JSONPath=.spec.seed
// +kubebuilder:resource:scope=Cluster,shortName=dc,categories=canopy
// +kubebuilder:printcolumn:name="Seed",type=string,JSONPath=.spec.seed
// +kubebuilder:printcolumn:name="Country",type=string,JSONPath=.spec.country
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=.spec.location
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
// +kubebuilder:validation:XValidation:rule="has(self.spec.provider.aws) == has(oldSelf.spec.provider.aws) && has(self.spec.provider.azure) == has(oldSelf.spec.provider.azure) && has(self.spec.provider.digitalocean) == has(oldSelf.spec.provider.digitalocean) && has(self.spec.provider.gcp) == has(oldSelf.spec.provider.gcp) && has(self.spec.provider.hetzner) == has(oldSelf.spec.provider.hetzner) && has(self.spec.provider.openstack) == has(oldSelf.spec.provider.openstack) && has(self.spec.provider.vsphere) == has(oldSelf.spec.provider.vsphere) && has(self.spec.provider.bringYourOwn) == has(oldSelf.spec.provider.bringYourOwn) && has(self.spec.provider.local) == has(oldSelf.spec.provider.local)",message="spec.provider cannot become another provider's: make another Datacenter"
type Datacenter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec DatacenterSpec `json:"spec"`
}

// DatacenterSpec says where the datacenter is and who may use it.
type DatacenterSpec struct {
	// seed is the name of the Seed that hosts the control planes. A change is for new clusters: those that are there stay
	// on their seed.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Seed string `json:"seed"`

	// country is where the datacenter is, as two letters by ISO 3166.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Z]{2}$"
	Country string `json:"country,omitempty"`

	// location is where the datacenter is, for people, for example "Frankfurt".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Location string `json:"location,omitempty"`

	// +required
	Provider hostingv1alpha1.Place `json:"provider"`

	// node is what machines in the datacenter need to know of it, and how large they may be.
	//
	// +optional
	Node DatacenterNode `json:"node,omitempty,omitzero"`

	// projects are those that may use the datacenter; none: all.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=50
	Projects []string `json:"projects,omitempty"`

	// requiredEmails are e-mail addresses, or their domains with an @ in front: only projects all of whose users are
	// among them may use the datacenter; none: all. Groups and service accounts are not looked at.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:Pattern="^[^@\\sA-Z]*@[^@\\sA-Z]+$"
	RequiredEmails []string `json:"requiredEmails,omitempty"`
}

// DatacenterNode is what machines in a datacenter need to know of it, and how large they may be.
type DatacenterNode struct {
	hostingv1alpha1.NodeSettings `json:",inline"`

	// sizes are how large machines may be that are not sold in sizes of the provider's own, such as local ones; none: as they
	// like. Pools that are there already stay as they are.
	//
	// +optional
	Sizes *MachineSizes `json:"sizes,omitempty"`
}

// MachineSizes are how large machines may be.
type MachineSizes struct {
	// cpu in cores.
	//
	// +optional
	CPU *QuantityRange `json:"cpu,omitempty"`
	// memory in bytes.
	//
	// +optional
	Memory *QuantityRange `json:"memory,omitempty"`
}

// QuantityRange is from min to max; either may be missing.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="min must not be more than max"
type QuantityRange struct {
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
}

// DatacenterList is a list of Datacenters.
//
// +kubebuilder:object:root=true
type DatacenterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Datacenter `json:"items"`
}
