// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"canopy.dev/canopy/internal/machine"
)

// DeleteNetwork lets go of what says in its description that it is the cluster's: from the outside inwards, since Neutron refuses
// to delete what something else still uses. What is left is in use by something that is not ours.
func (c *Cloud) DeleteNetwork(ctx context.Context, cluster machine.Cluster) ([]string, error) {
	var left []string
	err := c.do(ctx, cluster.Account, func(a *account) error {
		left = nil
		for _, unmake := range []func(context.Context, machine.Cluster) ([]string, error){
			a.deleteFloatingIPs, a.deletePorts, a.deleteRouters, a.deleteSubnets, a.deleteNetworks, a.deleteGroups,
		} {
			inUse, err := unmake(ctx, cluster)
			if err != nil {
				return err
			}
			left = append(left, inUse...)
		}
		return nil
	})
	return left, err
}

// kept returns what could not be deleted because it is in use; that it is gone already is no error.
func kept(kind, id string, err error) ([]string, error) {
	switch {
	case err == nil, gophercloud.ResponseCodeIs(err, http.StatusNotFound):
		return nil, nil
	case gophercloud.ResponseCodeIs(err, http.StatusConflict):
		return []string{kind + " " + id}, nil
	}
	return nil, fmt.Errorf("deleting the %s %s: %w", kind, id, err)
}

// deleteAll deletes objects one by one, and returns those that are in use.
func deleteAll[T any](kind string, objects []T, id func(T) string, unmake func(string) error) ([]string, error) {
	var left []string
	for _, object := range objects {
		more, err := kept(kind, id(object), unmake(id(object)))
		if err != nil {
			return left, err
		}
		left = append(left, more...)
	}
	return left, nil
}

func (a *account) deleteFloatingIPs(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.floatingIPs(ctx, floatingips.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	return deleteAll("floating IP", list, func(f floatingips.FloatingIP) string { return f.ID }, func(id string) error {
		return floatingips.Delete(ctx, a.network, id).ExtractErr()
	})
}

func (a *account) deletePorts(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.ports(ctx, ports.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	var unused []ports.Port
	var left []string
	for _, port := range list {
		if port.DeviceID == "" {
			unused = append(unused, port)
		} else {
			left = append(left, "port "+port.ID)
		}
	}
	more, err := deleteAll("port", unused, func(p ports.Port) string { return p.ID }, func(id string) error {
		return ports.Delete(ctx, a.network, id).ExtractErr()
	})
	return append(left, more...), err
}

func (a *account) deleteRouters(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.routers(ctx, c)
	if err != nil {
		return nil, err
	}
	return deleteAll("router", list, func(r routers.Router) string { return r.ID }, func(id string) error {
		connected, err := a.interfaces(ctx, id)
		if err != nil {
			return err
		}
		for _, port := range connected {
			_, err := routers.RemoveInterface(ctx, a.network, id, routers.RemoveInterfaceOpts{PortID: port.ID}).Extract()
			if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
				return err
			}
		}
		return routers.Delete(ctx, a.network, id).ExtractErr()
	})
}

func (a *account) deleteSubnets(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.subnets(ctx, subnets.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	return deleteAll("subnet", list, func(s subnets.Subnet) string { return s.ID }, func(id string) error {
		return subnets.Delete(ctx, a.network, id).ExtractErr()
	})
}

func (a *account) deleteNetworks(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.networks(ctx, networks.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	return deleteAll("network", list, func(n networks.Network) string { return n.ID }, func(id string) error {
		return networks.Delete(ctx, a.network, id).ExtractErr()
	})
}

func (a *account) deleteGroups(ctx context.Context, c machine.Cluster) ([]string, error) {
	list, err := a.groups(ctx, groups.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	return deleteAll("security group", list, func(g groups.SecGroup) string { return g.ID }, func(id string) error {
		return groups.Delete(ctx, a.network, id).ExtractErr()
	})
}
