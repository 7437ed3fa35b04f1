// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Encryption is how the cluster's Secrets are stored.
type Encryption struct {
	// enabled encrypts the cluster's Secrets in etcd, also those that are there already; without it they are decrypted. The
	// key is in the Secret secrets-encryption beside the HostedCluster: without it, etcd and its backups are worth nothing.
	// A change restarts kube-apiserver two or three times.
	//
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// rotation is the number of the key. A higher one makes another key, writes all Secrets with it, and forgets the old one.
	//
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:XValidation:rule="self >= oldSelf",message="rotation can only go up"
	Rotation int32 `json:"rotation,omitempty"`
}

// EncryptionStatus is how the cluster's Secrets are stored.
type EncryptionStatus struct {
	// key is the name of the key with which all Secrets are encrypted, for example "key1"; empty: not all are, or with another.
	//
	// +optional
	Key string `json:"key,omitempty"`

	// configuration is the number of the configuration that kube-apiserver is given.
	//
	// +optional
	Configuration int32 `json:"configuration,omitempty"`
}
