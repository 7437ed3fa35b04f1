// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuditRecord says who has changed what through the API, logged in or out there, or tried to. It is written before the change is made, and completed with
// what has come of it; then nobody can change it. One that is not complete is of a server that did not live to see the result.
// What is in a project is recorded in its namespace, and the rest in canopy-system. The newest have the names that sort first.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=canopy
// +kubebuilder:printcolumn:name="Time",type=date,JSONPath=.spec.time
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=.spec.user
// +kubebuilder:printcolumn:name="Verb",type=string,JSONPath=.spec.verb
// +kubebuilder:printcolumn:name="Resource",type=string,JSONPath=.spec.resource
// +kubebuilder:printcolumn:name="Object",type=string,JSONPath=.spec.name
// +kubebuilder:printcolumn:name="Result",type=integer,JSONPath=.result.status
// +kubebuilder:printcolumn:name="Code",type=string,JSONPath=.result.code
// +kubebuilder:validation:XValidation:rule="self.spec == oldSelf.spec && (!has(oldSelf.result) || has(self.result) && self.result == oldSelf.result)",message="what is recorded cannot be changed"
type AuditRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AuditRecordSpec `json:"spec"`
	// result is what has come of it.
	//
	// +optional
	Result *AuditResult `json:"result,omitempty"`
}

// AuditRecordSpec is what somebody wanted to do.
type AuditRecordSpec struct {
	// +required
	Time metav1.MicroTime `json:"time"`

	// user is who asked, by the name that has the rights.
	//
	// +required
	// +kubebuilder:validation:MaxLength=512
	User string `json:"user"`

	// groups are those that the login's issuer said.
	//
	// +optional
	// +listType=atomic
	Groups []string `json:"groups,omitempty"`

	// token identifies the credentials and lets nobody in: a token of a service account as the list of its tokens does, a browser's
	// session as the record of its login does, others by what they say themselves.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Token string `json:"token,omitempty"`

	// verb is create, update, patch or delete, or login or logout.
	//
	// +required
	// +kubebuilder:validation:MaxLength=63
	Verb string `json:"verb"`

	// resource is what the API calls the kind, for example "clusters"; of logins "sessions".
	//
	// +required
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource"`

	// project that the object is in; empty: in none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Project string `json:"project,omitempty"`

	// cluster that the object belongs to; empty: it is one, or belongs to none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Cluster string `json:"cluster,omitempty"`

	// name of the object.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// changeHash identifies the body of the request, which is not recorded: it may hold what is nobody's business.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ChangeHash string `json:"changeHash,omitempty"`

	// fields are those that a request to change something names, for example "spec.replicas".
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Fields []string `json:"fields,omitempty"`

	// requestID is how the request is called in the server's log.
	//
	// +required
	// +kubebuilder:validation:MaxLength=64
	RequestID string `json:"requestId"`

	// source is the address that the request came from, as far as the server sees it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Source string `json:"source,omitempty"`

	// userAgent is the program that asked, as it calls itself.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	UserAgent string `json:"userAgent,omitempty"`
}

// AuditResult is what has come of a request.
type AuditResult struct {
	// status is that of the HTTP response.
	//
	// +required
	Status int32 `json:"status"`

	// code is that of the problem; empty: there was none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Code string `json:"code,omitempty"`

	// detail says why the request was refused.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Detail string `json:"detail,omitempty"`

	// name of the object, if Kubernetes has chosen it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the object.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`

	// generation of the object afterwards: what is to be done is done when the object's status is of this generation.
	//
	// +optional
	Generation int64 `json:"generation,omitempty"`
}

// AuditRecordList is a list of AuditRecords.
//
// +kubebuilder:object:root=true
type AuditRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuditRecord `json:"items"`
}
