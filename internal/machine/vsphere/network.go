// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// EnsureNetwork makes the folder of the cluster's machines, and looks whether everything is there that the place and the
// cluster name. Without a port group, machines are in the network of their template.
func (c *Cloud) EnsureNetwork(ctx context.Context, cluster machine.Cluster) (v1alpha1.CloudNetwork, error) {
	named := cluster.Named
	if len(named.Subnets)+len(named.SecurityGroups) > 0 || named.Role != "" || named.ResourceGroup != "" {
		return v1alpha1.CloudNetwork{}, refusal(v1alpha1.ReasonConfiguration, "vSphere has neither subnets nor security groups nor roles: the cluster's network can name a port group only")
	}
	err := c.do(ctx, cluster.Account, func(s *session) error {
		in, err := s.inventory(ctx)
		if err != nil {
			return err
		}
		if named.Network != "" {
			if _, err := s.network(ctx, in, named.Network); err != nil {
				return err
			}
		}
		for _, os := range slices.Sorted(maps.Keys(s.place.Templates)) {
			if _, err := s.template(ctx, in, s.place.Templates[os]); err != nil {
				return err
			}
		}
		_, err = s.makeFolder(ctx, cluster)
		return err
	})
	return v1alpha1.CloudNetwork{Network: named.Network}, err
}

// makeFolder returns the folder of the cluster, which is made unless it is there.
func (s *session) makeFolder(ctx context.Context, c machine.Cluster) (*object.Folder, error) {
	folder, err := s.folder(ctx, c)
	if !errors.Is(err, errNoFolder) {
		return folder, err
	}
	in, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	folder, err = in.folder.CreateFolder(ctx, folderName(c))
	var there *vim.DuplicateName
	if _, ok := fault.As(err, &there); ok {
		return object.NewFolder(s.client, there.Object), nil
	}
	if err != nil {
		return nil, fmt.Errorf("making the folder %s: %w", folderName(c), err)
	}
	return folder, nil
}

// DeleteNetwork lets go of the folder once it is empty: what somebody else has put there is not ours to delete.
func (c *Cloud) DeleteNetwork(ctx context.Context, cluster machine.Cluster) ([]string, error) {
	var left []string
	err := c.do(ctx, cluster.Account, func(s *session) error {
		left = nil
		folder, err := s.folder(ctx, cluster)
		if errors.Is(err, errNoFolder) {
			return nil
		}
		if err != nil {
			return err
		}
		left, err = s.children(ctx, folder)
		if err != nil || len(left) > 0 {
			return err
		}
		left = []string{"folder " + folderName(cluster)}
		// Unlike Destroy_Task, this keeps the files of a machine that comes into the folder only now.
		_, err = methods.UnregisterAndDestroy_Task(ctx, s.client, &vim.UnregisterAndDestroy_Task{This: folder.Reference()})
		return err
	})
	return left, err
}

// children returns what is in the folder, such as "VirtualMachine workers-a in its folder".
func (s *session) children(ctx context.Context, folder *object.Folder) ([]string, error) {
	content, err := s.retrieve(ctx, vim.PropertyFilterSpec{
		ObjectSet: []vim.ObjectSpec{below(folder.Reference(), false)},
		PropSet:   []vim.PropertySpec{{Type: "ManagedEntity", PathSet: []string{"name"}}},
	})
	var children []string
	for _, object := range content {
		for _, p := range object.PropSet {
			children = append(children, fmt.Sprintf("%s %s in its folder", object.Obj.Type, p.Val))
		}
	}
	slices.Sort(children)
	return children, err
}
