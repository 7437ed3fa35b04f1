// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AccessRequest asks for a short-lived client certificate for a cluster of its project: for when the login does not work, for
// programs, and for machines of bringYourOwn that join. It is deleted when the certificate has run out. Nothing in it is secret.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=canopy
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=.spec.cluster
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=.spec.user
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=.spec.role
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=.status.expires
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type AccessRequest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an AccessRequest cannot be changed: make another"
	Spec AccessRequestSpec `json:"spec"`
	// +optional
	Status AccessRequestStatus `json:"status,omitempty"`
}

// AccessRequestSpec says who wants in, and as what.
//
// +kubebuilder:validation:XValidation:rule="self.role == 'Person' || !has(self.groups) || self.groups.size() == 0",message="groups are for the role Person only"
// +kubebuilder:validation:XValidation:rule="self.role != 'Person' || !self.user.startsWith('system:') && !self.user.startsWith('canopy:')",message="the role Person is for people: names that start with system: or canopy: are not theirs"
// +kubebuilder:validation:XValidation:rule="self.role != 'Person' || !has(self.ttl) || duration(self.ttl) <= duration('1h')",message="ttl: with the role Person an hour at the most"
// +kubebuilder:validation:XValidation:rule="(self.role == 'Machine') == has(self.machine) && (self.role == 'Machine') == has(self.nodePool)",message="machine and nodePool are for the role Machine, which needs them"
type AccessRequestSpec struct {
	// cluster is the name of the Cluster, in the same namespace.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster"`

	// user is the name of whoever makes the request; it cannot be another.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	User string `json:"user"`

	// groups are those of the user that the certificate is for, with the role Person.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.all(g, !g.startsWith('system:') && !g.startsWith('canopy:'))",message="groups that start with system: or canopy: are nobody's own"
	Groups []string `json:"groups,omitempty"`

	// role is what the certificate allows: Admin, everything; Viewer, to see everything but Secrets; Person, what the user may do
	// there anyway; Machine, to become the node of a machine that waits for one.
	//
	// +required
	Role CertificateRole `json:"role"`

	// machine is the name of the machine of a pool of bringYourOwn, with the role Machine.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Machine string `json:"machine,omitempty"`

	// nodePool is the name of the machine's NodePool, with the role Machine.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	NodePool string `json:"nodePool,omitempty"`

	// ttl is how long the certificate is valid.
	//
	// +optional
	// +default="1h"
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10m') && duration(self) <= duration('24h')",message="must be between ten minutes and a day, such as 1h"
	TTL string `json:"ttl,omitempty"`

	// request is a PEM-encoded PKCS #10 certificate request, for the common name <user> and the organization "canopy:admins",
	// for "canopy:viewer:<user>" and "canopy:viewers", for <user> and the groups, or for "canopy:machine:<machine>" and
	// "system:bootstrappers:canopy". Its key stays with whoever made it.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Request string `json:"request"`
}

// CertificateRole is what a certificate allows.
//
// +kubebuilder:validation:Enum=Admin;Viewer;Person;Machine
type CertificateRole string

// What a certificate may allow.
const (
	CertificateAdmin   CertificateRole = "Admin"
	CertificateViewer  CertificateRole = "Viewer"
	CertificatePerson  CertificateRole = "Person"
	CertificateMachine CertificateRole = "Machine"
)

// AccessRequestStatus has the certificate.
type AccessRequestStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// certificate is the PEM-encoded certificate.
	//
	// +optional
	Certificate string `json:"certificate,omitempty"`
	// script is what the machine runs, with the certificate and its key behind it: a shell script, gzipped, in base64.
	//
	// +optional
	Script string `json:"script,omitempty"`
	// expires is when the certificate runs out.
	//
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
}

// StatusConditions returns the conditions of the status.
func (r *AccessRequest) StatusConditions() *[]metav1.Condition { return &r.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (r *AccessRequest) SetObservedGeneration(int64) {}

// AccessRequestList is a list of AccessRequests.
//
// +kubebuilder:object:root=true
type AccessRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AccessRequest `json:"items"`
}
