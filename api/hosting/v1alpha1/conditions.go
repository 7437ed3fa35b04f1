// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Condition types of a HostedCluster. Each is True when all is well.
const (
	// ConditionReady sums up the others: the cluster is as its spec wants it.
	ConditionReady = "Ready"
	// ConditionControlPlaneAvailable is True while the API answers.
	ConditionControlPlaneAvailable = "ControlPlaneAvailable"
	// ConditionControlPlaneUpToDate is True when every component of the control plane runs as the spec wants it.
	ConditionControlPlaneUpToDate = "ControlPlaneUpToDate"
	// ConditionExposed is True when the API answers at the cluster's endpoint, the one that people and nodes use. While its
	// message is not empty, an older endpoint still works for machines that use it.
	ConditionExposed = "Exposed"
	// ConditionAddonsReady is True when what runs inside the user cluster is applied and healthy.
	ConditionAddonsReady = "AddonsReady"
	// ConditionSecretsEncrypted is True when all Secrets of the cluster are stored as the spec wants it. A cluster that does not
	// encrypt them does not have it.
	ConditionSecretsEncrypted = "SecretsEncrypted"
	// ConditionCloudReady is True when what the machines have in common at their cloud is there. A cluster whose machines are
	// not at a cloud does not have it.
	ConditionCloudReady = "CloudReady"
	// ConditionCloudReleased is True when a cluster that is being deleted has no more load balancers and volumes at its cloud that
	// have to go with it; its message then names what stays. It is False from the beginning of the deletion until then.
	ConditionCloudReleased = "CloudReleased"
	// ConditionNodesReady is True when every pool has its wanted number of ready, up-to-date nodes.
	ConditionNodesReady = "NodesReady"
	// ConditionAutoscalerReady is True while cluster-autoscaler runs. A cluster of which no pool has autoscaling does not have it.
	ConditionAutoscalerReady = "AutoscalerReady"
)

// Reasons of conditions.
const (
	ReasonReady              = "Ready"
	ReasonDeleting           = "Deleting"
	ReasonReleased           = "Released"
	ReasonVolumesKept        = "VolumesKept"
	ReasonAbandoned          = "Abandoned"
	ReasonPaused             = "Paused"
	ReasonQueued             = "Queued"
	ReasonError              = "Error"
	ReasonUnsupportedVersion = "UnsupportedVersion"
	ReasonInvalidSpec        = "InvalidSpec"
	ReasonSecretMissing      = "SecretMissing"
	ReasonPortTaken          = "PortTaken"
	ReasonNetworkOverlap     = "NetworkOverlap"
	ReasonNoGateway          = "NoGateway"
	ReasonNameUnresolved     = "NameUnresolved"
	ReasonUnreachable        = "EndpointUnreachable"
	ReasonEndpointChanged    = "EndpointChanged"
	ReasonWaitingForBalancer = "WaitingForLoadBalancer"
	ReasonRollingOut         = "RollingOut"
	ReasonAddingKey          = "AddingKey"
	ReasonUsingKey           = "UsingKey"
	ReasonRewritingSecrets   = "RewritingSecrets"
	ReasonRemovingKeys       = "RemovingKeys"
	ReasonEncrypted          = "Encrypted"
	ReasonWaitingForAPI      = "WaitingForAPI"
	ReasonWaitingForEtcd     = "WaitingForEtcd"
	ReasonWaitingForNodes    = "WaitingForNodes"
	ReasonWaitingForMachine  = "WaitingForMachine"
	ReasonMachineGone        = "MachineGone"
	ReasonNodeNotJoined      = "NodeNotJoined"
)

// Reasons of conditions that say why a provider does not do what it was asked for. They are the same for every provider.
const (
	// ReasonUnauthenticated is for credentials that the provider does not know (any more).
	ReasonUnauthenticated = "InfraUnauthenticated"
	// ReasonUnauthorized is for credentials that may not do it.
	ReasonUnauthorized = "InfraUnauthorized"
	// ReasonQuotaExceeded is for an account that has as much as it may have.
	ReasonQuotaExceeded = "InfraQuotaExceeded"
	// ReasonResourcesDepleted is for a place that has no more of it to give now.
	ReasonResourcesDepleted = "InfraResourcesDepleted"
	// ReasonRateLimited is for too many requests.
	ReasonRateLimited = "InfraRateLimitsExceeded"
	// ReasonDependencies is for what cannot go, or be made, because of something else that is in the way.
	ReasonDependencies = "InfraDependencies"
	// ReasonConfiguration is for what the spec, the Datacenter or the image asks for and the provider does not have.
	ReasonConfiguration = "ConfigurationProblem"
	// ReasonWaitingForCloud is for a machine whose cluster has no network at its cloud yet.
	ReasonWaitingForCloud = "WaitingForCloud"
)

// StatusConditions returns the conditions of the status.
func (c *ProviderCluster) StatusConditions() *[]metav1.Condition { return &c.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (c *ProviderCluster) SetObservedGeneration(int64) {}

// StatusConditions returns the conditions of the status.
func (c *HostedCluster) StatusConditions() *[]metav1.Condition { return &c.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (c *HostedCluster) SetObservedGeneration(g int64) { c.Status.ObservedGeneration = g }

// StatusConditions returns the conditions of the status.
func (m *ProviderMachine) StatusConditions() *[]metav1.Condition { return &m.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (m *ProviderMachine) SetObservedGeneration(int64) {}

// StatusConditions returns the conditions of the status.
func (c *BootstrapConfig) StatusConditions() *[]metav1.Condition { return &c.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (c *BootstrapConfig) SetObservedGeneration(int64) {}
