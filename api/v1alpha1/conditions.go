// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Condition types.
const (
	// ConditionReady is True when the object is as its spec wants it, False when not, and Unknown when that is not known.
	ConditionReady = "Ready"
	// ConditionConnected of a Seed is True when its API answers, is that of the right cluster, and lets the master do its work.
	ConditionConnected = "Connected"
	// ConditionInstalled of a Seed is True when the master has installed there what it brings.
	ConditionInstalled = "Installed"
	// ConditionUpgradeAvailable is True when a Cluster could be upgraded now. Its reason is EndOfLife, whatever its status,
	// when the version that the cluster has gets no fixes any more.
	ConditionUpgradeAvailable = "UpgradeAvailable"
)

// Reasons of conditions.
const (
	ReasonReady              = "Ready"
	ReasonDeleting           = "Deleting"
	ReasonInvalidSpec        = "InvalidSpec"
	ReasonInvalidKey         = "InvalidKey"
	ReasonInvalidKubeconfig  = "InvalidKubeconfig"
	ReasonUnsupportedVersion = "UnsupportedVersion"
	ReasonInvalidIssuers     = "InvalidIssuers"
	ReasonForbidden          = "Forbidden"
	ReasonNamespaceTaken     = "NamespaceTaken"
	ReasonProjectMissing     = "ProjectMissing"
	ReasonRoleMissing        = "RoleMissing"
	ReasonRoleRefused        = "RoleRefused"
	ReasonQuotaExceeded      = "QuotaExceeded"
	ReasonWaitingForQuota    = "WaitingForQuota"
	ReasonDatacenterMissing  = "DatacenterMissing"
	ReasonPresetMissing      = "PresetMissing"
	ReasonProviderMissing    = "ProviderMissing"
	ReasonSecretMissing      = "SecretMissing"
	ReasonSSHKeyMissing      = "SSHKeyMissing"
	ReasonClusterMissing     = "ClusterMissing"
	ReasonSeedMissing        = "SeedMissing"
	ReasonSeedDrained        = "SeedDrained"
	ReasonSeedNotConnected   = "SeedNotConnected"
	ReasonWaitingForSeed     = "WaitingForSeed"
	ReasonWaitingForNodes    = "WaitingForNodes"
	ReasonConnecting         = "Connecting"
	ReasonUnreachable        = "Unreachable"
	ReasonKindsMissing       = "KindsMissing"
	ReasonInUse              = "InUse"

	// Reasons of a Seed's conditions.
	ReasonConnected             = "Connected"
	ReasonInstalled             = "Installed"
	ReasonInstalling            = "Installing"
	ReasonInstallFailed         = "InstallFailed"
	ReasonUninstalling          = "Uninstalling"
	ReasonUninstalled           = "Uninstalled"
	ReasonUnauthorized          = "Unauthorized"
	ReasonWrongCluster          = "WrongCluster"
	ReasonTakenByAnother        = "TakenByAnother"
	ReasonMissingPermission     = "MissingPermission"
	ReasonKubernetesTooOld      = "KubernetesTooOld"
	ReasonNoDefaultStorageClass = "NoDefaultStorageClass"
	ReasonWaitingForPods        = "WaitingForPods"
	ReasonImagesUnknown         = "ImagesUnknown"
	ReasonPatchAvailable        = "PatchAvailable"
	ReasonMinorAvailable        = "MinorAvailable"
	ReasonUpToDate              = "UpToDate"
	ReasonEndOfLife             = "EndOfLife"
	ReasonTemplateMissing       = "TemplateMissing"
	ReasonChangesPlanned        = "ChangesPlanned"
	ReasonRollingOut            = "RollingOut"
	ReasonClustersDiffer        = "ClustersDiffer"
	ReasonWaitingForClusters    = "WaitingForClusters"
)

// StatusConditions returns the conditions of the status.
func (p *Project) StatusConditions() *[]metav1.Condition { return &p.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (p *Project) SetObservedGeneration(g int64) { p.Status.ObservedGeneration = g }

// StatusConditions returns the conditions of the status.
func (k *SSHKey) StatusConditions() *[]metav1.Condition { return &k.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (k *SSHKey) SetObservedGeneration(int64) {}

// StatusConditions returns the conditions of the status.
func (p *Preset) StatusConditions() *[]metav1.Condition { return &p.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (p *Preset) SetObservedGeneration(int64) {}

// StatusConditions returns the conditions of the status.
func (u *User) StatusConditions() *[]metav1.Condition { return &u.Status.Conditions }

// SetObservedGeneration does nothing: conditions carry their own.
func (u *User) SetObservedGeneration(int64) {}

// StatusConditions returns the conditions of the status.
func (s *Seed) StatusConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (s *Seed) SetObservedGeneration(g int64) { s.Status.ObservedGeneration = g }

// StatusConditions returns the conditions of the status.
func (c *Cluster) StatusConditions() *[]metav1.Condition { return &c.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (c *Cluster) SetObservedGeneration(g int64) { c.Status.ObservedGeneration = g }

// StatusConditions returns the conditions of the status.
func (p *NodePool) StatusConditions() *[]metav1.Condition { return &p.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (p *NodePool) SetObservedGeneration(g int64) { p.Status.ObservedGeneration = g }

// StatusConditions returns the conditions of the status.
func (s *ClusterSet) StatusConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records the generation that was fully processed.
func (s *ClusterSet) SetObservedGeneration(g int64) { s.Status.ObservedGeneration = g }
