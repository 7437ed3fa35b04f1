// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// images are the slugs of DigitalOcean's own images, which always mean the newest of their kind. It has none of Flatcar.
var images = v1alpha1.Images{v1alpha1.Ubuntu: "ubuntu-24-04-x64", v1alpha1.Debian: "debian-13-x64"}

// Create creates a Droplet.
func (d *Cloud) Create(ctx context.Context, c machine.Cluster, m machine.Machine) (machine.Instance, error) {
	client, place, err := connect(c.Account)
	if err != nil {
		return machine.Instance{}, err
	}
	spec := m.Provider.DigitalOcean
	if spec == nil {
		return machine.Instance{}, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf("pool %s has no block for DigitalOcean", m.Pool)}
	}
	image, err := imageOf(spec, place)
	if err != nil {
		return machine.Instance{}, err
	}
	d.creating.RLock()
	defer d.creating.RUnlock()
	tags := []string{clusterTag(c), machineTag(c, m.UID)}
	for _, group := range c.Network.SecurityGroups {
		if group != clusterTag(c) {
			tags = append(tags, group)
		}
	}
	droplet, _, err := client.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name: m.Name, Region: place.Region, Size: spec.Size, Image: image, VPCUUID: c.Network.Network,
		Monitoring: spec.Monitoring, UserData: string(m.UserData), Tags: tags, WithDropletAgent: new(false),
	})
	if err != nil {
		return machine.Instance{}, classify(fmt.Sprintf("creating Droplet %s of size %s in %s", m.Name, spec.Size, place.Region), err)
	}
	return instanceOf(c, droplet), nil
}

// imageOf returns the image of a pool. An image of one's own goes by its number.
func imageOf(spec *v1alpha1.DigitalOceanMachine, place *v1alpha1.DigitalOceanPlace) (godo.DropletCreateImage, error) {
	system, named := spec.Chosen(place.Images)
	name := cmp.Or(named, images[system])
	if id, err := strconv.Atoi(name); err == nil {
		return godo.DropletCreateImage{ID: id}, nil
	}
	if name != "" {
		return godo.DropletCreateImage{Slug: name}, nil
	}
	return godo.DropletCreateImage{}, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
		"DigitalOcean has no image of %s: upload one, and name it in the pool or in the Datacenter", system)}
}

// List returns the Droplets with the cluster's tag.
func (d *Cloud) List(ctx context.Context, c machine.Cluster) ([]machine.Instance, error) {
	client, _, err := connect(c.Account)
	if err != nil {
		return nil, err
	}
	droplets, err := all(ctx, func(ctx context.Context, opts *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return client.Droplets.ListByTag(ctx, clusterTag(c), opts)
	})
	if err != nil {
		return nil, classify("listing Droplets of "+clusterTag(c), err)
	}
	instances := make([]machine.Instance, 0, len(droplets))
	for i := range droplets {
		instances = append(instances, instanceOf(c, &droplets[i]))
	}
	return instances, nil
}

// Delete destroys a Droplet. Its disk and addresses go with it; its tag goes when no Droplet has it.
func (d *Cloud) Delete(ctx context.Context, c machine.Cluster, instance machine.Instance) error {
	client, _, err := connect(c.Account)
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(instance.ID)
	if err != nil {
		return fmt.Errorf("the ID of a Droplet is a number, not %q", instance.ID)
	}
	_, err = client.Droplets.Delete(ctx, id)
	return classify("deleting Droplet "+instance.ID, ignoreNotFound(err))
}

// instanceOf says how a Droplet is.
func instanceOf(c machine.Cluster, droplet *godo.Droplet) machine.Instance {
	id := strconv.Itoa(droplet.ID)
	instance := machine.Instance{ID: id, ProviderID: "digitalocean://" + id, Addresses: addressesOf(droplet)}
	for _, tag := range droplet.Tags {
		if uid, ok := strings.CutPrefix(tag, machineTags(c)); ok {
			instance.MachineUID = types.UID(uid)
		}
	}
	// One that cannot be read is taken for old, which only matters if nobody has the Droplet.
	instance.Created, _ = time.Parse(time.RFC3339, droplet.Created)
	switch droplet.Status {
	case "active":
		instance.Running = len(instance.Addresses) > 1
		instance.Reason, instance.Message = "Starting", fmt.Sprintf("Droplet %s has no address yet", id)
	case "archive":
		instance.Failed = true
		instance.Reason, instance.Message = "Archived", fmt.Sprintf("Droplet %s is archived", id)
	case "off":
		instance.Reason, instance.Message = "Off", fmt.Sprintf("Droplet %s is switched off: switch it on", id)
	default:
		instance.Reason, instance.Message = "Starting", fmt.Sprintf("Droplet %s is being made (%s)", id, droplet.Status)
	}
	if instance.Running {
		instance.Reason, instance.Message = "", ""
	}
	return instance
}

// addressesOf returns the Droplet's name, and its addresses when it has some.
func addressesOf(droplet *godo.Droplet) []clusterv1.MachineAddress {
	addresses := []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: droplet.Name}}
	if droplet.Networks == nil {
		return addresses
	}
	for _, network := range droplet.Networks.V4 {
		kind := clusterv1.MachineExternalIP
		if network.Type == "private" {
			kind = clusterv1.MachineInternalIP
		}
		addresses = append(addresses, clusterv1.MachineAddress{Type: kind, Address: network.IPAddress})
	}
	return addresses
}
