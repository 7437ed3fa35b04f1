// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Conflict is a field that owner would have to take from somebody else.
type Conflict struct {
	// Field is a path such as "spec.version".
	Field string
	// Manager is the name under which somebody else owns it.
	Manager string
}

// Preview returns what the server would make of obj if owner applied it, and what owner would take from others. Nothing is
// written. The error is an Invalid one if the server would refuse it; the conflicts come with it.
func Preview(ctx context.Context, c client.Client, owner Owner, obj client.Object) (*unstructured.Unstructured, []Conflict, error) {
	u, err := configuration(c, owner, obj)
	if err != nil {
		return nil, nil, err
	}
	name := Describe(u)
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner(owner.FieldManager), client.DryRunAll)
	conflicts := conflictsOf(err)
	if err != nil && len(conflicts) == 0 {
		return nil, nil, fmt.Errorf("trying to apply %s: %w", name, err)
	}
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(owner.FieldManager), client.ForceOwnership, client.DryRunAll)
	if err != nil {
		return nil, conflicts, fmt.Errorf("trying to apply %s: %w", name, err)
	}
	return u, conflicts, nil
}

// Claim applies obj as owner, but unlike an Applier it takes nothing from others unless it is forced to: it fails with a
// Conflict error.
func Claim(ctx context.Context, c client.Client, owner Owner, obj client.Object, force bool) error {
	u, err := configuration(c, owner, obj)
	if err != nil {
		return err
	}
	opts := []client.ApplyOption{client.FieldOwner(owner.FieldManager)}
	if force {
		opts = append(opts, client.ForceOwnership)
	}
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), opts...); err != nil {
		return fmt.Errorf("applying %s: %w", Describe(u), err)
	}
	return nil
}

// conflictingManager is how the server names who owns a field.
var conflictingManager = regexp.MustCompile(`^conflict with "([^"]*)"`)

// conflictsOf returns the fields over which an apply failed; none if it failed for another reason.
func conflictsOf(err error) []Conflict {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var conflicts []Conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		conflict := Conflict{Field: strings.TrimPrefix(cause.Field, ".")}
		if match := conflictingManager.FindStringSubmatch(cause.Message); match != nil {
			conflict.Manager = match[1]
		}
		conflicts = append(conflicts, conflict)
	}
	return conflicts
}
