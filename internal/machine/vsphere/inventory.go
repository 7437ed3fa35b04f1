// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/pbm"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// inventory is what the place names.
type inventory struct {
	datacenter *object.Datacenter
	// cluster is the path of the compute cluster, and pool its own resource pool.
	cluster   string
	pool      vim.ManagedObjectReference
	datastore vim.ManagedObjectReference
	// folder is where the folders of clusters are.
	folder *object.Folder
	// policy is the ID of the storage policy; empty: the datastore's.
	policy string
}

func (s *session) inventory(ctx context.Context) (*inventory, error) {
	return machine.Lookup(s.lookups, "inventory", func() (*inventory, error) {
		finder := find.NewFinder(s.client)
		datacenter, err := finder.Datacenter(ctx, s.place.Datacenter)
		if err != nil {
			return nil, err
		}
		finder.SetDatacenter(datacenter)
		in := &inventory{datacenter: datacenter}
		compute, err := finder.ClusterComputeResource(ctx, s.place.Cluster)
		if err != nil {
			return nil, err
		}
		in.cluster = compute.InventoryPath
		pool, err := compute.ResourcePool(ctx)
		if err != nil {
			return nil, err
		}
		in.pool = pool.Reference()
		datastore, err := finder.Datastore(ctx, s.place.Datastore)
		if err != nil {
			return nil, err
		}
		in.datastore = datastore.Reference()
		if in.folder, err = finder.Folder(ctx, under(datacenter.InventoryPath+"/vm", s.place.Folder)); err != nil {
			return nil, err
		}
		in.policy, err = s.policy(ctx)
		return in, err
	})
}

// under returns a path of vCenter's inventory, which may be given from the root or from where such things are.
func under(root, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return path.Join(root, name)
}

// policy returns the ID of the place's storage policy.
func (s *session) policy(ctx context.Context) (string, error) {
	if s.place.StoragePolicy == "" {
		return "", nil
	}
	client, err := pbm.NewClient(ctx, s.client)
	if err != nil {
		return "", fmt.Errorf("connecting to the storage policies: %w", err)
	}
	id, err := client.ProfileIDByName(ctx, s.place.StoragePolicy)
	if err != nil && !is[vim.BaseMethodFault](err) {
		return "", refusal(v1alpha1.ReasonConfiguration, "vCenter %s has no storage policy %q: correct the Datacenter (%v)", s.place.Endpoint, s.place.StoragePolicy, err)
	}
	return id, err
}

func (s *session) finder(in *inventory) *find.Finder {
	return find.NewFinder(s.client).SetDatacenter(in.datacenter)
}

// template is what a machine is cloned from.
type template struct {
	*object.VirtualMachine

	devices object.VirtualDeviceList
}

func (s *session) template(ctx context.Context, in *inventory, name string) (*template, error) {
	return machine.Lookup(s.lookups, "template/"+name, func() (*template, error) {
		vm, err := s.finder(in).VirtualMachine(ctx, name)
		if err != nil {
			return nil, err
		}
		devices, err := vm.Device(ctx)
		return &template{vm, devices}, err
	})
}

// pool returns the resource pool of a path, which is below the compute cluster's own unless it starts at the root.
func (s *session) pool(ctx context.Context, in *inventory, name string) (vim.ManagedObjectReference, error) {
	if name == "" {
		return in.pool, nil
	}
	return machine.Lookup(s.lookups, "pool/"+name, func() (vim.ManagedObjectReference, error) {
		pool, err := s.finder(in).ResourcePool(ctx, under(in.cluster+"/Resources", name))
		if err != nil {
			return vim.ManagedObjectReference{}, err
		}
		return pool.Reference(), nil
	})
}

// network returns what a network card is connected to, of a port group.
func (s *session) network(ctx context.Context, in *inventory, name string) (vim.BaseVirtualDeviceBackingInfo, error) {
	return machine.Lookup(s.lookups, "network/"+name, func() (vim.BaseVirtualDeviceBackingInfo, error) {
		network, err := s.finder(in).Network(ctx, name)
		if err != nil {
			return nil, err
		}
		return network.EthernetCardBackingInfo(ctx)
	})
}

// folderName is of the folder of a cluster. Its UID keeps clusters apart that platforms which share a vCenter call the same.
func folderName(c machine.Cluster) string {
	return fmt.Sprintf("canopy-%s-%.8s", c.Name, c.UID)
}

// child returns what is called name in the folder; nil if nothing is.
func (s *session) child(ctx context.Context, folder *object.Folder, name string) (object.Reference, error) {
	return object.NewSearchIndex(s.client).FindChild(ctx, folder, name)
}

// errNoFolder says that the cluster has no folder, and therefore no machines.
var errNoFolder = errors.New("the cluster has no folder")

// folder returns the folder of the cluster, or errNoFolder.
func (s *session) folder(ctx context.Context, c machine.Cluster) (*object.Folder, error) {
	in, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	name := folderName(c)
	return machine.Lookup(s.lookups, "folder/"+name, func() (*object.Folder, error) {
		found, err := s.child(ctx, in.folder, name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			return nil, errNoFolder
		}
		return object.NewFolder(s.client, found.Reference()), nil
	})
}
