// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rewritePage is how many Secrets are listed at a time.
const rewritePage = 500

// RewriteSecrets makes the API server store every Secret once more as it is, without reading what is in them. Those that it
// has stored already in the way in which it would store them now it leaves alone.
func RewriteSecrets(ctx context.Context, c client.Client) error {
	kind := corev1.SchemeGroupVersion.WithKind("Secret")
	page := &metav1.PartialObjectMetadataList{}
	page.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	for {
		if err := c.List(ctx, page, client.Limit(rewritePage), client.Continue(page.Continue)); err != nil {
			return fmt.Errorf("listing the Secrets: %w", err)
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(inFlight)
		for i := range page.Items {
			secret := &page.Items[i]
			secret.SetGroupVersionKind(kind)
			group.Go(func() error {
				if err := c.Patch(groupCtx, secret, client.RawPatch(types.MergePatchType, []byte("{}"))); client.IgnoreNotFound(err) != nil {
					return fmt.Errorf("rewriting %s: %w", Describe(secret), err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if page.Continue == "" {
			return nil
		}
	}
}
