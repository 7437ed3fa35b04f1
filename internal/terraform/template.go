// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var template = kind{
	name: "template", plural: "templates", crd: "clustertemplates", collection: "templates", inProject: true,
	description: "A cluster with its node pools, of which a project makes many.",
}
