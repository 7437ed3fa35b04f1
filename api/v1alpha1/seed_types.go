// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Seed is a Kubernetes cluster that hosts the control planes of user clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=.spec.kubeconfigSecretName
// +kubebuilder:resource:scope=Cluster,categories=canopy
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=.spec.location
// +kubebuilder:printcolumn:name="Kubernetes",type=string,JSONPath=.status.kubernetesVersion
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=.status.clusters
// +kubebuilder:printcolumn:name="Contact",type=date,JSONPath=.status.lastContact
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=.status.conditions[?(@.type=="Ready")].message
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
type Seed struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec SeedSpec `json:"spec,omitempty"`
	// +optional
	Status SeedStatus `json:"status,omitempty"`
}

// SeedSpec says how to reach the seed, and what its clusters get where they do not say.
type SeedSpec struct {
	// kubeconfigSecretName is the name of the Secret, in the namespace canopy-system, whose key kubeconfig is the seed's
	// kubeconfig; none: the seed is the master's own cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KubeconfigSecretName string `json:"kubeconfigSecretName,omitempty"`

	// location is where the seed is, for people, for example "Google Cloud us-east1".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Location string `json:"location,omitempty"`

	// country is where the seed is, as two letters by ISO 3166.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Z]{2}$"
	Country string `json:"country,omitempty"`

	// drained keeps new clusters away. Those that are there stay.
	//
	// +optional
	Drained bool `json:"drained,omitempty"`

	// +optional
	Defaults ClusterDefaults `json:"defaults,omitempty,omitzero"`

	// maxAutomaticUpgrades is how many of the seed's clusters are upgraded at the same time: no upgrade begins by itself
	// while as many are under way. Upgrades that people ask for never wait. 0: none begins by itself.
	//
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxAutomaticUpgrades *int32 `json:"maxAutomaticUpgrades,omitempty"`
}

// ClusterDefaults are what the clusters of a seed get where they do not say.
type ClusterDefaults struct {
	// exposeStrategy says how people and nodes reach a control plane; none: the seed manager's.
	//
	// +optional
	ExposeStrategy hostingv1alpha1.ExposeStrategy `json:"exposeStrategy,omitempty"`

	// etcdStorage is the size of etcd's volume. A change is for new clusters.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(self).compareTo(quantity('512Mi')) >= 0",message="must be at least 512Mi"
	EtcdStorage *resource.Quantity `json:"etcdStorage,omitempty"`

	// etcdStorageClassName is the class of etcd's volume; none: the seed's default class. A change is for new clusters.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	EtcdStorageClassName string `json:"etcdStorageClassName,omitempty"`
}

// SeedStatus is what the seed is.
type SeedStatus struct {
	// observedGeneration is the generation of the spec that was last fully processed.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// kubernetesVersion is the version of the seed's API server, for example "v1.37.2".
	//
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// clusters is the number of clusters that are placed on the seed.
	//
	// +optional
	Clusters int32 `json:"clusters"`
	// clusterUID tells Kubernetes clusters apart: it is the UID of the seed's namespace kube-system.
	//
	// +optional
	ClusterUID string `json:"clusterUID,omitempty"`
	// lastContact is when the seed's API last answered, to half a minute.
	//
	// +optional
	LastContact *metav1.Time `json:"lastContact,omitempty"`
}

// SeedList is a list of Seeds.
//
// +kubebuilder:object:root=true
type SeedList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Seed `json:"items"`
}
