// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/internal/machine"
)

// providerID is what OpenStack's cloud controller manager calls the node of a server.
func providerID(server string) string { return "openstack:///" + server }

// Create makes the machine's server, and before it a port with a floating IP if the place gives each machine one.
func (c *Cloud) Create(ctx context.Context, cluster machine.Cluster, m machine.Machine) (machine.Instance, error) {
	instance := machine.Instance{}
	err := c.do(ctx, cluster.Account, func(a *account) error {
		opts, err := a.serverOf(ctx, cluster, m)
		if err != nil {
			return err
		}
		network := servers.Network{UUID: cluster.Network.Network}
		if a.place.FloatingIPs {
			port, err := a.floatingPort(ctx, cluster, m)
			if err != nil {
				return err
			}
			network, opts.SecurityGroups = servers.Network{Port: port}, nil
		}
		opts.Networks = []servers.Network{network}
		server, err := servers.Create(ctx, a.compute, opts, nil).Extract()
		if err != nil {
			err = fmt.Errorf("making the server %s: %w", m.Name, err)
			if status := statusOf(err); network.Port != "" && status >= http.StatusBadRequest && status < http.StatusInternalServerError {
				err = errors.Join(err, a.releasePorts(ctx, cluster, ports.ListOpts{ID: network.Port}))
			}
			return err
		}
		instance = machine.Instance{
			ID: server.ID, MachineUID: m.UID, ProviderID: providerID(server.ID), Created: time.Now(), Reason: "Building", Message: "OpenStack is making the server",
		}
		return nil
	})
	return instance, err
}

func (a *account) serverOf(ctx context.Context, c machine.Cluster, m machine.Machine) (servers.CreateOpts, error) {
	block := m.Provider.OpenStack
	opts := servers.CreateOpts{
		Name: m.Name, SecurityGroups: c.Network.SecurityGroups, UserData: []byte(base64.StdEncoding.EncodeToString(m.UserData)),
		AvailabilityZone: cmp.Or(block.AvailabilityZone, a.place.AvailabilityZone), Tags: []string{serverTag(c.UID)},
		Metadata: map[string]string{keyCluster: string(c.UID), keyMachine: string(m.UID), "canopy.dev:pool": m.Pool},
	}
	flavor, err := a.flavor(ctx, block.Flavor)
	if err != nil {
		return opts, err
	}
	image, err := a.imageOf(ctx, block.System)
	if err != nil {
		return opts, err
	}
	opts.FlavorRef, opts.ImageRef = flavor, image
	if block.DiskGiB > 0 {
		opts.ImageRef = ""
		opts.BlockDevice = []servers.BlockDevice{{
			SourceType: servers.SourceImage, UUID: image, DestinationType: servers.DestinationVolume, VolumeSize: int(block.DiskGiB), DeleteOnTermination: true,
		}}
	}
	return opts, nil
}

// List returns the servers with the cluster's tag. Nova lists those that are being deleted until they are gone, and with them
// their volumes and ports.
func (c *Cloud) List(ctx context.Context, cluster machine.Cluster) ([]machine.Instance, error) {
	var instances []machine.Instance
	err := c.do(ctx, cluster.Account, func(a *account) error {
		pages, err := servers.List(a.compute, servers.ListOpts{Tags: serverTag(cluster.UID)}).AllPages(ctx)
		if err != nil {
			return fmt.Errorf("listing servers: %w", err)
		}
		list, err := servers.ExtractServers(pages)
		if err != nil {
			return err
		}
		instances = nil
		for i := range list {
			if list[i].Metadata[keyCluster] == string(cluster.UID) {
				instances = append(instances, instanceOf(&list[i]))
			}
		}
		return nil
	})
	return instances, err
}

func instanceOf(s *servers.Server) machine.Instance {
	instance := machine.Instance{
		ID: s.ID, MachineUID: types.UID(s.Metadata[keyMachine]), ProviderID: providerID(s.ID), Created: s.Created, Addresses: addressesOf(s),
	}
	switch {
	case s.Status == "DELETED", s.Status == "SOFT_DELETED", s.TaskState == "deleting":
		instance.Deleting = true
		instance.Reason, instance.Message = "Deleting", "OpenStack is deleting the server"
	case s.Status == "ACTIVE":
		instance.Running = true
	case s.Status == "ERROR":
		instance.Failed = true
		instance.Message = fmt.Sprintf("OpenStack could not make it: %s", cmp.Or(s.Fault.Message, "no reason is given"))
	case s.Status == "BUILD":
		instance.Reason, instance.Message = "Building", "OpenStack is making the server"
	default:
		instance.Reason, instance.Message = "NotActive", fmt.Sprintf("OpenStack says that the server is %s", s.Status)
	}
	return instance
}

func isExternal(a clusterv1.MachineAddress) bool { return a.Type == clusterv1.MachineExternalIP }

// addressesOf returns the server's name and its addresses, of which the floating ones are those that others reach it by.
func addressesOf(s *servers.Server) []clusterv1.MachineAddress {
	addresses := []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: s.Name}}
	for _, network := range s.Addresses {
		list, _ := network.([]any)
		for _, entry := range list {
			fields, _ := entry.(map[string]any)
			address, _ := fields["addr"].(string)
			kind := clusterv1.MachineInternalIP
			if fields["OS-EXT-IPS:type"] == "floating" {
				kind = clusterv1.MachineExternalIP
			}
			addresses = append(addresses, clusterv1.MachineAddress{Type: kind, Address: address})
		}
	}
	slices.SortFunc(addresses, func(a, b clusterv1.MachineAddress) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Address, b.Address))
	})
	return addresses
}

// Delete deletes the server, and with it the volume that it boots from. Its own port and floating IP go before: as long as the
// server is there, somebody comes back for them.
func (c *Cloud) Delete(ctx context.Context, cluster machine.Cluster, instance machine.Instance) error {
	return c.do(ctx, cluster.Account, func(a *account) error {
		if a.place.FloatingIPs || slices.ContainsFunc(instance.Addresses, isExternal) {
			if err := a.releasePorts(ctx, cluster, ports.ListOpts{DeviceID: instance.ID}); err != nil {
				return err
			}
		}
		err := servers.Delete(ctx, a.compute, instance.ID).ExtractErr()
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return fmt.Errorf("deleting the server %s: %w", instance.ID, err)
		}
		return nil
	})
}
