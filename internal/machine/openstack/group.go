// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"

	"canopy.dev/canopy/internal/machine"
)

// sshPort is let in from everywhere.
const sshPort = 22

// securityGroups returns the IDs of the cluster's security groups, of which one is made unless the cluster names some.
func (a *account) securityGroups(ctx context.Context, c machine.Cluster) ([]string, error) {
	if len(c.Named.SecurityGroups) > 0 {
		var ids []string
		for _, name := range c.Named.SecurityGroups {
			found, err := a.groups(ctx, groups.ListOpts{Name: name}, groups.ListOpts{ID: name})
			if err != nil {
				return nil, err
			}
			if len(found) != 1 {
				return nil, notOne("security group", name, len(found))
			}
			ids = append(ids, found[0].ID)
		}
		return ids, nil
	}
	found, err := a.groups(ctx, groups.ListOpts{Description: description(c.UID)})
	if err != nil {
		return nil, err
	}
	var group *groups.SecGroup
	if len(found) > 0 {
		group = &found[0]
	} else if group, err = groups.Create(ctx, a.network, groups.CreateOpts{Name: nameOf(c), Description: description(c.UID)}).Extract(); err != nil {
		return nil, fmt.Errorf("making the security group %s: %w", nameOf(c), err)
	}
	missing := missingRules(group)
	if len(missing) == 0 {
		return []string{group.ID}, nil
	}
	if _, err := rules.CreateBulk(ctx, a.network, missing).Extract(); err != nil {
		return nil, fmt.Errorf("making the rules of the security group %s: %w", nameOf(c), err)
	}
	return []string{group.ID}, nil
}

// groups returns the security groups that the first of the queries finds that finds any.
func (a *account) groups(ctx context.Context, queries ...groups.ListOpts) ([]groups.SecGroup, error) {
	for _, query := range queries {
		pages, err := groups.List(a.network, query).AllPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing security groups: %w", err)
		}
		found, err := groups.ExtractGroups(pages)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// wantedRules is what is let in: all of the group itself, and from everywhere SSH, ICMP and the ports of Services. Outwards a new
// group lets everything through.
func wantedRules(group string) []rules.CreateOpts {
	var wanted []rules.CreateOpts
	ports := machine.OpenPorts
	for _, family := range []struct {
		ether rules.RuleEtherType
		icmp  rules.RuleProtocol
	}{{rules.EtherType4, rules.ProtocolICMP}, {rules.EtherType6, rules.ProtocolIPv6ICMP}} {
		wanted = append(wanted,
			rules.CreateOpts{EtherType: family.ether, RemoteGroupID: group},
			rules.CreateOpts{EtherType: family.ether, Protocol: rules.ProtocolTCP, PortRangeMin: sshPort, PortRangeMax: sshPort},
			rules.CreateOpts{EtherType: family.ether, Protocol: family.icmp},
			rules.CreateOpts{EtherType: family.ether, Protocol: rules.ProtocolTCP, PortRangeMin: ports.First, PortRangeMax: ports.Last},
			rules.CreateOpts{EtherType: family.ether, Protocol: rules.ProtocolUDP, PortRangeMin: ports.First, PortRangeMax: ports.Last})
	}
	for i := range wanted {
		wanted[i].Direction, wanted[i].SecGroupID = rules.DirIngress, group
	}
	return wanted
}

func missingRules(group *groups.SecGroup) []rules.CreateOpts {
	return slices.DeleteFunc(wantedRules(group.ID), func(want rules.CreateOpts) bool {
		return slices.ContainsFunc(group.Rules, func(is rules.SecGroupRule) bool {
			return is.Direction == string(want.Direction) && is.EtherType == string(want.EtherType) && is.Protocol == string(want.Protocol) &&
				is.PortRangeMin == want.PortRangeMin && is.PortRangeMax == want.PortRangeMax && is.RemoteGroupID == want.RemoteGroupID
		})
	})
}
