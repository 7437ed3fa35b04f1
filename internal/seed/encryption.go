// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

const (
	// encryptionState is where in the Secret it is kept how far the encryption has come.
	encryptionState = "state.json"
	// encryptionRetry is how soon Secrets are rewritten again after that has failed.
	encryptionRetry = 10 * time.Second
)

// encrypt takes the steps of the encryption that can be taken now, and returns what kube-apiserver is to be given. How far
// it has come is in the Secret with the keys, which is written before anything follows from it.
func (r *HostedClusterReconciler) encrypt(ctx context.Context, hc *v1alpha1.HostedCluster) (controlplane.Encryption, error) {
	wanted := controlplane.WantedKey(hc.Spec.Encryption)
	if wanted == controlplane.Identity && hc.Status.Encryption == nil {
		err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.SecretEncryption}, &corev1.Secret{})
		if err != nil { // there was never one; otherwise the status may only have lost what it said of it
			return controlplane.Encryption{}, client.IgnoreNotFound(err)
		}
	}
	secret, e, err := r.readEncryption(ctx, hc, wanted)
	if err != nil {
		return e, err
	}
	pod := &corev1.Pod{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Name + "-0"}, pod); client.IgnoreNotFound(err) != nil {
		return e, err
	}
	for {
		next, step := e.Next(wanted)
		runs := controlplane.RunsEncryption(pod, e)
		if step == "" || e.Step > 0 && !runs {
			encryptionStatus(hc, e, wanted, runs)
			return e, nil
		}
		if step == v1alpha1.ReasonRewritingSecrets {
			if err := r.rewriteSecrets(ctx, hc); err != nil {
				encryptionStatus(hc, e, wanted, true)
				setCondition(hc, v1alpha1.ConditionSecretsEncrypted, false, step, "step 3 of 4: writing all Secrets once more: "+err.Error())
				return e, nil
			}
		}
		if err := r.writeEncryption(ctx, secret, &next); err != nil {
			return e, err
		}
		e = next
	}
}

// encryptionStatus says how far the encryption has come.
func encryptionStatus(hc *v1alpha1.HostedCluster, e controlplane.Encryption, wanted string, runs bool) {
	if len(e.Keys) == 0 {
		return // it was never begun with
	}
	hc.Status.Encryption = &v1alpha1.EncryptionStatus{Configuration: int32(e.Step)}
	if e.Rewritten == e.Keys[0].Name && e.Rewritten != controlplane.Identity {
		hc.Status.Encryption.Key = e.Rewritten
	}
	waiting := func(reason, message string) {
		setCondition(hc, v1alpha1.ConditionSecretsEncrypted, false, reason, message)
	}
	switch {
	case e.Keys[0].Name != wanted:
		waiting(v1alpha1.ReasonAddingKey, "step 1 of 4: kube-apiserver learns to read with "+wanted)
	case e.Rewritten != wanted:
		waiting(v1alpha1.ReasonUsingKey, "step 2 of 4: kube-apiserver begins to write with "+wanted)
	case !runs:
		waiting(v1alpha1.ReasonRemovingKeys, "step 4 of 4: kube-apiserver forgets all keys but "+wanted)
	case wanted == controlplane.Identity:
		hc.Status.Encryption = nil
		meta.RemoveStatusCondition(&hc.Status.Conditions, v1alpha1.ConditionSecretsEncrypted)
	default:
		setCondition(hc, v1alpha1.ConditionSecretsEncrypted, true, v1alpha1.ReasonEncrypted, "with "+wanted)
	}
}

// readEncryption returns the Secret with the keys and what it says. It makes the Secret if there was never one.
func (r *HostedClusterReconciler) readEncryption(ctx context.Context, hc *v1alpha1.HostedCluster, wanted string) (*corev1.Secret, controlplane.Encryption, error) {
	e, secret := controlplane.Encryption{}, &corev1.Secret{}
	key := client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.SecretEncryption}
	err := r.APIReader.Get(ctx, key, secret) // not from the cache, in which it may be a step behind
	switch {
	case err == nil:
		if err := json.Unmarshal(secret.Data[encryptionState], &e); err != nil {
			return nil, e, kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("Secret %s: its key %s cannot be read: restore it from a backup of the seed", key, encryptionState), 0)
		}
		return secret, e, nil
	case !apierrors.IsNotFound(err):
		return nil, e, fmt.Errorf("reading Secret %s: %w", key, err)
	case hc.Status.Encryption != nil:
		return nil, e, kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("Secret %s is gone; without it the cluster's Secrets cannot be read: restore it from a backup of the seed", key), 0)
	}
	if hc.Status.Version == "" { // it has no Secrets yet
		fresh, err := newEncryptionKey(wanted)
		if err != nil {
			return nil, e, err
		}
		e = controlplane.FirstEncryption(fresh)
	}
	secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace, Labels: clusterLabels(hc)}}
	if secret.Data, err = encryptionData(e); err != nil {
		return nil, e, err
	}
	return secret, e, kube.Create(ctx, r.Client, hc, secret)
}

// writeEncryption writes the next step, beside the configuration of the one before, with which a process may start anew until
// it is replaced. A key that is new is made here.
func (r *HostedClusterReconciler) writeEncryption(ctx context.Context, secret *corev1.Secret, next *controlplane.Encryption) error {
	for i, k := range next.Keys {
		if k.Name != controlplane.Identity && len(k.Secret) == 0 {
			fresh, err := newEncryptionKey(k.Name)
			if err != nil {
				return err
			}
			next.Keys[i] = fresh
		}
	}
	data, err := encryptionData(*next)
	if err != nil {
		return err
	}
	before := controlplane.Encryption{Step: next.Step - 1}
	if old, ok := secret.Data[before.File()]; ok {
		data[before.File()] = old
	}
	return kube.PatchFresh(ctx, r.Client, secret, func() { secret.Data = data })
}

func encryptionData(e controlplane.Encryption) (map[string][]byte, error) {
	state, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{encryptionState: state}
	if e.Encrypts() {
		data[e.File()], err = e.Configuration()
	}
	return data, err
}

func newEncryptionKey(name string) (controlplane.EncryptionKey, error) {
	key := controlplane.EncryptionKey{Name: name, Secret: make([]byte, 32)}
	if _, err := rand.Read(key.Secret); err != nil {
		return key, fmt.Errorf("making the key %s: %w", name, err)
	}
	return key, nil
}

// rewriteSecrets makes kube-apiserver write every Secret of the user cluster once more, with the first key.
func (r *HostedClusterReconciler) rewriteSecrets(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	inside, err := r.addons.clusters.GetUncachedClient(ctx, client.ObjectKeyFromObject(hc))
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return errors.New("the seed manager is connecting to the cluster") // which wakes us
	}
	if err != nil {
		return err
	}
	return kube.RewriteSecrets(ctx, inside)
}
