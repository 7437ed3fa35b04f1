// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterTemplate is a Cluster and its NodePools to be made again and again, by ClusterSets. One in a project's namespace is
// for that project, one in canopy-system for all. A change comes to clusters as far as their ClusterSet approves it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=canopy
// +kubebuilder:printcolumn:name="Datacenter",type=string,JSONPath=.spec.cluster.datacenter
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.spec.cluster.version
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type ClusterTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterTemplateSpec `json:"spec"`
}

// ClusterTemplateSpec is what is made.
type ClusterTemplateSpec struct {
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Description string `json:"description,omitempty"`

	// +required
	Cluster ClusterSpec `json:"cluster"`

	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	NodePools []TemplateNodePool `json:"nodePools,omitempty"`
}

// TemplateNodePool is a NodePool to be made.
type TemplateNodePool struct {
	// name and the cluster's make the NodePool's name.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$"
	Name string `json:"name"`

	MachinePool `json:",inline"`
}

// ClusterTemplateList is a list of ClusterTemplates.
//
// +kubebuilder:object:root=true
type ClusterTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterTemplate `json:"items"`
}
