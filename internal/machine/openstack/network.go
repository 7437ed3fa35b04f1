// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// subnetBlock is the addresses of a network that is made. Nothing outside sees them.
const subnetBlock = "10.0.0.0/16"

// EnsureNetwork makes network, subnet and router, unless the cluster names a network, and a security group, unless it names some.
func (c *Cloud) EnsureNetwork(ctx context.Context, cluster machine.Cluster) (v1alpha1.CloudNetwork, error) {
	var made v1alpha1.CloudNetwork
	err := c.do(ctx, cluster.Account, func(a *account) (err error) {
		if made, err = a.namedNetwork(ctx, cluster.Named); err != nil {
			return err
		}
		if made.Network == "" {
			if made, err = a.makeNetwork(ctx, cluster); err != nil {
				return err
			}
		}
		made.SecurityGroups, err = a.securityGroups(ctx, cluster)
		return err
	})
	return made, err
}

func notOne(kind, name string, n int) error {
	if n == 0 {
		return refusal(v1alpha1.ReasonConfiguration, "there is no %s %s: correct the cluster's network", kind, name)
	}
	return refusal(v1alpha1.ReasonConfiguration, "there are %d of the kind %s with the name %s: name one by its ID", n, kind, name)
}

// namedNetwork returns the IDs of what the cluster names. A subnet without a network names its network as well; a network without
// subnets is taken with all of its.
func (a *account) namedNetwork(ctx context.Context, named v1alpha1.CloudNetwork) (v1alpha1.CloudNetwork, error) {
	found := v1alpha1.CloudNetwork{}
	if named.Network != "" {
		list, err := a.networks(ctx, networks.ListOpts{Name: named.Network}, networks.ListOpts{ID: named.Network})
		if err != nil {
			return found, err
		}
		if len(list) != 1 {
			return found, notOne("network", named.Network, len(list))
		}
		found.Network = list[0].ID
	}
	for _, name := range named.Subnets {
		list, err := a.subnets(ctx, subnets.ListOpts{Name: name, NetworkID: found.Network}, subnets.ListOpts{ID: name, NetworkID: found.Network})
		if err != nil {
			return found, err
		}
		if len(list) != 1 {
			return found, notOne("subnet", name, len(list))
		}
		found.Network = list[0].NetworkID
		found.Subnets = append(found.Subnets, list[0].ID)
	}
	if found.Network == "" || len(found.Subnets) > 0 {
		return found, nil
	}
	list, err := a.subnets(ctx, subnets.ListOpts{NetworkID: found.Network})
	if err != nil {
		return found, err
	}
	if len(list) == 0 {
		return found, refusal(v1alpha1.ReasonConfiguration, "the network %s has no subnet: machines would get no address", named.Network)
	}
	for _, subnet := range list {
		found.Subnets = append(found.Subnets, subnet.ID)
	}
	return found, nil
}

// makeNetwork returns the network that the cluster has to itself, of which what is missing is made.
func (a *account) makeNetwork(ctx context.Context, c machine.Cluster) (v1alpha1.CloudNetwork, error) {
	made := v1alpha1.CloudNetwork{}
	ours := description(c.UID)
	list, err := a.networks(ctx, networks.ListOpts{Description: ours})
	if err != nil {
		return made, err
	}
	if len(list) > 0 {
		made.Network = list[0].ID
	} else {
		network, err := networks.Create(ctx, a.network, networks.CreateOpts{Name: nameOf(c), Description: ours}).Extract()
		if err != nil {
			return made, fmt.Errorf("making the network %s: %w", nameOf(c), err)
		}
		made.Network = network.ID
	}
	ranges, err := a.subnets(ctx, subnets.ListOpts{Description: ours})
	if err != nil {
		return made, err
	}
	if len(ranges) > 0 {
		made.Subnets = []string{ranges[0].ID}
	} else {
		subnet, err := subnets.Create(ctx, a.network, subnets.CreateOpts{
			Name: nameOf(c), Description: ours, NetworkID: made.Network, CIDR: subnetBlock, IPVersion: gophercloud.IPv4, DNSNameservers: a.place.DNSServers,
		}).Extract()
		if err != nil {
			return made, fmt.Errorf("making the subnet %s: %w", nameOf(c), err)
		}
		made.Subnets = []string{subnet.ID}
	}
	return made, a.makeRouter(ctx, c, made.Subnets[0])
}

// makeRouter leads the subnet outwards.
func (a *account) makeRouter(ctx context.Context, c machine.Cluster, subnet string) error {
	list, err := a.routers(ctx, c)
	if err != nil {
		return err
	}
	var router *routers.Router
	if len(list) > 0 {
		router = &list[0]
	} else {
		outside, err := a.externalNetwork(ctx)
		if err != nil {
			return err
		}
		router, err = routers.Create(ctx, a.network, routers.CreateOpts{
			Name: nameOf(c), Description: description(c.UID), GatewayInfo: &routers.GatewayInfo{NetworkID: outside},
		}).Extract()
		if err != nil {
			return fmt.Errorf("making the router %s: %w", nameOf(c), err)
		}
	}
	connected, err := a.interfaces(ctx, router.ID)
	if err != nil || len(connected) > 0 {
		return err
	}
	if _, err := routers.AddInterface(ctx, a.network, router.ID, routers.AddInterfaceOpts{SubnetID: subnet}).Extract(); err != nil {
		return fmt.Errorf("connecting the router %s with the subnet %s: %w", router.ID, subnet, err)
	}
	return nil
}

// externalNetwork returns the ID of the network that leads outwards, which is the only one, or the default of several.
func (a *account) externalNetwork(ctx context.Context) (string, error) {
	return machine.Lookup(a.known, "external", func() (string, error) {
		pages, err := networks.List(a.network, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{}, External: new(true)}).AllPages(ctx)
		if err != nil {
			return "", fmt.Errorf("listing external networks: %w", err)
		}
		var list []struct {
			ID      string `json:"id"`
			Name    string `json:"name"`
			Default bool   `json:"is_default"`
		}
		if err := networks.ExtractNetworksInto(pages, &list); err != nil {
			return "", err
		}
		var names []string
		for _, network := range list {
			if network.Default || len(list) == 1 {
				return network.ID, nil
			}
			names = append(names, network.Name)
		}
		if len(list) == 0 {
			return "", refusal(v1alpha1.ReasonConfiguration, "the project sees no external network, without which its machines reach nobody: name a network of yours in the cluster")
		}
		return "", refusal(v1alpha1.ReasonConfiguration, "there are several external networks (%s), none of them the default: have one made the default, or name a network of yours in the cluster", strings.Join(names, ", "))
	})
}

// networks returns those that the first of the queries finds that finds any.
func (a *account) networks(ctx context.Context, queries ...networks.ListOpts) ([]networks.Network, error) {
	for _, query := range queries {
		pages, err := networks.List(a.network, query).AllPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing networks: %w", err)
		}
		found, err := networks.ExtractNetworks(pages)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// subnets returns those that the first of the queries finds that finds any.
func (a *account) subnets(ctx context.Context, queries ...subnets.ListOpts) ([]subnets.Subnet, error) {
	for _, query := range queries {
		pages, err := subnets.List(a.network, query).AllPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing subnets: %w", err)
		}
		found, err := subnets.ExtractSubnets(pages)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// routers returns those of the cluster.
func (a *account) routers(ctx context.Context, c machine.Cluster) ([]routers.Router, error) {
	pages, err := routers.List(a.network, routers.ListOpts{Description: description(c.UID)}).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing routers: %w", err)
	}
	return routers.ExtractRouters(pages)
}

// interfaces returns the ports by which a router is connected with subnets.
func (a *account) interfaces(ctx context.Context, router string) ([]ports.Port, error) {
	return a.ports(ctx, ports.ListOpts{DeviceID: router, DeviceOwner: "network:router_interface"})
}

func (a *account) ports(ctx context.Context, query ports.ListOpts) ([]ports.Port, error) {
	pages, err := ports.List(a.network, query).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing ports: %w", err)
	}
	return ports.ExtractPorts(pages)
}
