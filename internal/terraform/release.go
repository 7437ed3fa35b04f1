// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var release = kind{
	name: "release", plural: "releases", crd: "releases", collection: "releases", readOnly: true,
	description: "A version of Kubernetes that clusters can have.",
}
