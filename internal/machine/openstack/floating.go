// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"canopy.dev/canopy/internal/machine"
)

// floatingPort returns the machine's port with a floating IP, both of which are made unless they are there. Nova could make the
// port as well, but then it is there only when the machine is, and nobody comes back to give it an address.
func (a *account) floatingPort(ctx context.Context, c machine.Cluster, m machine.Machine) (string, error) {
	name := m.Name + " " + string(m.UID)
	list, err := a.ports(ctx, ports.ListOpts{Name: name, Description: description(c.UID)})
	if err != nil {
		return "", err
	}
	var port *ports.Port
	if len(list) > 0 {
		port = &list[0]
		given, err := a.floatingIPs(ctx, floatingips.ListOpts{PortID: port.ID})
		if err != nil || len(given) > 0 {
			return port.ID, err
		}
	} else if port, err = ports.Create(ctx, a.network, ports.CreateOpts{
		Name: name, Description: description(c.UID), NetworkID: c.Network.Network, SecurityGroups: &c.Network.SecurityGroups,
	}).Extract(); err != nil {
		return "", fmt.Errorf("making a port of machine %s: %w", m.Name, err)
	}
	outside, err := a.externalNetwork(ctx)
	if err != nil {
		return "", err
	}
	_, err = floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: outside, PortID: port.ID, Description: description(c.UID)}).Extract()
	if err != nil {
		return "", fmt.Errorf("making a floating IP of machine %s: %w", m.Name, err)
	}
	return port.ID, nil
}

// releasePorts deletes the ports of the query that are the cluster's, and their floating IPs. Those that Nova has made are not
// among them.
func (a *account) releasePorts(ctx context.Context, c machine.Cluster, query ports.ListOpts) error {
	query.Description = description(c.UID)
	list, err := a.ports(ctx, query)
	if err != nil {
		return err
	}
	for _, port := range list {
		given, err := a.floatingIPs(ctx, floatingips.ListOpts{PortID: port.ID, Description: description(c.UID)})
		if err != nil {
			return err
		}
		for _, floating := range given {
			if err := floatingips.Delete(ctx, a.network, floating.ID).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
				return fmt.Errorf("deleting the floating IP %s: %w", floating.FloatingIP, err)
			}
		}
		if err := ports.Delete(ctx, a.network, port.ID).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return fmt.Errorf("deleting the port %s: %w", port.ID, err)
		}
	}
	return nil
}

func (a *account) floatingIPs(ctx context.Context, query floatingips.ListOpts) ([]floatingips.FloatingIP, error) {
	pages, err := floatingips.List(a.network, query).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing floating IPs: %w", err)
	}
	return floatingips.ExtractFloatingIPs(pages)
}
