// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "strings"

// ProjectOf returns the name of the project whose namespace it is; of another namespace, its own name and false.
func ProjectOf(namespace string) (name string, ok bool) {
	return strings.CutPrefix(namespace, ProjectNamespacePrefix)
}

// QualifiedName returns what a cluster is called among those of all projects, such as "shop/web".
func (c *Cluster) QualifiedName() string {
	project, _ := ProjectOf(c.Namespace)
	return project + "/" + c.Name
}

// IsManaged reports whether the master installs what the seed needs.
func (s *Seed) IsManaged() bool {
	return s.Spec.KubeconfigSecretName != "" && s.Spec.Install != InstallManual
}
