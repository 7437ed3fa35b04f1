// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"context"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"canopy.dev/canopy/test/cloud/core"
)

// detail returns an instance as it was asked for.
func detail(i *core.Instance) *compute.Instance {
	return i.Detail.(*compute.Instance) //nolint:forcetypeassert // nothing else is put there
}

// idOf returns the ID of the instance at the path: its zone and its name, as they are in its provider ID.
func idOf(path string) string {
	parts := strings.Split(path, "/") // projects, its ID, zones, …
	return parts[3] + "/" + parts[5]
}

// said returns an instance as the API says that it is.
func (c *Cloud) said(i *core.Instance) *compute.Instance {
	d := *detail(i)
	d.CreationTimestamp = i.Created.Format(time.RFC3339Nano)
	d.Zone = link(c.path("zones/" + i.Zone))
	d.SelfLink = d.Zone + "/instances/" + i.Name
	if d.Status == "" { // else somebody has stopped it
		d.Status = map[core.State]string{core.Pending: "STAGING", core.Running: "RUNNING", core.Ending: "STOPPING"}[i.State]
	}
	nic := *d.NetworkInterfaces[0]
	nic.NetworkIP = i.PrivateIP
	if len(nic.AccessConfigs) > 0 {
		access := *nic.AccessConfigs[0]
		access.NatIP = i.PublicIP
		nic.AccessConfigs = []*compute.AccessConfig{&access}
	}
	d.NetworkInterfaces = []*compute.NetworkInterface{&nic}
	return &d
}

// Stop stops the instance in the zone, for tests: as a person at the console does.
func (c *Cloud) Stop(ctx context.Context, zone, name string) {
	c.Do(func() {
		if i := c.Instance(ctx, zone+"/"+name); i != nil {
			detail(i).Status = "TERMINATED"
		}
	})
}

func (c *Cloud) getInstance(r call) (any, error) {
	path := pathOf(r.URL.Path)
	i := c.Instance(r.Context(), idOf(path))
	if i == nil {
		return nil, notFound(path)
	}
	return c.said(i), nil
}

func (c *Cloud) listInstances(r call) (any, error) {
	var all []*compute.Instance
	for _, i := range c.Instances(r.Context(), func(*core.Instance) bool { return true }) {
		all = append(all, c.said(i))
	}
	items, next, err := page(c, r, all)
	if err != nil {
		return nil, err
	}
	scopes := map[string]any{}
	for _, zone := range zones() {
		var here []*compute.Instance
		for _, i := range items {
			if nameOf(i.Zone) == zone {
				here = append(here, i)
			}
		}
		scopes["zones/"+zone] = map[string]any{"instances": here}
		if here == nil {
			scopes["zones/"+zone] = map[string]any{"warning": map[string]string{"code": "NO_RESULTS_ON_PAGE"}}
		}
	}
	result := map[string]any{"items": scopes}
	if next != "" {
		result["nextPageToken"] = next
	}
	return result, nil
}

func (c *Cloud) insertInstance(r call) (any, error) {
	i := &compute.Instance{}
	if err := decode(r, i, &i.Name); err != nil {
		return nil, err
	}
	if before, err := c.repeated(r); before != nil || err != nil {
		if before != nil {
			return &before.Operation, nil
		}
		return nil, err
	}
	zone := r.PathValue("zone")
	path := pathOf(r.URL.Path) + "/" + i.Name
	if c.Instance(r.Context(), idOf(path)) != nil {
		return nil, core.Refuse(core.Conflict, "The resource '%s' already exists", path)
	}
	if err := c.valid(i, zone); err != nil {
		return nil, err
	}
	userData := ""
	for _, item := range i.Metadata.Items {
		if item.Key == "user-data" && item.Value != nil {
			userData = *item.Value
		}
	}
	_, err := c.Launch(r.Context(), core.Instance{
		ID: idOf(path), Name: i.Name, Size: nameOf(i.MachineType), Zone: zone, Tags: i.Labels, UserData: []byte(userData), Detail: i,
	})
	refusal, _ := err.(*core.Refusal) //nolint:errorlint // nothing wraps them
	return c.begin(r, "insert", path, refusal, func() {}), nil
}

var labelForm = regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)

// valid returns an error for an instance that the API would not take.
func (c *Cloud) valid(i *compute.Instance, zone string) error {
	invalid := func(field, value, why string) error {
		return core.Refuse(core.Invalid, "Invalid value for field 'resource.%s': '%s'. %s", field, value, why)
	}
	needed := []string{"compute.disks.create", "compute.subnetworks.use", "compute.instances.setMetadata"}
	if len(i.Labels) > 0 {
		needed = append(needed, "compute.instances.setLabels")
	}
	for key, value := range i.Labels {
		if !nameForm.MatchString(key) || !labelForm.MatchString(value) {
			return invalid("labels", key+"="+value, "Labels are lowercase.")
		}
	}
	if t := i.MachineType; !strings.HasSuffix(t, "zones/"+zone+"/machineTypes/"+nameOf(t)) || machineTypes[nameOf(t)] == nil {
		return invalid("machineType", t, "The referenced resource does not exist.")
	}
	if len(i.Disks) != 1 || !i.Disks[0].Boot || i.Disks[0].InitializeParams == nil {
		return invalid("disks", "", "At least one boot disk must be specified.")
	}
	disk := i.Disks[0].InitializeParams
	if !images[disk.SourceImage] {
		return notFound(disk.SourceImage)
	}
	if len(disk.Labels) > 0 {
		needed = append(needed, "compute.disks.setLabels")
	}
	if strings.HasPrefix(disk.SourceImage, c.path("")) {
		needed = append(needed, "compute.images.useReadOnly")
	}
	if disk.DiskType != "" && !strings.HasPrefix(disk.DiskType, "zones/"+zone+"/diskTypes/") || disk.DiskSizeGb < 10 {
		return invalid("disks[0].initializeParams", disk.DiskType, "The disk must be of a type of the zone and of at least 10 GB.")
	}
	if len(i.NetworkInterfaces) != 1 {
		return invalid("networkInterfaces", "", "At least one network interface is required.")
	}
	nic := i.NetworkInterfaces[0]
	if subnet, ok := c.subnetworks.Get(pathOf(nic.Subnetwork)); !ok || !strings.HasPrefix(zone, nameOf(subnet.Region)+"-") {
		return invalid("networkInterfaces[0].subnetwork", nic.Subnetwork, "The referenced subnetwork resource cannot be found.")
	}
	if len(nic.AccessConfigs) > 0 {
		needed = append(needed, "compute.subnetworks.useExternalIp")
	}
	if i.Tags != nil && len(i.Tags.Items) > 0 {
		needed = append(needed, "compute.instances.setTags")
	}
	if s := i.Scheduling; s != nil && s.ProvisioningModel == "SPOT" && (s.OnHostMaintenance == "MIGRATE" || s.AutomaticRestart == nil || *s.AutomaticRestart) {
		return invalid("scheduling", s.ProvisioningModel, "Spot VMs cannot migrate nor restart automatically.")
	}
	if i.Metadata == nil {
		i.Metadata = &compute.Metadata{}
	}
	return c.allowed(needed...)
}

func (c *Cloud) deleteInstance(r call) (any, error) {
	path := pathOf(r.URL.Path)
	there, err := c.End(r.Context(), idOf(path))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, notFound(path)
	}
	return c.begin(r, "delete", path, nil, func() {}), nil
}
