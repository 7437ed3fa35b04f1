// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var nodePool = kind{
	name: "node_pool", plural: "node_pools", crd: "nodepools", collection: "nodepools", inProject: true, inCluster: true, waits: true,
	description: "Like machines of a cluster. Creation waits until their nodes are ready, and a change until all are up to date.",
	shown: []shownField{
		{"running_version", "status.version", "The version that the machines have or get."},
	},
}
