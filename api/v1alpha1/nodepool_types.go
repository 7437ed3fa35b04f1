// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// NodePool is a set of like machines of a Cluster in the same namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas
// +kubebuilder:selectablefield:JSONPath=.spec.cluster
// +kubebuilder:resource:shortName=np,categories=canopy
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=.spec.cluster
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Wanted",type=integer,JSONPath=.status.wantedReplicas
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=.status.readyReplicas
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=.status.version
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 40 lower-case letters, digits and '-', and start with a letter"
// +kubebuilder:validation:XValidation:rule="self.spec.cluster == oldSelf.spec.cluster",message="spec.cluster cannot be changed: make another NodePool"
type NodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec NodePoolSpec `json:"spec"`
	// +optional
	Status NodePoolStatus `json:"status,omitempty"`
}

// NodePoolSpec is what the pool should be.
type NodePoolSpec struct {
	// cluster is the name of the Cluster.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster"`

	MachinePool `json:",inline"`
}

// MachinePool is what is the same for all machines of a pool, and their number.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.provider.bringYourOwn)",message="autoscaling is for machines that Canopy makes, not for those of bringYourOwn"
type MachinePool struct {
	// replicas is how many machines there are. With autoscaling it is how many there are at first, brought into the range.
	//
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`

	// autoscaling lets cluster-autoscaler choose the number of machines; none: replicas is the number.
	//
	// +optional
	Autoscaling *hostingv1alpha1.Autoscaling `json:"autoscaling,omitempty"`

	// version is the pool's kubelet version; none: that of the control plane. A change replaces the machines one by one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern="^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$"
	Version string `json:"version,omitempty"`

	// labels are set on the pool's nodes when they register. A change replaces the machines.
	//
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// taints are set on the pool's nodes when they register. A change replaces the machines.
	//
	// +optional
	// +listType=atomic
	Taints []corev1.Taint `json:"taints,omitempty"`

	// provider says what the machines are at the provider of the cluster's datacenter.
	//
	// +required
	Provider hostingv1alpha1.Provider `json:"provider"`
}

// NodePoolStatus counts the machines of the pool.
type NodePoolStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// wantedReplicas is the number of machines that there should be: the pool's replicas, or what cluster-autoscaler asks for.
	//
	// +optional
	WantedReplicas int32 `json:"wantedReplicas"`
	// replicas is the number of machines that exist.
	//
	// +optional
	Replicas int32 `json:"replicas"`
	// +optional
	// +default=0
	ReadyReplicas int32 `json:"readyReplicas"`
	// upToDateReplicas is the number of machines that have the pool's current version and settings.
	//
	// +optional
	UpToDateReplicas int32 `json:"upToDateReplicas"`
	// version is the version that the pool is on or going to.
	//
	// +optional
	Version string `json:"version,omitempty"`
}

// NodePoolList is a list of NodePools.
//
// +kubebuilder:object:root=true
type NodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodePool `json:"items"`
}
