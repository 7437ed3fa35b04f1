// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/api/cloudresourcemanager/v3"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Permissions are what this package needs in the project: the smallest role. To give machines a service account of their
// own, iam.serviceAccounts.actAs on that account is needed beside them.
var Permissions = []string{
	"compute.disks.create",
	"compute.disks.setLabels",
	"compute.firewalls.create",
	"compute.firewalls.delete",
	"compute.firewalls.list",
	"compute.globalOperations.get",
	"compute.images.list",
	"compute.images.useReadOnly",
	"compute.instances.create",
	"compute.instances.delete",
	"compute.instances.get",
	"compute.instances.list",
	"compute.instances.setLabels",
	"compute.instances.setMetadata",
	"compute.instances.setTags",
	"compute.machineTypes.get",
	"compute.machineTypes.list",
	"compute.networks.create",
	"compute.networks.delete",
	"compute.networks.get",
	"compute.networks.list",
	"compute.networks.updatePolicy",
	"compute.regionOperations.get",
	"compute.regions.get",
	"compute.regions.list",
	"compute.subnetworks.create",
	"compute.subnetworks.delete",
	"compute.subnetworks.get",
	"compute.subnetworks.list",
	"compute.subnetworks.use",
	"compute.subnetworks.useExternalIp",
	"compute.zoneOperations.list",
}

// Verify asks Google which of the permissions the service account has.
func (c *Cloud) Verify(ctx context.Context, account machine.Account) error {
	a, err := c.account(ctx, account)
	if err != nil {
		return err
	}
	doing := "looking up what the service account may do in the project " + a.project
	answer, err := a.projects.TestIamPermissions("projects/"+a.project, &cloudresourcemanager.TestIamPermissionsRequest{Permissions: Permissions}).Context(ctx).Do()
	if err != nil {
		return explain(err, doing)
	}
	var missing []string
	for _, permission := range Permissions {
		if !slices.Contains(answer.Permissions, permission) {
			missing = append(missing, permission)
		}
	}
	if len(missing) > 0 {
		return refused(v1alpha1.ReasonUnauthorized, doing, "it may not "+strings.Join(missing, ", "))
	}
	return nil
}
