// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Authentication says whose tokens let people into the cluster, besides those of its own service accounts. What they may do
// there is said by access. A change reaches kube-apiserver within two minutes and restarts nothing.
type Authentication struct {
	// issuers are OpenID Connect issuers. Each must be reached from the seed.
	//
	// +optional
	// +listType=map
	// +listMapKey=url
	// +kubebuilder:validation:MaxItems=16
	Issuers []Issuer `json:"issuers,omitempty"`
}

// Issuer is an OpenID Connect issuer whose ID tokens are taken. A user or a group whose name starts with "system:" or
// "canopy:" is refused, whatever the issuer says.
type Issuer struct {
	// url is the issuer as it is in tokens, and where its discovery document is found.
	//
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern="^https://[^?#@\\s]+$"
	URL string `json:"url"`

	// audiences are the client IDs that tokens may be for; a token must be for one of them.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Audiences []string `json:"audiences"`

	// certificateAuthority is the PEM-encoded certificate of the authority that signed the issuer's; none: one of those that
	// kube-apiserver's image trusts.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	CertificateAuthority string `json:"certificateAuthority,omitempty"`

	// username is a CEL expression over "claims" that gives the user's name; none: the e-mail address in lower case, which
	// the issuer must not say to be unverified.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Username string `json:"username,omitempty"`

	// groups is a CEL expression over "claims" that gives a list of names; none: those of the claim "groups", if there is one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Groups string `json:"groups,omitempty"`

	// rules must all be true of a token's claims.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Rules []ClaimRule `json:"rules,omitempty"`
}

// ClaimRule is something that must be true of a token.
type ClaimRule struct {
	// expression is a CEL expression over "claims" that is true for tokens to be taken, such as "claims.hd == 'example.com'".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Expression string `json:"expression"`

	// message is logged when it is not.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}
