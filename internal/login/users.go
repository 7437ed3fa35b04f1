// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// ensureUser makes the User of somebody who comes for the first time. It has no rights by that. That it fails does not keep
// anybody out: it is done again with the next request.
func (s *Service) ensureUser(ctx context.Context, info user.Info) {
	email := info.GetName()
	if s.opts.Users == nil || !emailPattern.MatchString(email) {
		return
	}
	if _, known := s.known.Load(email); known {
		return
	}
	if err := s.makeUser(ctx, email); err != nil {
		s.opts.Log.Error(err, "a User cannot be made", "email", email)
		return
	}
	s.known.Store(email, struct{}{})
}

// emailPattern is what a User's e-mail address must be.
var emailPattern = regexp.MustCompile(`^[^@\sA-Z]+@[^@\sA-Z]+$`)

func (s *Service) makeUser(ctx context.Context, email string) error {
	users := &v1alpha1.UserList{}
	if err := s.opts.Users.List(ctx, users, client.MatchingFields{"spec.email": email}); err != nil {
		return fmt.Errorf("looking for the User of %s: %w", email, err)
	}
	if len(users.Items) > 0 {
		return nil
	}
	u := &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: userName(email)}, Spec: v1alpha1.UserSpec{Email: email}}
	if err := kube.CreateNew(ctx, s.opts.Users, u); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// userName returns the name of somebody's User: readable, and no other's.
func userName(email string) string {
	sum := sha256.Sum256([]byte(email))
	readable := strings.Trim(notInNames.ReplaceAllString(email, "-"), "-")
	return strings.Trim(readable[:min(len(readable), 50)]+"-"+hex.EncodeToString(sum[:4]), "-")
}
