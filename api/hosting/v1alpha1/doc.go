// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the kinds that live on a seed. All are stored in the namespace cluster-<name> of the
// HostedCluster that they belong to.
//
//	kind                      who writes the spec            who writes the status
//	HostedCluster             the master, or a person        seed/hostedcluster
//	HostedControlPlane        seed/hostedcluster             seed/hostedcluster      (what Cluster API asks about a control plane)
//	ProviderMachineTemplate   seed/hostedcluster             -
//	ProviderMachine           Cluster API's MachineSet       seed/providermachine    (one instance at a provider)
//	BootstrapConfigTemplate   seed/hostedcluster             -
//	BootstrapConfig           Cluster API's MachineSet       seed/bootstrap          (one machine's user data)
//
// +kubebuilder:object:generate=true
// +groupName=hosting.canopy.dev
package v1alpha1
