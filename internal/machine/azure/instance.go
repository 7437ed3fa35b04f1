// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// images are the newest official ones, as publisher:offer:sku:version, by whether the machine is an ARM.
var images = map[v1alpha1.OperatingSystem]map[bool]string{
	v1alpha1.Ubuntu:  {false: "Canonical:ubuntu-24_04-lts:server:latest", true: "Canonical:ubuntu-24_04-lts:server-arm64:latest"},
	v1alpha1.Debian:  {false: "Debian:debian-13:13-gen2:latest", true: "Debian:debian-13:13-arm64:latest"},
	v1alpha1.Flatcar: {false: "kinvolk:flatcar-container-linux-free:stable-gen2:latest"},
}

// armSize is true of sizes with an ARM processor: in Azure's names the letter p, behind the number, says so.
var armSize = regexp.MustCompile(`^Standard_[A-Z]+\d+[a-z]*p[a-z]*_`)

// Create asks for the virtual machine with all that belongs to it. That there is one of its name already is found out by
// asking for one that does not change another.
func (c *Cloud) Create(ctx context.Context, cl machine.Cluster, m machine.Machine) (machine.Instance, error) {
	a, err := c.account(cl.Account)
	if err != nil {
		return machine.Instance{}, err
	}
	wanted, err := a.vm(cl, m)
	if err != nil {
		return machine.Instance{}, err
	}
	group, n := cl.Network.ResourceGroup, vmName(m)
	_, err = a.vms.BeginCreateOrUpdate(ctx, group, n, *wanted, &armcompute.VirtualMachinesClientBeginCreateOrUpdateOptions{IfNoneMatch: new("*")})
	switch {
	case is(err, http.StatusPreconditionFailed):
		return a.existing(ctx, cl, m)
	case err != nil:
		return machine.Instance{}, explain(err, "making the virtual machine "+n)
	}
	wanted.Name, wanted.Properties.ProvisioningState = &n, new("Creating")
	return a.observed(group, wanted), nil
}

// vm returns what is asked for.
func (a *account) vm(cl machine.Cluster, m machine.Machine) (*armcompute.VirtualMachine, error) {
	spec, n := m.Provider.Azure, vmName(m)
	image, plan, err := a.image(spec, cl.Network.ResourceGroup)
	if err != nil {
		return nil, err
	}
	key, err := nobodysKey()
	if err != nil {
		return nil, err
	}
	vm := &armcompute.VirtualMachine{
		Location: &a.place.Location, Tags: machineTags(cl, m), Plan: plan,
		Properties: &armcompute.VirtualMachineProperties{
			HardwareProfile: &armcompute.HardwareProfile{VMSize: new(armcompute.VirtualMachineSizeTypes(spec.Size))},
			StorageProfile: &armcompute.StorageProfile{
				ImageReference: image,
				OSDisk: &armcompute.OSDisk{
					CreateOption: new(armcompute.DiskCreateOptionTypesFromImage), DeleteOption: new(armcompute.DiskDeleteOptionTypesDelete),
					DiskSizeGB:  new(cmp.Or(spec.DiskGiB, 50)),
					ManagedDisk: &armcompute.ManagedDiskParameters{StorageAccountType: new(armcompute.StorageAccountTypes(cmp.Or(spec.DiskType, "StandardSSD_LRS")))},
				},
			},
			OSProfile: &armcompute.OSProfile{
				ComputerName: &n, AdminUsername: new("canopy"), CustomData: new(base64.StdEncoding.EncodeToString(m.UserData)),
				LinuxConfiguration: &armcompute.LinuxConfiguration{
					DisablePasswordAuthentication: new(true),
					SSH: &armcompute.SSHConfiguration{PublicKeys: []*armcompute.SSHPublicKey{{
						Path: new("/home/canopy/.ssh/authorized_keys"), KeyData: &key,
					}}},
				},
			},
			NetworkProfile: &armcompute.NetworkProfile{
				NetworkAPIVersion:              new(armcompute.NetworkAPIVersionTwoThousandTwenty1101),
				NetworkInterfaceConfigurations: []*armcompute.VirtualMachineNetworkInterfaceConfiguration{a.nic(cl, m)},
			},
		},
	}
	if spec.Zone != "" {
		vm.Zones = []*string{&spec.Zone}
	}
	if spec.Spot {
		vm.Properties.Priority = new(armcompute.VirtualMachinePriorityTypesSpot)
		vm.Properties.EvictionPolicy = new(armcompute.VirtualMachineEvictionPolicyTypesDelete)
		vm.Properties.BillingProfile = &armcompute.BillingProfile{MaxPrice: new(-1.0)} // up to the price on demand
	}
	if role := cl.Network.Role; role != "" {
		vm.Identity = &armcompute.VirtualMachineIdentity{
			Type:                   new(armcompute.ResourceIdentityTypeUserAssigned),
			UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{a.id(cl.Network.ResourceGroup, kindIdentity, role): {}},
		}
	}
	return vm, nil
}

// nobodysKey returns a public key whose private key nobody has. Azure wants one, and people get in by the user data.
func nobodysKey() (string, error) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}

func (a *account) nic(cl machine.Cluster, m machine.Machine) *armcompute.VirtualMachineNetworkInterfaceConfiguration {
	group, n := cl.Network.ResourceGroup, vmName(m)
	subnet := cl.Network.Subnets[0]
	if !strings.HasPrefix(subnet, "/") {
		subnet = a.id(group, kindNetwork, cl.Network.Network) + "/subnets/" + subnet
	}
	ip := &armcompute.VirtualMachineNetworkInterfaceIPConfigurationProperties{Primary: new(true), Subnet: &armcompute.SubResource{ID: &subnet}}
	if m.Provider.Azure.PublicIP == nil || *m.Provider.Azure.PublicIP {
		ip.PublicIPAddressConfiguration = &armcompute.VirtualMachinePublicIPAddressConfiguration{
			Name: &n, Tags: machineTags(cl, m),
			SKU: &armcompute.PublicIPAddressSKU{Name: new(armcompute.PublicIPAddressSKUNameStandard)},
			Properties: &armcompute.VirtualMachinePublicIPAddressConfigurationProperties{
				DeleteOption: new(armcompute.DeleteOptionsDelete), PublicIPAllocationMethod: new(armcompute.PublicIPAllocationMethodStatic),
			},
		}
	}
	return &armcompute.VirtualMachineNetworkInterfaceConfiguration{
		Name: &n, Tags: machineTags(cl, m),
		Properties: &armcompute.VirtualMachineNetworkInterfaceConfigurationProperties{
			Primary: new(true), DeleteOption: new(armcompute.DeleteOptionsDelete),
			NetworkSecurityGroup: &armcompute.SubResource{ID: new(a.id(group, kindSecurityGroup, cl.Network.SecurityGroups[0]))},
			IPConfigurations:     []*armcompute.VirtualMachineNetworkInterfaceIPConfiguration{{Name: new("primary"), Properties: ip}},
		},
	}
}

// image returns what the machine boots: the pool's image, the place's, or the newest official one. Flatcar's is in the
// marketplace, whose images have a plan.
func (a *account) image(spec *v1alpha1.AzureMachine, group string) (*armcompute.ImageReference, *armcompute.Plan, error) {
	system, named := spec.Chosen(a.place.Images)
	named = cmp.Or(named, images[system][armSize.MatchString(spec.Size)])
	parts := strings.Split(named, ":")
	switch {
	case named == "":
		return nil, nil, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(
			"there is no image of %s for machines of the size %s: name one in the pool or in the Datacenter", system, spec.Size)}
	case len(parts) != 4:
		return &armcompute.ImageReference{ID: new(a.id(group, kindImage, named))}, nil, nil
	}
	image := &armcompute.ImageReference{Publisher: &parts[0], Offer: &parts[1], SKU: &parts[2], Version: &parts[3]}
	if parts[0] == "kinvolk" {
		return image, &armcompute.Plan{Publisher: &parts[0], Product: &parts[1], Name: &parts[2]}, nil
	}
	return image, nil, nil
}

// existing returns the virtual machine that has the machine's name. A twin would have another.
func (a *account) existing(ctx context.Context, cl machine.Cluster, m machine.Machine) (machine.Instance, error) {
	doing := "reading the virtual machine " + vmName(m)
	found, err := a.vms.Get(ctx, cl.Network.ResourceGroup, vmName(m), nil)
	if is(err, http.StatusNotFound) {
		return machine.Instance{}, fmt.Errorf("%s: its name is taken, and it is not there yet or any more", doing)
	}
	if err != nil {
		return machine.Instance{}, explain(err, doing)
	}
	if !isOf(found.Tags, cl) || of(found.Tags[tagMachine]) != string(m.UID) {
		return machine.Instance{}, refused(v1alpha1.ReasonDependencies, doing, "it is there already, and was made for something else")
	}
	return a.observed(cl.Network.ResourceGroup, &found.VirtualMachine), nil
}

// List reads the virtual machines of the resource group, and the addresses of those whose addresses are not known.
func (c *Cloud) List(ctx context.Context, cl machine.Cluster) ([]machine.Instance, error) {
	a, err := c.account(cl.Account)
	if err != nil {
		return nil, err
	}
	group, _ := groupOf(cl)
	var found []*armcompute.VirtualMachine
	pager := a.vms.NewListPager(group, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if is(err, http.StatusNotFound) {
			return nil, nil // no resource group, no machines
		}
		if err != nil {
			return nil, explain(err, "reading the virtual machines of the resource group "+group)
		}
		found = append(found, slices.DeleteFunc(page.Value, func(vm *armcompute.VirtualMachine) bool { return !isOf(vm.Tags, cl) })...)
	}
	if err := a.learnAddresses(ctx, group, found); err != nil {
		return nil, err
	}
	var instances []machine.Instance
	for _, vm := range found {
		i := a.observed(group, vm)
		if i.Failed {
			i.Message = a.whyFailed(ctx, group, i)
		}
		instances = append(instances, i)
	}
	return instances, nil
}

// observed returns the virtual machine as it is.
func (a *account) observed(group string, vm *armcompute.VirtualMachine) machine.Instance {
	n, state := of(vm.Name), of(vm.Properties.ProvisioningState)
	o := machine.Instance{
		ID:         n,
		MachineUID: types.UID(of(vm.Tags[tagMachine])),
		// The cloud controller manager writes resource groups in small letters.
		ProviderID: "azure://" + a.id(strings.ToLower(group), "Microsoft.Compute/virtualMachines", n),
		Created:    of(vm.Properties.TimeCreated),
		Running:    state == "Succeeded" || state == "Updating",
		Failed:     state == "Failed",
		Deleting:   state == deleting,
		Addresses:  []clusterv1.MachineAddress{{Type: clusterv1.MachineHostName, Address: n}},
		Reason:     "Provisioning",
		Message:    "Azure makes the virtual machine " + n,
	}
	if o.Failed {
		o.Reason, o.Message = "Failed", "Azure could not make the virtual machine "+n
	}
	if known, ok := a.addresses.Get(addressKey(of(vm.ID))); ok {
		o.Addresses = append(o.Addresses, known.([]clusterv1.MachineAddress)...) //nolint:forcetypeassert // nothing else is put there
	}
	return o
}

// whyFailed asks what has become of the creation, which is in no list.
func (a *account) whyFailed(ctx context.Context, group string, i machine.Instance) string {
	vm, err := a.vms.Get(ctx, group, i.ID, &armcompute.VirtualMachinesClientGetOptions{Expand: new(armcompute.InstanceViewTypesInstanceView)})
	if err != nil || vm.Properties == nil || vm.Properties.InstanceView == nil {
		return i.Message
	}
	for _, status := range vm.Properties.InstanceView.Statuses {
		if strings.HasPrefix(of(status.Code), "ProvisioningState/failed") {
			return i.Message + ": " + cmp.Or(of(status.Message), of(status.Code))
		}
	}
	return i.Message
}

// Delete deletes the virtual machine, with which go its disk, its network interface and its address.
func (c *Cloud) Delete(ctx context.Context, cl machine.Cluster, instance machine.Instance) error {
	a, err := c.account(cl.Account)
	if err != nil {
		return err
	}
	group, _ := groupOf(cl)
	_, err = a.vms.BeginDelete(ctx, group, instance.ID, nil)
	return goes(err, "deleting the virtual machine "+instance.ID)
}
