// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SSHKey is the public key of somebody in a project.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=canopy
// +kubebuilder:printcolumn:name="Fingerprint",type=string,JSONPath=.status.fingerprint
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
type SSHKey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec SSHKeySpec `json:"spec"`
	// +optional
	Status SSHKeyStatus `json:"status,omitempty"`
}

// SSHKeySpec holds the key.
type SSHKeySpec struct {
	// publicKey is one line of an authorized_keys file without options, for example "ssh-ed25519 AAAA… ada@example.com".
	//
	// +required
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:Pattern="^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) [A-Za-z0-9+/]+={0,2}( [^\\r\\n]*)?$"
	PublicKey string `json:"publicKey"`
}

// SSHKeyStatus is what the key is.
type SSHKeyStatus struct {
	// fingerprint is the key's, as ssh-keygen -l prints it.
	//
	// +optional
	Fingerprint string `json:"fingerprint,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SSHKeyList is a list of SSHKeys.
//
// +kubebuilder:object:root=true
type SSHKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SSHKey `json:"items"`
}
