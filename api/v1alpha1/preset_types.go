// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Preset is credentials for a provider, which members of projects can use and not read.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=.spec.secretName
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=.spec.provider
// +kubebuilder:printcolumn:name="Projects",type=string,JSONPath=.spec.projects
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type Preset struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec PresetSpec `json:"spec"`
	// +optional
	Status PresetStatus `json:"status,omitempty"`
}

// PresetSpec says where the credentials are and who may use them.
type PresetSpec struct {
	// provider is where the credentials are valid.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="provider cannot be changed: make another Preset"
	Provider hostingv1alpha1.ProviderName `json:"provider"`

	// secretName is the name of the Secret with the credentials, in the namespace canopy-system. It is copied to the
	// seeds of the clusters that use the preset.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`

	// projects are those that may use the preset; none: all.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=50
	Projects []string `json:"projects,omitempty"`
}

// PresetStatus is what the provider says of the credentials.
type PresetStatus struct {
	// verified is when the credentials were last found to be good at every Datacenter of the provider. They are tried when
	// they, the preset or a Datacenter change, and every day. What they are tried for changes nothing.
	//
	// +optional
	Verified *metav1.Time `json:"verified,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PresetList is a list of Presets.
//
// +kubebuilder:object:root=true
type PresetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Preset `json:"items"`
}
