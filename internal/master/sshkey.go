// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// sshKeyController is the name of the controller.
const sshKeyController = "master/sshkey"

// SSHKeyReconciler says whether a key is one, and its fingerprint.
type SSHKeyReconciler struct{ client.Client }

func setupSSHKey(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named(sshKeyController).
		For(&v1alpha1.SSHKey{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(reconcile.AsReconciler(mgr.GetClient(), &SSHKeyReconciler{mgr.GetClient()}))
}

// Reconcile looks at one key.
func (r *SSHKeyReconciler) Reconcile(ctx context.Context, key *v1alpha1.SSHKey) (reconcile.Result, error) {
	before := key.DeepCopy()
	key.Status.Fingerprint = ""
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.Spec.PublicKey))
	if err != nil {
		err = kube.Reject(v1alpha1.ReasonInvalidKey, fmt.Sprintf("spec.publicKey: %v: want the line of a file such as id_ed25519.pub", err))
	} else {
		key.Status.Fingerprint = ssh.FingerprintSHA256(parsed)
	}
	return kube.Finish(ctx, r.Client, before, key, err)
}

// sshKeys returns the keys that the cluster names, sorted, each with its SSHKey's name behind it.
func sshKeys(in Input) []string {
	var lines []string
	for _, key := range in.SSHKeys {
		if !slices.Contains(in.Cluster.Spec.SSHKeys, key.Name) || !key.DeletionTimestamp.IsZero() {
			continue
		}
		if parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.Spec.PublicKey)); err == nil {
			lines = append(lines, string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(parsed)))+" "+key.Name)
		}
	}
	slices.Sort(lines)
	return lines
}

// checkSSHKeys says which of the keys that the cluster names are none. It keeps nothing from being done: the others let
// their holders in, and a key that goes must go.
func checkSSHKeys(cluster *v1alpha1.Cluster, hc *hostingv1alpha1.HostedCluster) error {
	var missing []string
	for _, name := range cluster.Spec.SSHKeys {
		if !slices.ContainsFunc(hc.Spec.SSHKeys, func(line string) bool { return strings.HasSuffix(line, " "+name) }) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return kube.Wait(v1alpha1.ReasonSSHKeyMissing, fmt.Sprintf("spec.sshKeys: there is no SSHKey %s in %s, or it holds no key: make it, or take the name away; the others let their holders in",
		kube.Few(missing), cluster.Namespace), 0)
}
