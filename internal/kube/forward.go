// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Forwarder makes writes that somebody else asked for, through a client that makes them in that person's name. They go to
// Kubernetes as they came and their errors come back as they are, because they are the answer. Unknown fields are errors.
type Forwarder struct {
	// Client writes in the name of whoever asked.
	Client client.Client
	// FieldManager is the name under which the fields are owned.
	FieldManager string
	// DryRun lets Kubernetes check everything and keep nothing.
	DryRun bool
}

const strict = "Strict"

// Create makes obj.
func (f Forwarder) Create(ctx context.Context, obj client.Object) error {
	opts := []client.CreateOption{client.FieldOwner(f.FieldManager), client.FieldValidation(strict)}
	if f.DryRun {
		opts = append(opts, client.DryRunAll)
	}
	return f.Client.Create(ctx, obj, opts...)
}

// Replace writes obj instead of what is there, which must have obj's resourceVersion.
func (f Forwarder) Replace(ctx context.Context, obj client.Object) error {
	opts := []client.UpdateOption{client.FieldOwner(f.FieldManager), client.FieldValidation(strict)}
	if f.DryRun {
		opts = append(opts, client.DryRunAll)
	}
	return f.Client.Update(ctx, obj, opts...)
}

// MergePatch applies a JSON merge patch to obj, and fills it with the result.
func (f Forwarder) MergePatch(ctx context.Context, obj client.Object, patch []byte) error {
	opts := []client.PatchOption{client.FieldOwner(f.FieldManager), client.FieldValidation(strict)}
	if f.DryRun {
		opts = append(opts, client.DryRunAll)
	}
	return f.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), opts...)
}

// Delete asks for the deletion of obj if it fits to the preconditions.
func (f Forwarder) Delete(ctx context.Context, obj client.Object, only client.Preconditions) error {
	opts := []client.DeleteOption{only, client.PropagationPolicy("Background")}
	if f.DryRun {
		opts = append(opts, client.DryRunAll)
	}
	return f.Client.Delete(ctx, obj, opts...)
}
