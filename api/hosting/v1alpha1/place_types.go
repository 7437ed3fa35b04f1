// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ProviderName is the name of a provider.
//
// +kubebuilder:validation:Enum=aws;azure;digitalocean;gcp;hetzner;openstack;vsphere;bringYourOwn;local
type ProviderName string

// The providers.
const (
	ProviderAWS          ProviderName = "aws"
	ProviderAzure        ProviderName = "azure"
	ProviderDigitalOcean ProviderName = "digitalocean"
	ProviderGCP          ProviderName = "gcp"
	ProviderHetzner      ProviderName = "hetzner"
	ProviderOpenStack    ProviderName = "openstack"
	ProviderVSphere      ProviderName = "vsphere"
	ProviderBringYourOwn ProviderName = "bringYourOwn"
	ProviderLocal        ProviderName = "local"
)

// Place is exactly one block: the provider, and which place there.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type Place struct {
	// +optional
	AWS *AWSPlace `json:"aws,omitempty"`
	// +optional
	Azure *AzurePlace `json:"azure,omitempty"`
	// +optional
	DigitalOcean *DigitalOceanPlace `json:"digitalocean,omitempty"`
	// +optional
	GCP *GCPPlace `json:"gcp,omitempty"`
	// +optional
	Hetzner *HetznerPlace `json:"hetzner,omitempty"`
	// +optional
	OpenStack *OpenStackPlace `json:"openstack,omitempty"`
	// +optional
	VSphere *VSpherePlace `json:"vsphere,omitempty"`
	// bringYourOwn is where machines are that somebody else makes and joins.
	//
	// +optional
	BringYourOwn *BringYourOwnPlace `json:"bringYourOwn,omitempty"`
	// local is the seed itself: machines are pods there.
	//
	// +optional
	Local *LocalPlace `json:"local,omitempty"`
}

// Name returns the name of the block that is there; empty if none is.
func (p Place) Name() ProviderName {
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

// nameOf returns the only name that is set; empty if none is.
func nameOf(set map[ProviderName]bool) ProviderName {
	for name, is := range set {
		if is {
			return name
		}
	}
	return ""
}

// Cloud reports whether the provider's machines are instances in somebody's account, which wants credentials.
func (n ProviderName) Cloud() bool {
	return n != ProviderLocal && n != ProviderBringYourOwn && n != ""
}

// OperatingSystem is what a machine runs. Debian is of version 13 unless its image says otherwise.
//
// +kubebuilder:validation:Enum=ubuntu;debian;flatcar
type OperatingSystem string

// The operating systems.
const (
	Ubuntu  OperatingSystem = "ubuntu"
	Debian  OperatingSystem = "debian"
	Flatcar OperatingSystem = "flatcar"
)

// Images are the images of machines by operating system, where not the provider's own: {"ubuntu": "ami-0123"}.
//
// +kubebuilder:validation:MaxProperties=16
type Images map[OperatingSystem]string

// AWSPlace is a region of Amazon Web Services.
type AWSPlace struct {
	// region, for example "us-east-2".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// +optional
	Images Images `json:"images,omitempty"`
	// endpoint is the URL of the API where it is not the provider's own, such as a private one; none: the provider's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	Endpoint string `json:"endpoint,omitempty"`
}

// AzurePlace is a region of Microsoft Azure.
type AzurePlace struct {
	// location, for example "westeurope".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Location string `json:"location"`
	// +optional
	Images Images `json:"images,omitempty"`
	// endpoint is the URL of the API where it is not the provider's own, such as a private one; none: the provider's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	Endpoint string `json:"endpoint,omitempty"`
}

// DigitalOceanPlace is a datacenter of DigitalOcean.
type DigitalOceanPlace struct {
	// region, for example "nyc1".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// +optional
	Images Images `json:"images,omitempty"`
	// endpoint is the URL of the API where it is not the provider's own, such as a private one; none: the provider's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	Endpoint string `json:"endpoint,omitempty"`
}

// GCPPlace is a region of Google Cloud.
type GCPPlace struct {
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
	// +optional
	Images Images `json:"images,omitempty"`
	// endpoint is the URL of the API where it is not the provider's own, such as a private one; none: the provider's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	Endpoint string `json:"endpoint,omitempty"`
}

// HetznerPlace is a datacenter of Hetzner Cloud.
type HetznerPlace struct {
	// location, for example "fsn1".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Location string `json:"location"`
	// network is the name of the private network that machines join; none: one for each cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Network string `json:"network,omitempty"`
	// +optional
	Images Images `json:"images,omitempty"`
	// endpoint is the URL of the API where it is not the provider's own, such as a private one; none: the provider's.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a URL with http or https"
	Endpoint string `json:"endpoint,omitempty"`
}

// OpenStackPlace is a region, or an availability zone of it, of an OpenStack.
type OpenStackPlace struct {
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

// VSpherePlace is a datacenter of a vCenter.
type VSpherePlace struct {
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

// BringYourOwnPlace has no settings.
type BringYourOwnPlace struct{}

// LocalPlace has no settings.
type LocalPlace struct{}
