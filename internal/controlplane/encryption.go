// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// SecretEncryption is the name of the Secret with the keys that encrypt the user cluster's Secrets. It is made by the seed.
const SecretEncryption = "secrets-encryption"

// Identity is the name of what stores Secrets as they are.
const Identity = "identity"

// Encryption is how far the encryption of a user cluster's Secrets has come. It takes a step only when kube-apiserver runs
// with the one before, so that what one process writes, another can read, at any time and after a crash at any line:
//
//  1. AddingKey         every process can read what the new key writes
//  2. UsingKey          every process writes with it
//  3. RewritingSecrets  all Secrets are written once more
//  4. RemovingKeys      the old keys are forgotten
type Encryption struct {
	// Step is the number of the configuration; 0: there was never one.
	Step int `json:"step"`
	// Keys can be read with, and the first is written with. Identity is among them.
	Keys []EncryptionKey `json:"keys,omitempty"`
	// Rewritten is the name of the key with which all Secrets have been written since it became the first.
	Rewritten string `json:"rewritten,omitempty"`
}

// EncryptionKey is a key of 32 bytes. Identity has none.
type EncryptionKey struct {
	Name   string `json:"name"`
	Secret []byte `json:"secret,omitempty"`
}

// WantedKey returns the name of the key with which all Secrets are to be written.
func WantedKey(spec v1alpha1.Encryption) string {
	if !spec.Enabled {
		return Identity
	}
	return "key" + strconv.Itoa(int(max(spec.Rotation, 1)))
}

// FirstEncryption is that of a cluster that has no Secrets yet.
func FirstEncryption(key EncryptionKey) Encryption {
	return Encryption{Step: 1, Keys: []EncryptionKey{key, {Name: Identity}}}
}

// Next returns what follows on the way to wanted, and what that step is; empty: nothing, all is as wanted. A key that is
// added has no Secret yet.
func (e Encryption) Next(wanted string) (next Encryption, step string) {
	next = Encryption{Step: e.Step + 1, Rewritten: e.Rewritten}
	if len(e.Keys) == 0 {
		e.Keys, e.Rewritten, next.Rewritten = []EncryptionKey{{Name: Identity}}, Identity, Identity
	}
	at := slices.IndexFunc(e.Keys, func(k EncryptionKey) bool { return k.Name == wanted })
	switch {
	case at < 0:
		next.Keys = slices.Insert(slices.Clone(e.Keys), 1, EncryptionKey{Name: wanted})
		return next, v1alpha1.ReasonAddingKey
	case at > 0:
		next.Keys = append([]EncryptionKey{e.Keys[at]}, slices.Delete(slices.Clone(e.Keys), at, at+1)...)
		next.Rewritten = "" // what it may have written once is not all
		return next, v1alpha1.ReasonUsingKey
	case e.Rewritten != wanted:
		return Encryption{Step: e.Step, Keys: e.Keys, Rewritten: wanted}, v1alpha1.ReasonRewritingSecrets
	}
	for _, k := range e.Keys {
		if k.Name == wanted || k.Name == Identity {
			next.Keys = append(next.Keys, k)
		}
	}
	if len(next.Keys) < len(e.Keys) {
		return next, v1alpha1.ReasonRemovingKeys
	}
	return e, ""
}

// Encrypts reports whether kube-apiserver needs a configuration: it may have to read what a key has written.
func (e Encryption) Encrypts() bool { return len(e.Keys) > 1 }

// File is the name of the configuration, in the Secret and among kube-apiserver's keys. Each step has its own, so that a
// process never starts with another than its flags say.
func (e Encryption) File() string { return fmt.Sprintf("encryption-%d.yaml", e.Step) }

// Configuration returns kube-apiserver's EncryptionConfiguration.
func (e Encryption) Configuration() ([]byte, error) {
	var providers []any
	for _, k := range e.Keys {
		if k.Name == Identity {
			providers = append(providers, map[string]any{Identity: map[string]any{}})
			continue
		}
		providers = append(providers, map[string]any{"secretbox": map[string]any{"keys": []any{map[string]any{"name": k.Name, "secret": k.Secret}}}})
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1",
		"kind":       "EncryptionConfiguration",
		"resources":  []any{map[string]any{"resources": []string{"secrets"}, "providers": providers}},
	})
}

const encryptionFlag = "encryption-provider-config"

// RunsEncryption reports whether the pod is ready and was started with the step's configuration.
func RunsEncryption(pod *corev1.Pod, e Encryption) bool {
	if pod == nil || !ready(pod) {
		return false
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == kubernetesContainer {
			return slices.ContainsFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, "--"+encryptionFlag+"=") }) == e.Encrypts() &&
				(!e.Encrypts() || slices.Contains(c.Args, "--"+encryptionFlag+"="+keysDir+"/"+e.File()))
		}
	}
	return false
}
