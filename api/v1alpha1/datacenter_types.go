// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// Datacenter is a place at a provider where the machines of user clusters can be, and the seed that hosts their control
// planes.
//
// +kubebuilder:object:root=true
// +kubebuilder:selectablefield:JSONPath=.spec.seed
// +kubebuilder:resource:scope=Cluster,shortName=dc,categories=canopy
// +kubebuilder:printcolumn:name="Seed",type=string,JSONPath=.spec.seed
// +kubebuilder:printcolumn:name="Country",type=string,JSONPath=.spec.country
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=.spec.location
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 lower-case letters, digits and '-', and start with a letter"
// +kubebuilder:validation:XValidation:rule="has(self.spec.provider.aws) == has(oldSelf.spec.provider.aws) && has(self.spec.provider.azure) == has(oldSelf.spec.provider.azure) && has(self.spec.provider.digitalocean) == has(oldSelf.spec.provider.digitalocean) && has(self.spec.provider.gcp) == has(oldSelf.spec.provider.gcp) && has(self.spec.provider.hetzner) == has(oldSelf.spec.provider.hetzner) && has(self.spec.provider.kubevirt) == has(oldSelf.spec.provider.kubevirt) && has(self.spec.provider.openstack) == has(oldSelf.spec.provider.openstack) && has(self.spec.provider.vsphere) == has(oldSelf.spec.provider.vsphere) && has(self.spec.provider.bringYourOwn) == has(oldSelf.spec.provider.bringYourOwn) && has(self.spec.provider.local) == has(oldSelf.spec.provider.local)",message="spec.provider cannot become another provider's: make another Datacenter"
type Datacenter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec DatacenterSpec `json:"spec"`
}

// DatacenterSpec says where the datacenter is and who may use it.
type DatacenterSpec struct {
	// seed is the name of the Seed that hosts the control planes. A change is for new clusters: those that are there stay
	// on their seed.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Seed string `json:"seed"`

	// country is where the datacenter is, as two letters by ISO 3166.
	//
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Z]{2}$"
	Country string `json:"country,omitempty"`

	// location is where the datacenter is, for people, for example "Frankfurt".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Location string `json:"location,omitempty"`

	// +required
	Provider DatacenterProvider `json:"provider"`

	// node is what machines in the datacenter need to know of it, and how large they may be.
	//
	// +optional
	Node DatacenterNode `json:"node,omitempty,omitzero"`

	// projects are those that may use the datacenter; none: all.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=50
	Projects []string `json:"projects,omitempty"`

	// requiredEmails are e-mail addresses, or their domains with an @ in front: only projects all of whose users are
	// among them may use the datacenter; none: all. Groups and service accounts are not looked at.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:Pattern="^[^@\\sA-Z]*@[^@\\sA-Z]+$"
	RequiredEmails []string `json:"requiredEmails,omitempty"`
}

// DatacenterNode is what machines in a datacenter need to know of it, and how large they may be.
type DatacenterNode struct {
	hostingv1alpha1.NodeSettings `json:",inline"`

	// sizes are how large machines may be that are not sold in sizes of the provider's own, such as local ones; none: as they
	// like. Pools that are there already stay as they are.
	//
	// +optional
	Sizes *MachineSizes `json:"sizes,omitempty"`
}

// MachineSizes are how large machines may be.
type MachineSizes struct {
	// cpu in cores.
	//
	// +optional
	CPU *QuantityRange `json:"cpu,omitempty"`
	// memory in bytes.
	//
	// +optional
	Memory *QuantityRange `json:"memory,omitempty"`
}

// QuantityRange is from min to max; either may be missing.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="min must not be more than max"
type QuantityRange struct {
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
}

// ProviderName is the name of a provider.
//
// +kubebuilder:validation:Enum=aws;azure;digitalocean;gcp;hetzner;kubevirt;openstack;vsphere;bringYourOwn;local
type ProviderName string

// The providers.
const (
	ProviderAWS          ProviderName = "aws"
	ProviderAzure        ProviderName = "azure"
	ProviderDigitalOcean ProviderName = "digitalocean"
	ProviderGCP          ProviderName = "gcp"
	ProviderHetzner      ProviderName = "hetzner"
	ProviderKubeVirt     ProviderName = "kubevirt"
	ProviderOpenStack    ProviderName = "openstack"
	ProviderVSphere      ProviderName = "vsphere"
	ProviderBringYourOwn ProviderName = "bringYourOwn"
	ProviderLocal        ProviderName = "local"
)

// DatacenterProvider is exactly one block: the provider, and which place there.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type DatacenterProvider struct {
	// +optional
	AWS *AWSDatacenter `json:"aws,omitempty"`
	// +optional
	Azure *AzureDatacenter `json:"azure,omitempty"`
	// +optional
	DigitalOcean *DigitalOceanDatacenter `json:"digitalocean,omitempty"`
	// +optional
	GCP *GCPDatacenter `json:"gcp,omitempty"`
	// +optional
	Hetzner *HetznerDatacenter `json:"hetzner,omitempty"`
	// +optional
	KubeVirt *KubeVirtDatacenter `json:"kubevirt,omitempty"`
	// +optional
	OpenStack *OpenStackDatacenter `json:"openstack,omitempty"`
	// +optional
	VSphere *VSphereDatacenter `json:"vsphere,omitempty"`
	// bringYourOwn is where machines are that somebody else makes and joins.
	//
	// +optional
	BringYourOwn *BringYourOwnDatacenter `json:"bringYourOwn,omitempty"`
	// local is the seed itself: machines are pods there.
	//
	// +optional
	Local *LocalDatacenter `json:"local,omitempty"`
}

// Name returns the name of the block that is there; empty if none is.
func (p DatacenterProvider) Name() ProviderName {
	for _, block := range []struct {
		name ProviderName
		set  bool
	}{
		{ProviderAWS, p.AWS != nil},
		{ProviderAzure, p.Azure != nil},
		{ProviderDigitalOcean, p.DigitalOcean != nil},
		{ProviderGCP, p.GCP != nil},
		{ProviderHetzner, p.Hetzner != nil},
		{ProviderKubeVirt, p.KubeVirt != nil},
		{ProviderOpenStack, p.OpenStack != nil},
		{ProviderVSphere, p.VSphere != nil},
		{ProviderBringYourOwn, p.BringYourOwn != nil},
		{ProviderLocal, p.Local != nil},
	} {
		if block.set {
			return block.name
		}
	}
	return ""
}

// Images are the images of machines by operating system, where not the provider's own: {"ubuntu": "ami-0123"}.
//
// +kubebuilder:validation:MaxProperties=16
type Images map[string]string

// AWSDatacenter is a region of Amazon Web Services.
type AWSDatacenter struct {
	// region, for example "us-east-2".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// +optional
	Images Images `json:"images,omitempty"`
}

// AzureDatacenter is a region of Microsoft Azure.
type AzureDatacenter struct {
	// location, for example "westeurope".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Location string `json:"location"`
	// +optional
	Images Images `json:"images,omitempty"`
}

// DigitalOceanDatacenter is a datacenter of DigitalOcean.
type DigitalOceanDatacenter struct {
	// region, for example "nyc1".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
}

// GCPDatacenter is a region of Google Cloud.
type GCPDatacenter struct {
	// region, for example "us-east1".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// zoneSuffixes are the zones of the region in which machines may be, for example ["b", "c"]; none: all.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=2
	ZoneSuffixes []string `json:"zoneSuffixes,omitempty"`
}

// HetznerDatacenter is a datacenter of Hetzner Cloud.
type HetznerDatacenter struct {
	// location, for example "fsn1".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Location string `json:"location"`
	// network is the name of the private network that machines join; none: no private network.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Network string `json:"network,omitempty"`
}

// KubeVirtDatacenter is a Kubernetes cluster with KubeVirt. Which one is said by the credentials.
type KubeVirtDatacenter struct {
	// storageClassNames are the classes of that cluster that disks of machines may have; none: its default class.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	StorageClassNames []string `json:"storageClassNames,omitempty"`
	// +optional
	Images Images `json:"images,omitempty"`
}

// OpenStackDatacenter is a region, or an availability zone of it, of an OpenStack.
type OpenStackDatacenter struct {
	// authURL is the URL of Keystone, for example "https://keystone.example.com:5000/v3".
	//
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	AuthURL string `json:"authURL"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// availabilityZone of machines and volumes; none: OpenStack chooses.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	AvailabilityZone string `json:"availabilityZone,omitempty"`
	// dnsServers of the networks that are made; none: OpenStack's.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="self.all(s, isIP(s))",message="each must be an IP address"
	DNSServers []string `json:"dnsServers,omitempty"`
	// floatingIPs gives each machine one.
	//
	// +optional
	FloatingIPs bool `json:"floatingIPs,omitempty"`
	// +optional
	Images Images `json:"images,omitempty"`
}

// VSphereDatacenter is a datacenter of a vCenter.
type VSphereDatacenter struct {
	// endpoint is the URL of vCenter.
	//
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https'",message="must be a URL with https"
	Endpoint string `json:"endpoint"`
	// insecureSkipTLSVerify trusts any certificate. Whoever is between seed and vCenter can then read the credentials.
	//
	// +optional
	InsecureSkipTLSVerify bool `json:"insecureSkipTLSVerify,omitempty"`
	// datacenter is the name of the datacenter in vCenter.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Datacenter string `json:"datacenter"`
	// cluster is the name of the compute cluster.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Cluster string `json:"cluster"`
	// datastore of the machines' disks.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Datastore string `json:"datastore"`
	// storagePolicy of the machines' disks; none: the datastore's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StoragePolicy string `json:"storagePolicy,omitempty"`
	// folder in which machines are made; none: the datacenter's root.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Folder string `json:"folder,omitempty"`
	// templates are the virtual machines that machines are cloned from, by operating system.
	//
	// +optional
	Templates Images `json:"templates,omitempty"`
}

// BringYourOwnDatacenter has no settings.
type BringYourOwnDatacenter struct{}

// LocalDatacenter has no settings.
type LocalDatacenter struct{}

// DatacenterList is a list of Datacenters.
//
// +kubebuilder:object:root=true
type DatacenterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Datacenter `json:"items"`
}
