// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// User is a person who may log in. What a user may do in a project is said by the Project.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=.spec.email
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=.spec.email
// +kubebuilder:printcolumn:name="Admin",type=boolean,JSONPath=.spec.admin
// +kubebuilder:printcolumn:name="Viewer",type=boolean,JSONPath=.spec.globalViewer
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type User struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec UserSpec `json:"spec"`
	// +optional
	Status UserStatus `json:"status,omitempty"`
}

// UserSpec says who the user is and what the user may do on the whole platform.
type UserSpec struct {
	// email is the user's name for Kubernetes' RBAC, in lower case, as the login's issuer reports it.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@\\\\sA-Z]+@[^@\\\\sA-Z]+$')",message="must be an e-mail address in lower case"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="email cannot be changed: make another User"
	Email string `json:"email"`

	// admin lets the user see and change everything on the master.
	//
	// +optional
	Admin bool `json:"admin,omitempty"`

	// globalViewer lets the user see all projects and what is in them, Secrets excepted.
	//
	// +optional
	GlobalViewer bool `json:"globalViewer,omitempty"`
}

// UserStatus says whether the spec is in force, and where the user is a member.
type UserStatus struct {
	// projects are those with the user among their members, sorted by name. Those of which a group of the user's is a member
	// are not known here: groups are in the token of a login, and nowhere else.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Projects []UserProject `json:"projects,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UserProject is a project that the user is a member of.
type UserProject struct {
	// +required
	Name string `json:"name"`
	// +required
	Role Role `json:"role"`
}

// UserList is a list of Users.
//
// +kubebuilder:object:root=true
type UserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []User `json:"items"`
}
