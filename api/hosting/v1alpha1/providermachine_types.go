// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// ProviderMachine is one instance at a provider, by Cluster API's contract for infrastructure machines.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:printcolumn:name="Provisioned",type=boolean,JSONPath=.status.initialization.provisioned
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="ProviderID",type=string,JSONPath=.spec.providerID
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type ProviderMachine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ProviderMachineSpec `json:"spec"`
	// +optional
	Status ProviderMachineStatus `json:"status,omitempty"`
}

// ProviderMachineSpec is what the instance should be.
type ProviderMachineSpec struct {
	// providerID is set by the controller once the instance has one, and equals the node's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ProviderID string `json:"providerID,omitempty"`

	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="provider cannot be changed: machines are replaced"
	Provider Provider `json:"provider"`
}

// ProviderMachineStatus is what the instance is.
type ProviderMachineStatus struct {
	// +optional
	Initialization MachineInitialization `json:"initialization,omitempty"`
	// +optional
	// +listType=atomic
	Addresses []clusterv1.MachineAddress `json:"addresses,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MachineInitialization says how far the instance has come.
type MachineInitialization struct {
	// provisioned turns true when the instance runs, and stays true.
	//
	// +optional
	Provisioned bool `json:"provisioned,omitempty"`
}

// ProviderMachineList is a list of ProviderMachines.
//
// +kubebuilder:object:root=true
type ProviderMachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProviderMachine `json:"items"`
}

// ProviderMachineTemplate is what the ProviderMachines of a pool are made from.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
type ProviderMachineTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a template cannot be changed: make another"
	Spec ProviderMachineTemplateSpec `json:"spec"`
}

// ProviderMachineTemplateSpec holds the template.
type ProviderMachineTemplateSpec struct {
	// +required
	Template ProviderMachineTemplateResource `json:"template"`
}

// ProviderMachineTemplateResource is the ProviderMachine to be made.
type ProviderMachineTemplateResource struct {
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`
	// +required
	Spec ProviderMachineSpec `json:"spec"`
}

// ProviderMachineTemplateList is a list of ProviderMachineTemplates.
//
// +kubebuilder:object:root=true
type ProviderMachineTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProviderMachineTemplate `json:"items"`
}
