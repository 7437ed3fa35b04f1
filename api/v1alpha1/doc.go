// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the kinds that live on the master. <project> stands for a namespace project-<name>.
//
//	kind              stored in                     who writes the spec              who writes the status
//	User              cluster                       admins                           master/user
//	Project           cluster                       admins                           master/project
//	SSHKey            <project>                     members                          master/sshkey
//	Preset            cluster                       admins                           -
//	Seed              cluster                       admins                           master/seed
//	Datacenter        cluster                       admins                           -
//	Release           cluster                       admins                           -
//	Announcement      cluster                       admins                           -
//	Cluster           <project>                     members, GitOps, ClusterSets     master/cluster, master/upgrade
//	NodePool          <project>                     members, GitOps, an autoscaler   master/nodepool
//	ClusterTemplate   <project>, or canopy-system   members, or admins               -
//	ClusterSet        <project>                     members, GitOps                  master/clusterset
//	AccessRequest     <project>                     members                          master/accessrequest
//	AuditRecord       <project>, or canopy-system   api                              -
//
// +kubebuilder:object:generate=true
// +groupName=canopy.dev
package v1alpha1
