// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// resync is how long a settled object is left alone before it is looked at again, with a jitter of half of it.
const resync = 10 * time.Minute

// WaitingError is returned by a reconciler that has done what it can and waits for something else. It is no failure: it
// becomes the Ready condition's reason and message.
type WaitingError struct {
	Reason, Message string
	// After is when to look again if no watch wakes the reconciler before; 0: after the usual resync.
	After time.Duration
	// Unknown is for what cannot be seen now: the Ready condition is then Unknown instead of False.
	Unknown bool
}

// Error returns the message.
func (w *WaitingError) Error() string { return w.Message }

// Wait returns a *WaitingError.
func Wait(reason, message string, after time.Duration) error {
	return &WaitingError{Reason: reason, Message: message, After: after}
}

// Unknown returns a *WaitingError for what cannot be seen now.
func Unknown(reason, message string) error {
	return &WaitingError{Reason: reason, Message: message, Unknown: true}
}

// RejectedError is returned by a reconciler when only a change of the spec can help; there is no retry.
type RejectedError struct{ Reason, Message string }

// Error returns the message.
func (r *RejectedError) Error() string { return r.Message }

// Reject returns a *RejectedError.
func Reject(reason, message string) error { return &RejectedError{Reason: reason, Message: message} }

// Conditioned is an object whose status has conditions.
type Conditioned interface {
	client.Object
	// StatusConditions returns the conditions of the status.
	StatusConditions() *[]metav1.Condition
	// SetObservedGeneration records the generation that was fully processed; kinds without the field ignore it.
	SetObservedGeneration(int64)
}

// Finish ends a reconciliation, the same way for every controller: it turns err into the Ready condition, writes the
// status if it differs from before's, and decides when to look again.
func Finish(ctx context.Context, c client.Client, before, obj Conditioned, err error) (reconcile.Result, error) {
	result := reconcile.Result{RequeueAfter: wait.Jitter(resync, 0.5)}
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, ObservedGeneration: obj.GetGeneration()}
	var waiting *WaitingError
	var rejected *RejectedError
	switch {
	case err == nil:
		ready.Status, ready.Reason = metav1.ConditionTrue, "Ready"
		obj.SetObservedGeneration(obj.GetGeneration())
	case errors.As(err, &waiting):
		ready.Reason, ready.Message = waiting.Reason, waiting.Message
		if waiting.Unknown {
			ready.Status = metav1.ConditionUnknown
		}
		if waiting.After > 0 {
			result.RequeueAfter = wait.Jitter(waiting.After, 0.2)
		}
		err = nil
	case errors.As(err, &rejected):
		ready.Reason, ready.Message = rejected.Reason, rejected.Message
		obj.SetObservedGeneration(obj.GetGeneration())
		err = reconcile.TerminalError(err)
	case apierrors.IsConflict(err):
		// The input was stale: nothing to tell anybody, the newer object is on its way.
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, nil
	default:
		ready.Reason, ready.Message = "Error", err.Error()
	}
	meta.SetStatusCondition(obj.StatusConditions(), ready)
	if patchErr := PatchStatus(ctx, c, before, obj); patchErr != nil {
		return reconcile.Result{}, errors.Join(err, patchErr)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return result, nil
}

// PatchStatus writes the status of obj if it differs from before's. That obj is gone is no error.
func PatchStatus(ctx context.Context, c client.Client, before, obj client.Object) error {
	if reflect.DeepEqual(before, obj) {
		return nil
	}
	return client.IgnoreNotFound(patchStatus(ctx, c, before, obj))
}

// PatchFreshStatus writes the status of obj, which differs from before's, and fails with a Conflict if before is stale. It
// is for what must be remembered before anything follows from it.
func PatchFreshStatus(ctx context.Context, c client.Client, before, obj client.Object) error {
	return patchStatus(ctx, c, before, obj, client.MergeFromWithOptimisticLock{})
}

func patchStatus(ctx context.Context, c client.Client, before, obj client.Object, opts ...client.MergeFromOption) error {
	if err := c.Status().Patch(ctx, obj, client.MergeFromWithOptions(before, opts...)); err != nil {
		return fmt.Errorf("writing the status of %s: %w", client.ObjectKeyFromObject(obj), err)
	}
	return nil
}

// EnsureFinalizer adds finalizer to obj in a write of its own, before the first side effect.
func EnsureFinalizer(ctx context.Context, c client.Client, obj client.Object, finalizer string) error {
	return patchFinalizer(ctx, c, obj, func() bool { return controllerutil.AddFinalizer(obj, finalizer) })
}

// RemoveFinalizer removes finalizer from obj, which may thereby go.
func RemoveFinalizer(ctx context.Context, c client.Client, obj client.Object, finalizer string) error {
	return client.IgnoreNotFound(patchFinalizer(ctx, c, obj, func() bool { return controllerutil.RemoveFinalizer(obj, finalizer) }))
}

func patchFinalizer(ctx context.Context, c client.Client, obj client.Object, change func() bool) error {
	before, ok := obj.DeepCopyObject().(client.Object)
	if !ok || !change() {
		return nil
	}
	if err := c.Patch(ctx, obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("writing the finalizers of %s: %w", client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
