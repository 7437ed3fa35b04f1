// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"reflect"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Patch writes what change does to obj and nothing else, for the few fields of ours on an object that is somebody else's.
// It writes nothing if change does nothing.
func Patch(ctx context.Context, c client.Client, obj client.Object, change func()) error {
	return patch(ctx, c, obj, change)
}

// PatchFresh is Patch for what must not overwrite a change of somebody else: it fails with a Conflict if obj is stale.
func PatchFresh(ctx context.Context, c client.Client, obj client.Object, change func()) error {
	return patch(ctx, c, obj, change, client.MergeFromWithOptimisticLock{})
}

func patch(ctx context.Context, c client.Client, obj client.Object, change func(), opts ...client.MergeFromOption) error {
	before, ok := obj.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T cannot be copied", obj)
	}
	if change(); reflect.DeepEqual(before, obj) {
		return nil
	}
	if err := c.Patch(ctx, obj, client.MergeFromWithOptions(before, opts...)); err != nil {
		return fmt.Errorf("patching %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}

// CreateNew creates obj, which nobody owns; it fails with an AlreadyExists error.
func CreateNew(ctx context.Context, c client.Client, obj client.Object) error {
	if err := c.Create(ctx, obj); err != nil {
		return fmt.Errorf("creating %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}

// CreateSubResource has the server make what is no object of its own, such as a token, and fills sub with it.
func CreateSubResource(ctx context.Context, c client.Client, obj client.Object, name string, sub client.Object) error {
	if err := c.SubResource(name).Create(ctx, obj, sub); err != nil {
		return fmt.Errorf("creating %s of %T %s: %w", name, obj, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}

// UpdateSubResource writes a part of obj that is no part of its spec or status, such as the approval of a certificate
// request. It fails with a Conflict if obj is stale.
func UpdateSubResource(ctx context.Context, c client.Client, obj client.Object, name string) error {
	if err := c.SubResource(name).Update(ctx, obj); err != nil {
		return fmt.Errorf("writing %s of %T %s: %w", name, obj, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
