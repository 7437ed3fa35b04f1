// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	useraccess "canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// accessRequestController is the name of the controller.
const accessRequestController = "master/accessrequest"

const (
	// signTimeout bounds how long a user cluster may take to sign.
	signTimeout = 30 * time.Second
	// requestLifetime is how long a request stays for which there is no certificate.
	requestLifetime = time.Hour
)

// AccessRequestReconciler has user clusters sign the certificates that are asked for. Whether somebody may have one was decided
// when the request was made.
type AccessRequestReconciler struct {
	client.Client

	Seeds *Connections
	Clock clock.PassiveClock
	// sign is useraccess.Sign outside of tests.
	sign func(context.Context, useraccess.Place, useraccess.Request, []byte) ([]byte, error)
}

func setupAccessRequest(mgr ctrl.Manager, seeds *Connections, opts Options) error {
	r := &AccessRequestReconciler{Client: mgr.GetClient(), Seeds: seeds, Clock: opts.Clock, sign: useraccess.Sign}
	return ctrl.NewControllerManagedBy(mgr).
		Named(accessRequestController).
		For(&v1alpha1.AccessRequest{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reconcile has one certificate signed, or deletes a request that is over.
func (r *AccessRequestReconciler) Reconcile(ctx context.Context, request *v1alpha1.AccessRequest) (reconcile.Result, error) {
	end := request.CreationTimestamp.Add(requestLifetime)
	if request.Status.Expires != nil {
		end = request.Status.Expires.Time
	}
	if left := end.Sub(r.Clock.Now()); left <= 0 {
		return reconcile.Result{}, kube.Delete(ctx, r.Client, request, client.Preconditions{UID: &request.UID})
	} else if request.Status.Certificate != "" {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	before := request.DeepCopy()
	err := r.reconcile(ctx, request)
	if result, finishErr := kube.Finish(ctx, r.Client, before, request, err); finishErr != nil || request.Status.Expires == nil {
		return result, finishErr
	}
	return reconcile.Result{RequeueAfter: request.Status.Expires.Sub(r.Clock.Now())}, nil
}

func (r *AccessRequestReconciler) reconcile(ctx context.Context, request *v1alpha1.AccessRequest) error {
	ttl, err := time.ParseDuration(request.Spec.TTL)
	if err != nil {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, "spec.ttl: it is no duration such as 1h")
	}
	cluster := &v1alpha1.Cluster{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: request.Namespace, Name: request.Spec.Cluster}, cluster); apierrors.IsNotFound(err) {
		return kube.Reject(v1alpha1.ReasonClusterMissing, fmt.Sprintf("spec.cluster: there is no Cluster %s in %s", request.Spec.Cluster, request.Namespace))
	} else if err != nil {
		return err
	}
	conn := r.Seeds.Get(cluster.Status.Seed)
	if conn == nil || cluster.Status.ID == "" {
		return kube.Wait(v1alpha1.ReasonSeedNotConnected, fmt.Sprintf("cluster %s is on no seed that is connected: see its condition Ready", cluster.Name), 5*time.Second)
	}
	wanted := useraccess.RequestOf(request.Spec)
	wanted.TTL = ttl
	if err := useraccess.CheckRequest([]byte(request.Spec.Request), wanted); err != nil {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, "spec.request: "+err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	place := useraccess.Place{Name: cluster.Name, ID: cluster.Status.ID, Seed: conn.Live}
	if request.Spec.Role == v1alpha1.CertificateMachine {
		if request.Status.Script, err = joinScript(ctx, place, request.Spec); err != nil {
			return err
		}
	}
	certificate, err := r.sign(ctx, place, wanted, []byte(request.Spec.Request))
	if err != nil {
		return kube.Wait(v1alpha1.ReasonUnreachable, err.Error(), 5*time.Second)
	}
	request.Status.Certificate = string(certificate)
	request.Status.Expires = &metav1.Time{Time: r.Clock.Now().Add(ttl).Truncate(time.Second)}
	return nil
}

// joinScript reads from the seed what makes a machine the one that waits for it. Whether it is of the pool is looked at here,
// because the right to change that pool is all that the request needs.
func joinScript(ctx context.Context, place useraccess.Place, spec v1alpha1.AccessRequestSpec) (string, error) {
	secret := &corev1.Secret{}
	err := place.Seed.Get(ctx, client.ObjectKey{Namespace: place.Namespace(), Name: spec.Machine}, secret)
	if client.IgnoreNotFound(err) != nil {
		return "", kube.Wait(v1alpha1.ReasonUnreachable, err.Error(), 5*time.Second)
	}
	if err != nil || secret.Labels[hostingv1alpha1.LabelPool] != spec.NodePool || machine.Format(secret.Data[machine.FormatKey]) != machine.Script {
		return "", kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.machine: the pool %s has no machine %s that waits for one to join", spec.NodePool, spec.Machine))
	}
	return machine.Pack(secret.Data[machine.UserDataKey])
}
