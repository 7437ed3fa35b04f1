// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

var serviceAccount = kind{
	name: "service_account", plural: "service_accounts", collection: "serviceaccounts", inProject: true,
	description: "An account for a machine. It may do what its role says, once it is a `canopy_member`.",
}
