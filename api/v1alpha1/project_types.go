// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Project is a team: its members, and the namespace project-<name> in which its clusters are.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=.status.namespace
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=.status.clusters
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=.status.quota.used.nodes
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 50 lower-case letters, digits and '-', and start with a letter"
type Project struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ProjectSpec `json:"spec,omitempty"`
	// +optional
	Status ProjectStatus `json:"status,omitempty"`
}

// ProjectSpec says who is in the project and what the project may use. Owners may change displayName and members.
type ProjectSpec struct {
	// displayName is what people call the project; none: its name.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	DisplayName string `json:"displayName,omitempty"`

	// members are who may see or change what is in the project.
	//
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=500
	Members []Member `json:"members,omitempty"`

	// datacenters are those that the project may use; none: all that are open to it.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MaxLength=63
	Datacenters []string `json:"datacenters,omitempty"`

	// tokenLifetime is how long tokens of the project's service accounts may be valid, if each can be revoked; none: a day, as
	// those that cannot.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == '' || duration(self) >= duration('24h') && duration(self) <= duration('8784h')",message="must be between a day and a year, such as 720h"
	TokenLifetime string `json:"tokenLifetime,omitempty"`

	// quota is how much the project may have; none: as much as it likes. What exists when it is lowered stays.
	//
	// +optional
	Quota *Quota `json:"quota,omitempty"`
}

// LongestToken returns how long tokens of the project's service accounts may be valid, if each can be revoked.
func (s ProjectSpec) LongestToken() time.Duration {
	if longest, err := time.ParseDuration(s.TokenLifetime); err == nil {
		return longest
	}
	return 24 * time.Hour
}

// Quota is an amount of what a project can have. In a spec, what is not there is not bounded.
type Quota struct {
	// clusters is their number.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Clusters *int32 `json:"clusters,omitempty"`

	// nodes is the number of machines of all pools.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Nodes *int32 `json:"nodes,omitempty"`

	// cpu is the cores of all machines, where a pool says what its machines have.
	//
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// memory is that of all machines, where a pool says what its machines have.
	//
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`

	// storage is the volumes of the control planes' etcds.
	//
	// +optional
	Storage *resource.Quantity `json:"storage,omitempty"`
}

// QuotaStatus is what a project may have and what it has.
type QuotaStatus struct {
	// hard is the spec's quota.
	//
	// +optional
	Hard Quota `json:"hard,omitempty"`
	// used is what the project's clusters and pools ask for.
	//
	// +optional
	Used Quota `json:"used,omitempty"`
}

// Member is a user, a group or a service account with a role.
//
// +kubebuilder:validation:XValidation:rule="(self.kind == 'ServiceAccount') == (self.namespace.size() > 0)",message="namespace is for the kind ServiceAccount, which must have one"
type Member struct {
	// +optional
	// +default="User"
	Kind MemberKind `json:"kind,omitempty"`

	// name is a user's e-mail address, a group's name at the login's issuer, or a service account's name.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('system:')",message="names that start with system: are Kubernetes' own"
	Name string `json:"name"`

	// namespace of the service account, on the master.
	//
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// +required
	Role Role `json:"role"`
}

// MemberKind says who a member is.
//
// +kubebuilder:validation:Enum=User;Group;ServiceAccount
type MemberKind string

// The kinds of members. They are the names of Kubernetes' RBAC.
const (
	MemberUser           MemberKind = "User"
	MemberGroup          MemberKind = "Group"
	MemberServiceAccount MemberKind = "ServiceAccount"
)

// Role says what a member may do in a project: Owner, Editor, Viewer, or the name of a ClusterRole with the label
// canopy.dev/project-role: "true", which may hold no more than an editor has.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern="^(Owner|Editor|Viewer|[a-z0-9]([-.:a-z0-9]*[a-z0-9])?)$"
type Role string

const (
	// RoleOwner may do everything in the project, make service accounts in it, and change its members.
	RoleOwner Role = "Owner"
	// RoleEditor may change clusters, pools, keys and templates.
	RoleEditor Role = "Editor"
	// RoleViewer may see them.
	RoleViewer Role = "Viewer"
)

// Custom reports whether the role is the name of a ClusterRole.
func (r Role) Custom() bool { return r != RoleOwner && r != RoleEditor && r != RoleViewer }

// ProjectStatus is what the project is.
type ProjectStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// namespace is where the project's clusters are.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// clusters is the number of clusters in the project.
	//
	// +optional
	// +default=0
	Clusters int32 `json:"clusters"`
	// quota is what the project may have and what it has.
	//
	// +optional
	Quota QuotaStatus `json:"quota,omitempty"`
	// applied identifies what the master has last written for the project's members, so that a master that starts need not write
	// it once more.
	//
	// +optional
	Applied string `json:"applied,omitempty"`
}

// ProjectList is a list of Projects.
//
// +kubebuilder:object:root=true
type ProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Project `json:"items"`
}
