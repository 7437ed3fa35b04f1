// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// failureAge is how long the failure of an attempt is told of, before the next attempt.
const failureAge = 45 * time.Second

// families are the projects and families of the newest official images, by architecture as the API names it.
var families = map[v1alpha1.OperatingSystem]map[string]string{
	v1alpha1.Ubuntu: {
		"X86_64": "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
		"ARM64":  "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-arm64",
	},
	v1alpha1.Debian: {
		"X86_64": "projects/debian-cloud/global/images/family/debian-13",
		"ARM64":  "projects/debian-cloud/global/images/family/debian-13-arm64",
	},
	v1alpha1.Flatcar: {
		"X86_64": "projects/kinvolk-public/global/images/family/flatcar-stable",
	},
}

// installCloudInit is run at each boot. Google's own images of Debian have no cloud-init, which would read the user data.
const installCloudInit = `#!/bin/sh
command -v cloud-init >/dev/null && exit
until apt-get update && apt-get install --yes cloud-init; do sleep 5; done
systemctl reboot
`

// Create asks for the instance. What becomes of that is in an operation, which is looked at when Create is called again
// because there is no instance: only there does Google tell of quotas and of zones that have nothing left.
func (c *Cloud) Create(ctx context.Context, cl machine.Cluster, m machine.Machine) (machine.Instance, error) {
	a, err := c.account(ctx, cl.Account)
	if err != nil {
		return machine.Instance{}, err
	}
	spec := m.Provider.GCP
	zone, err := a.zone(ctx, spec.Zone)
	if err != nil {
		return machine.Instance{}, err
	}
	kind, err := a.machineType(ctx, zone, spec.MachineType)
	if err != nil {
		return machine.Instance{}, err
	}
	n := instanceName(m)
	doing := fmt.Sprintf("making the instance %s in %s", n, zone)
	failed, err := a.failed(ctx, zone, n, doing)
	if err != nil {
		return machine.Instance{}, err
	}
	wanted, err := a.instance(cl, m, zone, kind)
	if err != nil {
		return machine.Instance{}, err
	}
	op, err := a.compute.Instances.Insert(a.project, zone, wanted).RequestId(requestID(m.UID, failed)).Context(ctx).Do()
	switch {
	case is(err, http.StatusConflict):
		return a.existing(ctx, cl, m, zone)
	case err != nil:
		return machine.Instance{}, explain(err, doing)
	case op.Error != nil:
		return machine.Instance{}, explainOperation(op, doing)
	}
	wanted.Zone, wanted.Status, wanted.CreationTimestamp = zone, "PROVISIONING", op.InsertTime
	return a.observed(wanted), nil
}

// failed returns the name of the last attempt to make an instance if that has failed; empty if there was none. One that has
// failed just now is an error.
func (a *account) failed(ctx context.Context, zone, n, doing string) (string, error) {
	var newest *compute.Operation
	enough := errors.New("enough")
	err := a.compute.ZoneOperations.List(a.project, zone).
		// The host of the link is not always the one that is asked.
		Filter(fmt.Sprintf("targetLink eq %q", ".*/projects/"+a.project+"/zones/"+zone+"/instances/"+n)).
		OrderBy("creationTimestamp desc").Pages(ctx, func(page *compute.OperationList) error {
		if len(page.Items) == 0 {
			return nil
		}
		newest = page.Items[0]
		return enough
	})
	switch {
	case err != nil && !errors.Is(err, enough):
		return "", explain(err, doing)
	case newest == nil || newest.Error == nil || newest.OperationType != "insert":
		return "", nil
	}
	if ended, err := time.Parse(time.RFC3339, newest.EndTime); err == nil && time.Since(ended) < failureAge {
		return "", explainOperation(newest, doing)
	}
	return newest.Name, nil
}

// instance returns what is asked for.
func (a *account) instance(cl machine.Cluster, m machine.Machine, zone string, kind *compute.MachineType) (*compute.Instance, error) {
	spec := m.Provider.GCP
	image, err := a.image(spec, kind)
	if err != nil {
		return nil, err
	}
	network, _ := networkOf(cl, a.project)
	nic := &compute.NetworkInterface{Network: network.network()}
	if len(cl.Network.Subnets) > 0 {
		nic.Subnetwork = refer(cl.Network.Subnets[0], network.project).subnet(a.place.Region)
	}
	if spec.PublicIP == nil || *spec.PublicIP {
		nic.AccessConfigs = []*compute.AccessConfig{{Type: "ONE_TO_ONE_NAT", Name: "External NAT"}}
	}
	userData := string(m.UserData)
	metadata := []*compute.MetadataItems{
		{Key: "user-data", Value: &userData},
		// Only those get in whom the project of the cluster lets in, not all of the cloud's project.
		{Key: "block-project-ssh-keys", Value: new("TRUE")},
	}
	if spec.OperatingSystem == v1alpha1.Debian {
		metadata = append(metadata, &compute.MetadataItems{Key: "startup-script", Value: new(installCloudInit)})
	}
	i := &compute.Instance{
		Name:        instanceName(m),
		Description: "machine " + m.Name + " of the cluster " + cl.Name,
		Labels:      labels(cl, m),
		Tags:        &compute.Tags{Items: cl.Network.SecurityGroups},
		MachineType: "zones/" + zone + "/machineTypes/" + spec.MachineType,
		Disks: []*compute.AttachedDisk{{
			Boot: true, AutoDelete: true,
			InitializeParams: &compute.AttachedDiskInitializeParams{
				SourceImage: image, DiskSizeGb: int64(cmp.Or(spec.DiskGiB, 50)),
				DiskType: "zones/" + zone + "/diskTypes/" + cmp.Or(spec.DiskType, "pd-balanced"),
				Labels:   labels(cl, m),
			},
		}},
		NetworkInterfaces: []*compute.NetworkInterface{nic},
		Metadata:          &compute.Metadata{Items: metadata},
		Scheduling:        scheduling(spec, kind),
	}
	if role := cl.Network.Role; role != "" {
		i.ServiceAccounts = []*compute.ServiceAccount{{Email: role, Scopes: []string{scope}}}
	}
	return i, nil
}

// scheduling says what becomes of the instance when its host has no room for it any more.
func scheduling(spec *v1alpha1.GCPMachine, kind *compute.MachineType) *compute.Scheduling {
	switch {
	case spec.Spot:
		return &compute.Scheduling{ProvisioningModel: "SPOT", InstanceTerminationAction: "DELETE", OnHostMaintenance: "TERMINATE", AutomaticRestart: new(false)}
	case len(kind.Accelerators) > 0: // which cannot move
		return &compute.Scheduling{OnHostMaintenance: "TERMINATE", AutomaticRestart: new(true)}
	default:
		return &compute.Scheduling{OnHostMaintenance: "MIGRATE", AutomaticRestart: new(true)}
	}
}

// image returns what the machine boots: the pool's image, the place's, or the newest of Google's.
func (a *account) image(spec *v1alpha1.GCPMachine, kind *compute.MachineType) (string, error) {
	system, named := spec.Chosen(a.place.Images)
	switch {
	case strings.Contains(named, "/"):
		return named, nil
	case named != "":
		return "projects/" + a.project + "/global/images/" + named, nil
	}
	family, ok := families[system][cmp.Or(kind.Architecture, "X86_64")]
	if !ok {
		return "", &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
			"there is no image of %s for machines of the type %s: name one in the pool or in the Datacenter", system, kind.Name)}
	}
	return family, nil
}

// existing returns the instance that has the machine's name. A twin would have another.
func (a *account) existing(ctx context.Context, cl machine.Cluster, m machine.Machine, zone string) (machine.Instance, error) {
	n := instanceName(m)
	doing := fmt.Sprintf("reading the instance %s in %s", n, zone)
	found, err := a.compute.Instances.Get(a.project, zone, n).Context(ctx).Do()
	if is(err, http.StatusNotFound) {
		return machine.Instance{}, fmt.Errorf("%s: its name is taken, and it is not there yet or any more", doing)
	}
	if err != nil {
		return machine.Instance{}, explain(err, doing)
	}
	if found.Labels[labelMachine] != string(m.UID) || found.Labels[labelCluster] != string(cl.UID) {
		return machine.Instance{}, refused(v1alpha1.ReasonDependencies, doing, "it is there already, and was made for something else")
	}
	return a.observed(found), nil
}

// List asks for all zones at once. An answer without one of them is an error, since nobody could tell it from machines that
// are gone.
func (c *Cloud) List(ctx context.Context, cl machine.Cluster) ([]machine.Instance, error) {
	a, err := c.account(ctx, cl.Account)
	if err != nil {
		return nil, err
	}
	const doing = "reading the instances of the cluster"
	var instances []machine.Instance
	// Not their user data, which is most of it.
	fields := googleapi.Field("nextPageToken,unreachables,items/*/instances(name,zone,labels,creationTimestamp,status,networkInterfaces(networkIP,accessConfigs/natIP))")
	err = a.compute.Instances.AggregatedList(a.project).Filter(fmt.Sprintf("labels.%s = %q", labelCluster, cl.UID)).
		Fields(fields).Pages(ctx, func(page *compute.InstanceAggregatedList) error {
		if len(page.Unreachables) > 0 {
			return fmt.Errorf("no answer from %s", strings.Join(page.Unreachables, ", "))
		}
		for _, zone := range page.Items {
			for _, i := range zone.Instances {
				instances = append(instances, a.observed(i))
			}
		}
		return nil
	})
	if err != nil {
		return nil, explain(err, doing)
	}
	slices.SortFunc(instances, func(a, b machine.Instance) int { return strings.Compare(a.ID, b.ID) })
	return instances, nil
}

// observed returns the instance as it is.
func (a *account) observed(i *compute.Instance) machine.Instance {
	zone := last(i.Zone)
	o := machine.Instance{
		ID:         zone + "/" + i.Name,
		MachineUID: types.UID(i.Labels[labelMachine]),
		ProviderID: "gce://" + a.project + "/" + zone + "/" + i.Name,
		Running:    i.Status == "RUNNING",
		Addresses:  []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: i.Name}},
		Reason:     "Provisioning",
		Message:    "Google Cloud makes the instance " + i.Name + " in " + zone,
	}
	o.Created, _ = time.Parse(time.RFC3339, i.CreationTimestamp)
	switch i.Status {
	case "STOPPING", "PENDING_STOP", "DEPROVISIONING":
		o.Deleting = true // or is stopped by somebody, which is as good as deleted
	case "TERMINATED", "STOPPED", "SUSPENDED", "SUSPENDING":
		o.Failed, o.Reason = true, "Stopped"
		o.Message = "the instance " + i.Name + " in " + zone + " was stopped"
	case "REPAIRING":
		o.Reason, o.Message = "Repairing", "Google Cloud repairs the instance "+i.Name+" in "+zone
	}
	for _, nic := range i.NetworkInterfaces {
		if nic.NetworkIP != "" {
			o.Addresses = append(o.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: nic.NetworkIP})
		}
		for _, access := range nic.AccessConfigs {
			if access.NatIP != "" {
				o.Addresses = append(o.Addresses, clusterv1.MachineAddress{Type: clusterv1.MachineExternalIP, Address: access.NatIP})
			}
		}
	}
	return o
}

// Delete deletes the instance, with which its disk and its addresses go.
func (c *Cloud) Delete(ctx context.Context, cl machine.Cluster, instance machine.Instance) error {
	a, err := c.account(ctx, cl.Account)
	if err != nil {
		return err
	}
	zone, n, _ := strings.Cut(instance.ID, "/")
	_, err = a.compute.Instances.Delete(a.project, zone, n).Context(ctx).Do()
	return goes(err, fmt.Sprintf("deleting the instance %s in %s", n, zone))
}
