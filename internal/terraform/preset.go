// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var preset = kind{
	name: "preset", plural: "presets", crd: "presets", collection: "presets",
	description: "Credentials for a provider, which projects can use and not read. It names a Secret on the master and has no secret itself. Administrators make presets.",
}
