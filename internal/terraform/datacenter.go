// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var datacenter = kind{
	name: "datacenter", plural: "datacenters", crd: "datacenters", collection: "datacenters",
	description: "Where machines of clusters can be. Administrators make datacenters.",
}
