// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Prune deletes what carries owner's label in namespace (empty: everywhere), is of one of kinds, and is not in wanted.
// wanted must be the whole set, also what is held back for now. Kinds that hold data do not belong into kinds.
func Prune(ctx context.Context, c client.Client, live client.Reader, scope PruneScope, wanted []client.Object) error {
	keep := map[objectKey]bool{}
	for _, obj := range wanted {
		gvk, err := apiutil.GVKForObject(obj, c.Scheme())
		if err != nil {
			return err
		}
		keep[objectKey{gvk.GroupKind(), client.ObjectKeyFromObject(obj)}] = true
	}
	var errs []error
	for _, gvk := range scope.Kinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := live.List(ctx, list, client.InNamespace(scope.Namespace), client.MatchingLabels{scope.Owner.Label: scope.Owner.Value}); err != nil {
			return fmt.Errorf("listing %s to prune: %w", gvk.Kind, err)
		}
		for i := range list.Items {
			obj := &list.Items[i]
			if keep[objectKey{gvk.GroupKind(), client.ObjectKeyFromObject(obj)}] || !obj.DeletionTimestamp.IsZero() {
				continue
			}
			obj.SetGroupVersionKind(gvk)
			err := c.Delete(ctx, obj, client.Preconditions{UID: &obj.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
			if client.IgnoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("pruning %s: %w", Describe(obj), err))
			}
		}
	}
	return errors.Join(errs...)
}

// PruneScope says where and among which kinds to look for objects that are no longer wanted.
type PruneScope struct {
	Owner     Owner
	Namespace string
	Kinds     []schema.GroupVersionKind
}

// Delete deletes obj in the background; that it does not exist is no error.
func Delete(ctx context.Context, c client.Client, obj client.Object, opts ...client.DeleteOption) error {
	err := c.Delete(ctx, obj, append(opts, client.PropagationPolicy(metav1.DeletePropagationBackground))...)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s %s: %w", obj.GetObjectKind().GroupVersionKind().Kind, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
