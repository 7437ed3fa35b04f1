// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	corev1 "k8s.io/api/core/v1"

	"canopy.dev/canopy/api/v1alpha1"
)

// routes is the table of contents: everything that the API serves.
func (s *Server) routes() {
	s.servePlatform()
	s.serveProjects()
	serveClusters(s)
	serveChoices(s)
	serveMembers(s)
	serveDetails(s)
	serveOffers(s)
	serveMachines(s)
	serveJoin(s)
	serveMetrics(s)
	serveLogs(s)
	serveTerminal(s)
	serveKubeconfig(s)
	serveCertificates(s)
	serveTokens(s)
	serveSelf(s)
	serveRecords(s)
	serveWatch(s)
}

// servePlatform has what there is once for all projects.
func (s *Server) servePlatform() {
	serve(s, resource[v1alpha1.User, *v1alpha1.User]{noun: "User", nouns: "Users", path: "/users", plural: "users"})
	serve(s, resource[v1alpha1.Project, *v1alpha1.Project]{noun: "Project", nouns: "Projects", path: "/projects", plural: "projects", lasting: true})
	serve(s, resource[v1alpha1.Preset, *v1alpha1.Preset]{noun: "Preset", nouns: "Presets", path: "/presets", plural: "presets"})
	serve(s, resource[v1alpha1.Seed, *v1alpha1.Seed]{noun: "Seed", nouns: "Seeds", path: "/seeds", plural: "seeds", lasting: true})
	serve(s, resource[v1alpha1.Datacenter, *v1alpha1.Datacenter]{noun: "Datacenter", nouns: "Datacenters", path: "/datacenters", plural: "datacenters"})
	serve(s, resource[v1alpha1.Release, *v1alpha1.Release]{noun: "Release", nouns: "Releases", path: "/releases", plural: "releases"})
	serve(s, resource[v1alpha1.Announcement, *v1alpha1.Announcement]{noun: "Announcement", nouns: "Announcements", path: "/announcements", plural: "announcements"})
	serve(s, resource[v1alpha1.ClusterTemplate, *v1alpha1.ClusterTemplate]{
		noun: "Template", nouns: "Templates", path: "/templates", plural: "clustertemplates", system: true,
	})
}

// serveProjects has what is in projects.
func (s *Server) serveProjects() {
	serve(s, resource[v1alpha1.Cluster, *v1alpha1.Cluster]{
		noun: "Cluster", nouns: "Clusters", path: "/projects/{project}/clusters", plural: "clusters", lasting: true,
	})
	serve(s, resource[v1alpha1.NodePool, *v1alpha1.NodePool]{
		noun: "NodePool", nouns: "NodePools", path: "/projects/{project}/clusters/{cluster}/nodepools", plural: "nodepools", lasting: true,
		parent: func(pool *v1alpha1.NodePool) *string { return &pool.Spec.Cluster },
	})
	serve(s, resource[v1alpha1.SSHKey, *v1alpha1.SSHKey]{
		noun: "SSHKey", nouns: "SSHKeys", path: "/projects/{project}/sshkeys", plural: "sshkeys",
	})
	serve(s, resource[v1alpha1.ClusterTemplate, *v1alpha1.ClusterTemplate]{
		noun: "ProjectTemplate", nouns: "ProjectTemplates", path: "/projects/{project}/templates", plural: "clustertemplates",
	})
	serve(s, resource[v1alpha1.ClusterSet, *v1alpha1.ClusterSet]{
		noun: "ClusterSet", nouns: "ClusterSets", path: "/projects/{project}/clustersets", plural: "clustersets", lasting: true,
	})
	serve(s, resource[corev1.ServiceAccount, *corev1.ServiceAccount]{
		noun: "ServiceAccount", nouns: "ServiceAccounts", path: "/projects/{project}/serviceaccounts", plural: "serviceaccounts",
		version: &corev1.SchemeGroupVersion, live: true,
	})
}
