// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// What the role of the user has to have, and on what. Beside these it needs System.Read on all of it, which every role has,
// Network.Assign on the port groups that clusters name, and for a storage policy StorageProfile.View on the vCenter.
var (
	folderPrivileges = []string{
		"Folder.Create", "Folder.Delete",
		"VirtualMachine.Config.AddNewDisk", "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
		"VirtualMachine.Config.Annotation", "VirtualMachine.Config.CPUCount", "VirtualMachine.Config.DiskExtend",
		"VirtualMachine.Config.EditDevice", "VirtualMachine.Config.Memory", "VirtualMachine.Config.Settings",
		"VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn",
		"VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Inventory.Delete", "VirtualMachine.Inventory.Unregister",
	}
	poolPrivileges      = []string{"Resource.AssignVMToPool"}
	datastorePrivileges = []string{"Datastore.AllocateSpace"}
	templatePrivileges  = []string{"VirtualMachine.Provisioning.DeployTemplate"}
)

// needed is what the user has to be allowed on an object.
type needed struct {
	name       string
	entity     vim.ManagedObjectReference
	privileges []string
}

// Verify asks vCenter for the privileges of the user on everything that the place names.
func (c *Cloud) Verify(ctx context.Context, a machine.Account) error {
	return c.do(ctx, a, func(s *session) error {
		in, err := s.inventory(ctx)
		if err != nil {
			return err
		}
		needs := []needed{
			{"the folder " + in.folder.InventoryPath, in.folder.Reference(), folderPrivileges},
			{"the resource pool of " + in.cluster, in.pool, poolPrivileges},
			{"the datastore " + s.place.Datastore, in.datastore, datastorePrivileges},
		}
		for _, os := range slices.Sorted(maps.Keys(s.place.Templates)) {
			from, err := s.template(ctx, in, s.place.Templates[os])
			if err != nil {
				return err
			}
			needs = append(needs, needed{"the template " + from.InventoryPath, from.Reference(), templatePrivileges})
		}
		var entities []vim.ManagedObjectReference
		for _, need := range needs {
			entities = append(entities, need.entity)
		}
		granted, err := object.NewAuthorizationManager(s.client).FetchUserPrivilegeOnEntities(ctx, entities, s.user)
		if err != nil {
			return fmt.Errorf("asking for the privileges of %s: %w", s.user, err)
		}
		if missing := missingOf(needs, granted); len(missing) > 0 {
			return refusal(v1alpha1.ReasonUnauthorized, "the role of the user %s at vCenter %s lacks privileges: %s", s.user, s.place.Endpoint, strings.Join(missing, "; "))
		}
		return nil
	})
}

// missingOf returns what is needed and not granted, such as "Folder.Create, Folder.Delete on the folder /dc/vm/canopy".
func missingOf(needs []needed, granted []vim.UserPrivilegeResult) []string {
	var missing []string
	for _, need := range needs {
		has := map[string]bool{}
		for _, result := range granted {
			if result.Entity == need.entity {
				for _, privilege := range result.Privileges {
					has[privilege] = true
				}
			}
		}
		lacks := slices.DeleteFunc(slices.Clone(need.privileges), func(privilege string) bool { return has[privilege] })
		if len(lacks) > 0 {
			missing = append(missing, strings.Join(lacks, ", ")+" on "+need.name)
		}
	}
	return missing
}
