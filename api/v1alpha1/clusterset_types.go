// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterSet makes clusters from a ClusterTemplate in its own namespace, and brings them the template's changes: first as a
// plan in its status, and once that is approved, some at a time. Deleting it, or its template, deletes no cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=canopy
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=.spec.template.name
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=.status.revision
// +kubebuilder:printcolumn:name="Approved",type=string,JSONPath=.spec.rollout.revision
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=.status.total
// +kubebuilder:printcolumn:name="Up-to-date",type=integer,JSONPath=.status.upToDate
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
type ClusterSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterSetSpec `json:"spec"`
	// +optional
	Status ClusterSetStatus `json:"status,omitempty"`
}

// ClusterSetSpec says which clusters there are, and how far the template's changes may go.
type ClusterSetSpec struct {
	// +required
	Template TemplateReference `json:"template"`

	// clusters are made if they are missing, from the template as it is then. One that exists already is taken in like one
	// that differs from the template. One that is taken out of the list stays, and does not follow the template any more.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Clusters []SetCluster `json:"clusters,omitempty"`

	// +optional
	Rollout Rollout `json:"rollout,omitempty,omitzero"`
}

// TemplateReference names a ClusterTemplate.
type TemplateReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// scope says where the template is: with Project in the namespace of the ClusterSet, with Platform in canopy-system.
	//
	// +optional
	// +default="Project"
	Scope TemplateScope `json:"scope,omitempty"`
}

// TemplateScope says for whom a template is.
//
// +kubebuilder:validation:Enum=Project;Platform
type TemplateScope string

const (
	// TemplateScopeProject is a template of the ClusterSet's own project.
	TemplateScopeProject TemplateScope = "Project"
	// TemplateScopePlatform is a template for all projects.
	TemplateScopePlatform TemplateScope = "Platform"
)

// SetCluster is a cluster of the set. What it says goes before what the template says.
type SetCluster struct {
	// name is the Cluster's. With that of a pool of the template it makes the name of a NodePool, of at most 40 characters.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=38
	// +kubebuilder:validation:Pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$"
	Name string `json:"name"`

	// +optional
	// +kubebuilder:validation:MaxLength=63
	Datacenter string `json:"datacenter,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxLength=253
	Preset string `json:"preset,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern="^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$"
	Version string `json:"version,omitempty"`

	// nodePools are pools of the template of which this cluster has another size.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	NodePools []SetNodePool `json:"nodePools,omitempty"`
}

// SetNodePool is the size of a pool of one cluster.
type SetNodePool struct {
	// name is the pool's in the template.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	Name string `json:"name"`

	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas"`
}

// Rollout says how far changes may go, and how fast.
type Rollout struct {
	// revision is that of status.revision for which the changes in status.clusters are approved. When the template is
	// another one by now, nothing is changed.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Revision string `json:"revision,omitempty"`

	// maxUnavailable is how many clusters are changed at the same time. The next ones follow when all that are up to date
	// are ready: so after the first failure nothing more is changed.
	//
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=200
	MaxUnavailable *int32 `json:"maxUnavailable,omitempty"`

	// minReadySeconds is how long after the last change the next clusters are changed at the earliest.
	//
	// +optional
	// +default=30
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	MinReadySeconds *int32 `json:"minReadySeconds,omitempty"`

	// overwrite lets the rollout change what somebody has changed on a cluster by hand. Otherwise such a cluster is left as
	// it is.
	//
	// +optional
	Overwrite bool `json:"overwrite,omitempty"`
}

// ClusterSetStatus is the plan, and how far it is.
type ClusterSetStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// revision identifies the template as it is now.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// total is the number of clusters in the list.
	//
	// +optional
	Total int32 `json:"total"`

	// upToDate is the number of those that are as the template says.
	//
	// +optional
	UpToDate int32 `json:"upToDate"`

	// lastChange is when clusters were last changed by the rollout.
	//
	// +optional
	LastChange *metav1.Time `json:"lastChange,omitempty"`

	// clusters are in the order of the spec.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	Clusters []SetClusterStatus `json:"clusters,omitempty"`
}

// SetClusterStatus is how one cluster differs from the template.
type SetClusterStatus struct {
	Name string `json:"name"`

	State SetClusterState `json:"state"`

	// changes are what the rollout will change, the first twenty.
	//
	// +optional
	// +listType=atomic
	Changes []Change `json:"changes,omitempty"`

	// message says what the cluster waits for, or why it cannot be changed.
	//
	// +optional
	Message string `json:"message,omitempty"`
}

// SetClusterState is where a cluster is in a rollout.
type SetClusterState string

// The states of a cluster of a set.
const (
	// SetClusterUpToDate is as the template says, and ready.
	SetClusterUpToDate SetClusterState = "UpToDate"
	// SetClusterProgressing is as the template says, and not ready.
	SetClusterProgressing SetClusterState = "Progressing"
	// SetClusterBehind differs from the template.
	SetClusterBehind SetClusterState = "Behind"
	// SetClusterChanged was changed by hand where the template says something else.
	SetClusterChanged SetClusterState = "ChangedByHand"
	// SetClusterRefused cannot be as the template says: the API refuses it.
	SetClusterRefused SetClusterState = "Refused"
	// SetClusterTaken belongs to another ClusterSet.
	SetClusterTaken SetClusterState = "Taken"
	// SetClusterPaused is paused: it takes nothing up until it goes on, and the rollout goes on without it.
	SetClusterPaused SetClusterState = "Paused"
	// SetClusterDeleting is being deleted. It is made again while it is in the list.
	SetClusterDeleting SetClusterState = "Deleting"
)

// Change is one field that differs.
type Change struct {
	// field is its path in the Cluster, or after its name in a NodePool, for example "NodePool eu-workers: spec.replicas".
	Field string `json:"field"`

	// from is what it is, as JSON; empty: it is not there.
	//
	// +optional
	From string `json:"from,omitempty"`

	// to is what it becomes, as JSON; empty: it goes.
	//
	// +optional
	To string `json:"to,omitempty"`

	// changedBy is the manager of the field, for example "kubectl-edit", if it was changed by hand; "unknown" if it was
	// removed.
	//
	// +optional
	ChangedBy string `json:"changedBy,omitempty"`
}

// ClusterSetList is a list of ClusterSets.
//
// +kubebuilder:object:root=true
type ClusterSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterSet `json:"items"`
}
