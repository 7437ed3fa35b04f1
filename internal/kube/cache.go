// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	toolscache "k8s.io/client-go/tools/cache"
)

// Slim returns a transform for caches. It takes from objects what nobody reads there: who owns which fields, and the copy of an
// object that kubectl keeps in it. What is written because of a cached object are changes, so neither is lost.
func Slim() toolscache.TransformFunc {
	return func(in any) (any, error) {
		obj, err := meta.Accessor(in)
		if err != nil {
			return in, nil //nolint:nilerr // a mark of the cache itself, not an object
		}
		obj.SetManagedFields(nil)
		if annotations := obj.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
			delete(annotations, corev1.LastAppliedConfigAnnotation)
			obj.SetAnnotations(annotations)
		}
		return in, nil
	}
}
