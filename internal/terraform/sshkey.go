// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var sshKey = kind{
	name: "ssh_key", plural: "ssh_keys", crd: "sshkeys", collection: "sshkeys", inProject: true,
	description: "A public key of a project. Clusters name those whose holders may log in to their machines.",
	shown: []shownField{
		{"fingerprint", "status.fingerprint", "The fingerprint of the key."},
	},
}
