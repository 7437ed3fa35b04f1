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
// +kubebuilder:selectablefield:JSONPath=.spec.secretName
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=.spec.provider
// +kubebuilder:printcolumn:name="Projects",type=string,JSONPath=.spec.projects
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type Preset struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec PresetSpec `json:"spec"`
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

// PresetList is a list of Presets.
//
// +kubebuilder:object:root=true
type PresetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Preset `json:"items"`
}
