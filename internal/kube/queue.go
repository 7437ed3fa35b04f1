// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// RateLimiter backs off for each object by itself, from a tenth of a second, so that a burst of conflicts costs nothing that
// a user would notice, to two minutes.
func RateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 2*time.Minute)
}

// Requests lists objects from a cache and returns a request for each: what an event of another object is to wake.
func Requests(ctx context.Context, cached client.Reader, list client.ObjectList, opts ...client.ListOption) []reconcile.Request {
	return RequestsIf(ctx, cached, list, func(client.Object) bool { return true }, opts...)
}

// RequestsIf is Requests for the objects alone that match.
func RequestsIf(ctx context.Context, cached client.Reader, list client.ObjectList, match func(client.Object) bool, opts ...client.ListOption) []reconcile.Request {
	if err := cached.List(ctx, list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil { // none of them leaves this function
		return nil // a cache fails to list only while it starts or stops
	}
	var requests []reconcile.Request
	_ = meta.EachListItem(list, func(item runtime.Object) error { // none of the errors that it could return is possible here
		if obj, ok := item.(client.Object); ok && match(obj) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)})
		}
		return nil
	})
	return requests
}
