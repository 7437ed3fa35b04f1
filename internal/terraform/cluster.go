// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var cluster = kind{
	name: "cluster", plural: "clusters", crd: "clusters", collection: "clusters", inProject: true, waits: true,
	description: "A user cluster of a project. Creation waits until it is ready, and a change until it has arrived.",
	shown: []shownField{
		{"cluster_id", "status.id", "What the cluster is called on its seed."},
		{"seed", "status.seed", "The seed with its control plane."},
		{"running_version", "status.version", "The version that the control plane runs. With automatic upgrades it may be a later patch than `version`."},
		{"endpoint", "status.endpoint", "Where its API is."},
		{"tls_server_name", "status.tlsServerName", "The name that clients have to say in TLS; empty: the host of the endpoint."},
		{"certificate_authority", "status.certificateAuthority", "The certificate by which clients know its API, in PEM."},
	},
}
