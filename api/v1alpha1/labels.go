// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

const (
	// LabelProject is on every object that belongs to a project; its value is the Project's name.
	LabelProject = "canopy.dev/project"
	// LabelCluster is on what the master makes for a Cluster on a seed; its value is the Cluster's name.
	LabelCluster = "canopy.dev/cluster"
	// LabelManagedBy is on what the master makes; its value is the name of what it was made for.
	LabelManagedBy = "canopy.dev/managed-by"
	// LabelProjectRole with the value "true" is on ClusterRoles that members of projects can have.
	LabelProjectRole = "canopy.dev/project-role"
	// LabelClusterSet is on the Clusters and NodePools that follow a ClusterSet; its value is the ClusterSet's name.
	LabelClusterSet = "canopy.dev/cluster-set"

	// LabelIdempotencyKey of an AuditRecord identifies the Idempotency-Key of the request, and who sent it.
	LabelIdempotencyKey = "canopy.dev/idempotency-key"

	// AnnotationTemplateHash on a Cluster identifies what was last applied of a template.
	AnnotationTemplateHash = "canopy.dev/template-hash"

	// AnnotationInstallation of a seed's namespace canopy-system says whose seed it is: its value identifies the master's
	// cluster, as status.clusterUID does. There is at most one.
	AnnotationInstallation = "canopy.dev/installation"

	// AnnotationTokenLifetime of a project's namespace says how many seconds a token of its service accounts may be valid that
	// can be revoked.
	AnnotationTokenLifetime = "canopy.dev/token-lifetime"

	// FinalizerProject keeps a Project until its namespace is gone.
	FinalizerProject = "canopy.dev/project"
	// FinalizerCluster keeps a Cluster until nothing of it is left on its seed.
	FinalizerCluster = "canopy.dev/cluster"
	// FinalizerSeed keeps a Seed until no cluster is on it.
	FinalizerSeed = "canopy.dev/seed"

	// SystemNamespace is the namespace on the master with the Secrets that Presets and Seeds name.
	SystemNamespace = "canopy-system"
	// SeedKubeconfigKey is the key of a Seed's Secret there that has its kubeconfig.
	SeedKubeconfigKey = "kubeconfig"
	// ProjectNamespacePrefix and a Project's name make the name of its namespace.
	ProjectNamespacePrefix = "project-"
)
