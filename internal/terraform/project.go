// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var project = kind{
	name: "project", plural: "projects", crd: "projects", collection: "projects", waits: true,
	without:     []string{"members"}, // they are canopy_member
	description: "A team: its clusters, and what belongs to them. Administrators make projects. Its members are `canopy_member`.",
	shown: []shownField{
		{"namespace", "status.namespace", "The namespace on the master with what is in the project."},
	},
}
