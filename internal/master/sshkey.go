// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"

	"golang.org/x/crypto/ssh"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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
