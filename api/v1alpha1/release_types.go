// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Release is a version of Kubernetes that clusters may have.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=.spec.default
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=.spec.endOfLife
// +kubebuilder:printcolumn:name="Blocked",type=string,JSONPath=.spec.blocked
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^1[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)$')",message="metadata.name must be a version such as 1.37.2"
type Release struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ReleaseSpec `json:"spec,omitempty"`
}

// ReleaseSpec says who may have the release, and what people should know of it.
type ReleaseSpec struct {
	// default offers the release to people who have not chosen one.
	//
	// +optional
	Default bool `json:"default,omitempty"`

	// endOfLife is the day (in UTC), for example "2027-10-28", from which on the release gets no fixes any more. No new
	// cluster gets it then. Clusters that have it keep it, and older ones may pass through it.
	//
	// +optional
	// +kubebuilder:validation:Format=date
	// +kubebuilder:validation:MaxLength=10
	EndOfLife string `json:"endOfLife,omitempty"`

	// blocked is why no cluster may be made with the release or upgraded to it, for example "loses volumes on AWS". Clusters
	// that have it keep it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Blocked string `json:"blocked,omitempty"`

	// upgradesFrom are the versions, for example "1.36.3", and minors, for example "1.37", from which clusters may be
	// upgraded to the release; none: all older patches of its own minor, and all of the minor before. It can only narrow
	// that.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=16
	// +kubebuilder:validation:items:Pattern="^1\\.(0|[1-9][0-9]*)(\\.(0|[1-9][0-9]*))?$"
	UpgradesFrom []string `json:"upgradesFrom,omitempty"`
}

// ReleaseList is a list of Releases.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}
