// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// NodeSettings are what machines need to know of the place where they are. A change is for machines that are made
// afterwards.
type NodeSettings struct {
	// proxy is what machines reach the internet through: packages, kubelet and images; none: the seed's. An empty one is no
	// proxy.
	//
	// +optional
	Proxy *Proxy `json:"proxy,omitempty"`

	// registryMirrors are asked for images before the registries themselves are. A registry that is not among them has the
	// seed's mirror, if the seed has one.
	//
	// +optional
	// +listType=map
	// +listMapKey=registry
	// +kubebuilder:validation:MaxItems=32
	RegistryMirrors []RegistryMirror `json:"registryMirrors,omitempty"`

	// downloads is the URL of a site, or of a folder of it, from which machines download what their image lacks: it has
	// release/ as https://dl.k8s.io does, containernetworking/ as https://github.com does, and debian/ and ubuntu/ as those
	// distributions' own servers do; none: those are asked.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern="^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*[A-Za-z0-9])?$"
	Downloads string `json:"downloads,omitempty"`
}

// RegistryMirror holds what another registry holds.
type RegistryMirror struct {
	// registry is the host in the names of images, for example "docker.io" or "registry.example.com:5000".
	//
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]+)?$"
	Registry string `json:"registry"`

	// url is that of the mirror, or of a folder in it, for example "https://mirror.example.com/docker.io".
	//
	// +required
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern="^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*)?$"
	URL string `json:"url"`
}

// Proxy is a proxy for HTTP. Everybody who may read the object reads this: it takes no credentials.
type Proxy struct {
	// httpProxy is the URL of the proxy for http:// addresses, for example "http://proxy.example.com:3128"; none: they are
	// reached directly.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern="^https?://[A-Za-z0-9.-]+(:[0-9]+)?/?$"
	HTTPProxy string `json:"httpProxy,omitempty"`

	// httpsProxy is the URL of the proxy for https:// addresses; none: they are reached directly.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=500
	// +kubebuilder:validation:Pattern="^https?://[A-Za-z0-9.-]+(:[0-9]+)?/?$"
	HTTPSProxy string `json:"httpsProxy,omitempty"`

	// noProxy are hosts, domains and ranges that are reached without the proxy. Registry mirrors are, too.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern="^[A-Za-z0-9.*:/-]+$"
	NoProxy []string `json:"noProxy,omitempty"`
}
