// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// BootstrapConfig is one machine's user data, by Cluster API's contract for bootstrap configurations: a cloud-config, or for
// Flatcar an Ignition config, that makes a plain Linux machine a node of the cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=.status.dataSecretName
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type BootstrapConfig struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec BootstrapConfigSpec `json:"spec,omitempty"`
	// +optional
	Status BootstrapConfigStatus `json:"status,omitempty"`
}

// BootstrapConfigSpec is what the machines of a pool have in common.
type BootstrapConfigSpec struct {
	// nodeLabels are set on the node when it registers.
	//
	// +optional
	NodeLabels map[string]string `json:"nodeLabels,omitempty"`
	// nodeTaints are set on the node when it registers.
	//
	// +optional
	// +listType=atomic
	NodeTaints []corev1.Taint `json:"nodeTaints,omitempty"`
	// endpoint is where the machine reaches the API, for example "https://203.0.113.7:31234". None: the
	// endpoint of the cluster.
	//
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// endpointAddress is the IP address of the endpoint's host, where no DNS server knows it.
	//
	// +optional
	EndpointAddress string `json:"endpointAddress,omitempty"`
	// exposeStrategy is the strategy that the endpoint is of. The endpoint is kept for as long as the machine lives.
	//
	// +optional
	ExposeStrategy ExposeStrategy `json:"exposeStrategy,omitempty"`
}

// BootstrapConfigStatus says where the user data is.
type BootstrapConfigStatus struct {
	// +optional
	Initialization BootstrapInitialization `json:"initialization,omitempty"`
	// dataSecretName is the Secret whose key "value" is the user data.
	//
	// +optional
	DataSecretName string `json:"dataSecretName,omitempty"`
	// tokenID is the public half of the token with which the machine asks for its certificate, once.
	//
	// +optional
	TokenID string `json:"tokenID,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BootstrapInitialization says how far the user data has come.
type BootstrapInitialization struct {
	// +optional
	DataSecretCreated bool `json:"dataSecretCreated,omitempty"`
}

// BootstrapConfigList is a list of BootstrapConfigs.
//
// +kubebuilder:object:root=true
type BootstrapConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BootstrapConfig `json:"items"`
}

// BootstrapConfigTemplate is what the BootstrapConfigs of a pool are made from.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
type BootstrapConfigTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a template cannot be changed: make another"
	Spec BootstrapConfigTemplateSpec `json:"spec"`
}

// BootstrapConfigTemplateSpec holds the template.
type BootstrapConfigTemplateSpec struct {
	// +required
	Template BootstrapConfigTemplateResource `json:"template"`
}

// BootstrapConfigTemplateResource is the BootstrapConfig to be made.
type BootstrapConfigTemplateResource struct {
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`
	// +optional
	Spec BootstrapConfigSpec `json:"spec,omitempty"`
}

// BootstrapConfigTemplateList is a list of BootstrapConfigTemplates.
//
// +kubebuilder:object:root=true
type BootstrapConfigTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BootstrapConfigTemplate `json:"items"`
}
