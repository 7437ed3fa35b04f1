// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HostedControlPlane is what Cluster API asks about a control plane, by its contract for control plane providers, and about
// what a cluster's machines have in common, by its contract for infrastructure clusters: without the latter its health
// checks replace no machine. It only mirrors the HostedCluster of the same name. It is a kind of its own because Cluster API
// deletes the control plane together with its Cluster, while here the Cluster goes because its HostedCluster does.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:printcolumn:name="Initialized",type=boolean,JSONPath=.status.initialization.controlPlaneInitialized
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.status.version
type HostedControlPlane struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec HostedControlPlaneSpec `json:"spec"`
	// +optional
	Status HostedControlPlaneStatus `json:"status,omitempty"`
}

// HostedControlPlaneSpec mirrors the spec of the HostedCluster.
type HostedControlPlaneSpec struct {
	// version is the wanted Kubernetes version with a leading v, as Cluster API writes it.
	//
	// +required
	// +kubebuilder:validation:MaxLength=17
	Version string `json:"version"`
}

// HostedControlPlaneStatus mirrors the status of the HostedCluster.
type HostedControlPlaneStatus struct {
	// +optional
	Initialization ControlPlaneInitialization `json:"initialization,omitempty"`
	// version is the running Kubernetes version with a leading v.
	//
	// +optional
	Version string `json:"version,omitempty"`
	// externalManagedControlPlane is always true: the control plane has no machines.
	//
	// +optional
	ExternalManagedControlPlane bool `json:"externalManagedControlPlane,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ControlPlaneInitialization says whether machines may join.
type ControlPlaneInitialization struct {
	// controlPlaneInitialized turns true when the API has answered at the cluster's endpoint, and stays true.
	//
	// +optional
	ControlPlaneInitialized bool `json:"controlPlaneInitialized,omitempty"`
	// provisioned turns true at the same time, and stays true: there is nothing else that machines would have in common.
	//
	// +optional
	Provisioned bool `json:"provisioned,omitempty"`
}

// HostedControlPlaneList is a list of HostedControlPlanes.
//
// +kubebuilder:object:root=true
type HostedControlPlaneList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HostedControlPlane `json:"items"`
}
