// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Announcement is something that everybody on the platform is to know, for example of a maintenance. Clients show it; nothing else
// comes of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Severity",type=string,JSONPath=.spec.severity
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=.spec.from
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=.spec.until
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=.spec.message
type Announcement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AnnouncementSpec `json:"spec"`
}

// AnnouncementSpec says what, and when it is to be shown.
//
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || self.from < self.until",message="until must be after from"
type AnnouncementSpec struct {
	// message is plain text, for example "The seed in Frankfurt gets more memory on Sunday. Clusters go on.".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1000
	Message string `json:"message"`

	// severity says how it is shown.
	//
	// +optional
	// +default="Info"
	Severity AnnouncementSeverity `json:"severity,omitempty"`

	// from is when it is shown first; none: at once.
	//
	// +optional
	From *metav1.Time `json:"from,omitempty"`

	// until is when it is not shown any more; none: as long as it is there.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// AnnouncementSeverity is how much somebody has to mind.
//
// +kubebuilder:validation:Enum=Info;Warning;Critical
type AnnouncementSeverity string

// How much somebody has to mind.
const (
	AnnouncementInfo     AnnouncementSeverity = "Info"
	AnnouncementWarning  AnnouncementSeverity = "Warning"
	AnnouncementCritical AnnouncementSeverity = "Critical"
)

// AnnouncementList is a list of Announcements.
//
// +kubebuilder:object:root=true
type AnnouncementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Announcement `json:"items"`
}
