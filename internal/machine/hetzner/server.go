// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// images are Hetzner's own, which it renews under the same name. It has none of Flatcar.
var images = v1alpha1.Images{v1alpha1.Ubuntu: "ubuntu-24.04", v1alpha1.Debian: "debian-13"}

// Create creates a server. One of the same name is the machine's if its labels say so.
func (Cloud) Create(ctx context.Context, c machine.Cluster, m machine.Machine) (machine.Instance, error) {
	client, place, err := connect(c.Account)
	if err != nil {
		return machine.Instance{}, err
	}
	opts, err := optsOf(c, m, place)
	if err != nil {
		return machine.Instance{}, err
	}
	what := fmt.Sprintf("creating server %s of type %s in %s", m.Name, opts.ServerType.Name, place.Location)
	created, _, err := client.Server.Create(ctx, opts)
	if hcloud.IsError(err, hcloud.ErrorCodeUniquenessError) {
		there, _, lookup := client.Server.GetByName(ctx, m.Name)
		if lookup != nil {
			return machine.Instance{}, classify("reading server "+m.Name, lookup)
		}
		if there != nil && there.Labels[machine.TagMachine] == string(m.UID) {
			return instanceOf(there), nil
		}
	}
	if err != nil {
		return machine.Instance{}, classify(what, err)
	}
	return instanceOf(created.Server), nil
}

// optsOf is what the server is made of.
func optsOf(c machine.Cluster, m machine.Machine, place *v1alpha1.HetznerPlace) (hcloud.ServerCreateOpts, error) {
	spec := m.Provider.Hetzner
	if spec == nil {
		return hcloud.ServerCreateOpts{}, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf("pool %s has no block for Hetzner", m.Pool)}
	}
	image, err := imageOf(spec, place)
	if err != nil {
		return hcloud.ServerCreateOpts{}, err
	}
	network, err := idOf(c.Network.Network)
	if err != nil {
		return hcloud.ServerCreateOpts{}, err
	}
	opts := hcloud.ServerCreateOpts{
		Name: m.Name, ServerType: &hcloud.ServerType{Name: spec.ServerType}, Image: image,
		Location: &hcloud.Location{Name: place.Location}, UserData: string(m.UserData), Labels: labelsOf(c),
		Networks: []*hcloud.Network{{ID: network}},
	}
	opts.Labels[machine.TagMachine] = string(m.UID)
	for _, group := range c.Network.SecurityGroups {
		id, err := idOf(group)
		if err != nil {
			return hcloud.ServerCreateOpts{}, err
		}
		opts.Firewalls = append(opts.Firewalls, &hcloud.ServerCreateFirewall{Firewall: hcloud.Firewall{ID: id}})
	}
	return opts, nil
}

// imageOf returns the image of a pool. A snapshot goes by its number.
func imageOf(spec *v1alpha1.HetznerMachine, place *v1alpha1.HetznerPlace) (*hcloud.Image, error) {
	system, named := spec.Chosen(place.Images)
	name := cmp.Or(named, images[system])
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		return &hcloud.Image{ID: id}, nil
	}
	if name != "" {
		return &hcloud.Image{Name: name}, nil
	}
	return nil, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
		"Hetzner has no image of %s: make a snapshot, and name its number in the pool or in the Datacenter", system)}
}

// List returns the servers with the cluster's label.
func (Cloud) List(ctx context.Context, c machine.Cluster) ([]machine.Instance, error) {
	client, _, err := connect(c.Account)
	if err != nil {
		return nil, err
	}
	servers, err := client.Server.AllWithOpts(ctx, hcloud.ServerListOpts{ListOpts: ofCluster(c)})
	if err != nil {
		return nil, classify("listing servers of "+nameOf(c), err)
	}
	instances := make([]machine.Instance, 0, len(servers))
	for _, server := range servers {
		instances = append(instances, instanceOf(server))
	}
	return instances, nil
}

// Delete deletes a server. Its disk and addresses go with it.
func (Cloud) Delete(ctx context.Context, c machine.Cluster, instance machine.Instance) error {
	client, _, err := connect(c.Account)
	if err != nil {
		return err
	}
	id, err := idOf(instance.ID)
	if err != nil {
		return err
	}
	_, _, err = client.Server.DeleteWithResult(ctx, &hcloud.Server{ID: id})
	return classify("deleting server "+instance.ID, ignoreNotFound(err))
}

// instanceOf says how a server is.
func instanceOf(server *hcloud.Server) machine.Instance {
	id := strconv.FormatInt(server.ID, 10)
	instance := machine.Instance{
		ID: id, ProviderID: "hcloud://" + id, MachineUID: types.UID(server.Labels[machine.TagMachine]),
		Created: server.Created, Addresses: addressesOf(server),
	}
	switch server.Status {
	case hcloud.ServerStatusRunning:
		instance.Running = true
	case hcloud.ServerStatusDeleting:
		instance.Deleting = true
		instance.Reason, instance.Message = "Deleting", fmt.Sprintf("server %s is being deleted", id)
	case hcloud.ServerStatusOff, hcloud.ServerStatusStopping:
		instance.Reason, instance.Message = "Off", fmt.Sprintf("server %s is switched off: switch it on", id)
	default:
		instance.Reason, instance.Message = "Starting", fmt.Sprintf("server %s is being made (%s)", id, server.Status)
	}
	return instance
}

// addressesOf returns the server's name and its addresses.
func addressesOf(server *hcloud.Server) []clusterv1.MachineAddress {
	addresses := []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: server.Name}}
	add := func(kind clusterv1.MachineAddressType, ip net.IP) {
		if ip != nil && !ip.IsUnspecified() {
			addresses = append(addresses, clusterv1.MachineAddress{Type: kind, Address: ip.String()})
		}
	}
	for _, private := range server.PrivateNet {
		add(clusterv1.MachineInternalIP, private.IP)
	}
	add(clusterv1.MachineExternalIP, server.PublicNet.IPv4.IP)
	return addresses
}
