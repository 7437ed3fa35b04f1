// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
)

// Provider is exactly one block: the provider that makes a pool's machines, and what they are there. The block is that of
// the Place where the cluster's machines are.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type Provider struct {
	// +optional
	AWS *AWSMachine `json:"aws,omitempty"`
	// +optional
	Azure *AzureMachine `json:"azure,omitempty"`
	// +optional
	DigitalOcean *DigitalOceanMachine `json:"digitalocean,omitempty"`
	// +optional
	GCP *GCPMachine `json:"gcp,omitempty"`
	// +optional
	Hetzner *HetznerMachine `json:"hetzner,omitempty"`
	// +optional
	OpenStack *OpenStackMachine `json:"openstack,omitempty"`
	// +optional
	VSphere *VSphereMachine `json:"vsphere,omitempty"`
	// bringYourOwn waits for machines that somebody else makes and joins.
	//
	// +optional
	BringYourOwn *BringYourOwnMachine `json:"bringYourOwn,omitempty"`
	// local makes machines as privileged pods in the cluster's namespace on the seed.
	//
	// +optional
	Local *LocalMachine `json:"local,omitempty"`
}

// Name returns the name of the block that is there; empty if none is.
func (p Provider) Name() ProviderName {
	return nameOf(map[ProviderName]bool{
		ProviderAWS:          p.AWS != nil,
		ProviderAzure:        p.Azure != nil,
		ProviderDigitalOcean: p.DigitalOcean != nil,
		ProviderGCP:          p.GCP != nil,
		ProviderHetzner:      p.Hetzner != nil,
		ProviderOpenStack:    p.OpenStack != nil,
		ProviderVSphere:      p.VSphere != nil,
		ProviderBringYourOwn: p.BringYourOwn != nil,
		ProviderLocal:        p.Local != nil,
	})
}

// System returns what the machines of the block boot; nothing if that is not the block's business.
func (p Provider) System() System {
	switch {
	case p.AWS != nil:
		return p.AWS.System
	case p.Azure != nil:
		return p.Azure.System
	case p.DigitalOcean != nil:
		return p.DigitalOcean.System
	case p.GCP != nil:
		return p.GCP.System
	case p.Hetzner != nil:
		return p.Hetzner.System
	case p.OpenStack != nil:
		return p.OpenStack.System
	case p.VSphere != nil:
		return p.VSphere.System
	}
	return System{}
}

// System is what a machine boots.
type System struct {
	// operatingSystem chooses the image: the place's for it, or the provider's newest.
	//
	// +optional
	// +default="ubuntu"
	OperatingSystem OperatingSystem `json:"operatingSystem,omitempty"`
	// image is the image as the provider names it, for example "ami-0123"; it has to be of the operating system. None: it is
	// chosen.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`
}

// Chosen returns the operating system, and the image that the pool or else the place names for it; empty: the provider's newest.
func (s System) Chosen(place Images) (OperatingSystem, string) {
	system := cmp.Or(s.OperatingSystem, Ubuntu)
	return system, cmp.Or(s.Image, place[system])
}

// AWSMachine is an instance of EC2.
type AWSMachine struct {
	System `json:",inline"`

	// instanceType, for example "t3.large".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	InstanceType string `json:"instanceType"`
	// zone is the availability zone, for example "us-east-2a"; none: that of the cluster's first subnet.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`
	// diskGiB is the size of the root volume.
	//
	// +optional
	// +default=50
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=16384
	DiskGiB int32 `json:"diskGiB,omitempty"`
	// diskType is the type of the root volume.
	//
	// +optional
	// +default="gp3"
	// +kubebuilder:validation:Enum=gp2;gp3;io1;io2
	DiskType string `json:"diskType,omitempty"`
	// spot takes spare capacity for less, which can be taken back with two minutes' notice; the machine is then replaced.
	//
	// +optional
	Spot *AWSSpot `json:"spot,omitempty"`
	// publicIP gives the machine a public address. Without one, its subnet needs another way out.
	//
	// +optional
	// +default=true
	PublicIP *bool `json:"publicIP,omitempty"`
}

// AWSSpot is how much spare capacity may cost.
type AWSSpot struct {
	// maxPrice in US dollars an hour, for example "0.05"; none: the price on demand.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^[0-9]+(\\.[0-9]+)?$"
	MaxPrice string `json:"maxPrice,omitempty"`
}

// AzureMachine is a virtual machine of Azure.
type AzureMachine struct {
	System `json:",inline"`

	// size, for example "Standard_D2s_v5".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Size string `json:"size"`
	// zone is the availability zone, "1" to "3"; none: Azure chooses.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=8
	Zone string `json:"zone,omitempty"`
	// diskGiB is the size of the disk with the operating system.
	//
	// +optional
	// +default=50
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=4095
	DiskGiB int32 `json:"diskGiB,omitempty"`
	// +optional
	// +default="StandardSSD_LRS"
	// +kubebuilder:validation:Enum=Standard_LRS;StandardSSD_LRS;Premium_LRS
	DiskType string `json:"diskType,omitempty"`
	// spot takes spare capacity for less, which can be taken back; the machine is then replaced.
	//
	// +optional
	Spot bool `json:"spot,omitempty"`
	// publicIP gives the machine a public address. Without one, its subnet needs another way out.
	//
	// +optional
	// +default=true
	PublicIP *bool `json:"publicIP,omitempty"`
}

// DigitalOceanMachine is a Droplet.
type DigitalOceanMachine struct {
	System `json:",inline"`

	// size, for example "s-2vcpu-4gb".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Size string `json:"size"`
	// monitoring installs DigitalOcean's agent for metrics.
	//
	// +optional
	Monitoring bool `json:"monitoring,omitempty"`
}

// GCPMachine is an instance of Compute Engine.
type GCPMachine struct {
	System `json:",inline"`

	// machineType, for example "e2-standard-2".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	MachineType string `json:"machineType"`
	// zone, for example "us-east1-b"; none: the first of the place's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`
	// diskGiB is the size of the boot disk.
	//
	// +optional
	// +default=50
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=65536
	DiskGiB int32 `json:"diskGiB,omitempty"`
	// +optional
	// +default="pd-balanced"
	// +kubebuilder:validation:MaxLength=63
	DiskType string `json:"diskType,omitempty"`
	// spot takes spare capacity for less, which can be taken back; the machine is then replaced.
	//
	// +optional
	Spot bool `json:"spot,omitempty"`
	// publicIP gives the machine a public address. Without one, its subnet needs another way out.
	//
	// +optional
	// +default=true
	PublicIP *bool `json:"publicIP,omitempty"`
}

// HetznerMachine is a server of Hetzner Cloud.
type HetznerMachine struct {
	System `json:",inline"`

	// serverType, for example "cx23".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ServerType string `json:"serverType"`
}

// OpenStackMachine is a server of Nova.
type OpenStackMachine struct {
	System `json:",inline"`

	// flavor is the name of the flavor, for example "m1.medium".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Flavor string `json:"flavor"`
	// availabilityZone of the machine; none: the place's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	AvailabilityZone string `json:"availabilityZone,omitempty"`
	// diskGiB is the size of the volume that the machine boots from; none: it boots from the flavor's own disk.
	//
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=16384
	DiskGiB int32 `json:"diskGiB,omitempty"`
}

// VSphereMachine is a virtual machine of vSphere, which is cloned.
type VSphereMachine struct {
	System `json:",inline"`

	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	CPUs int32 `json:"cpus"`
	// +required
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=6291456
	MemoryMiB int32 `json:"memoryMiB"`
	// diskGiB is the size of the first disk; none, or less than the template's: as it is.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	DiskGiB int32 `json:"diskGiB,omitempty"`
	// resourcePool is the path of the resource pool; none: that of the compute cluster itself.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ResourcePool string `json:"resourcePool,omitempty"`
	// addresses are what machines have where no DHCP server gives them any; a pool cannot have more machines than addresses.
	//
	// +optional
	Addresses *StaticAddresses `json:"addresses,omitempty"`
}

// StaticAddresses are given to machines one by one.
type StaticAddresses struct {
	// addresses, for example ["192.0.2.10", "192.0.2.11"].
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=45
	Addresses []string `json:"addresses"`
	// prefixLength of the network, for example 24.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	PrefixLength int32 `json:"prefixLength"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=45
	Gateway string `json:"gateway"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=45
	DNSServers []string `json:"dnsServers,omitempty"`
}

// BringYourOwnMachine is a machine that somebody else makes, and that joins by a command that is run on it.
type BringYourOwnMachine struct{}

// LocalMachine is a machine that is a privileged pod on the seed.
type LocalMachine struct {
	// resources are the pod's requests and limits; none: the requests of an idle node. The node reports the seed node's
	// own capacity all the same.
	//
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
}
