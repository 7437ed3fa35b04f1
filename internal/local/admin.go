// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/issuer"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/secretstore"
)

// AdminEmail is whom the first administrator logs in as.
const AdminEmail = "admin@" + gatewayDomain

// APIURL is where the platform's API is, with settings.
func (s Settings) APIURL() string { return fmt.Sprintf("https://%s:%d", s.NodeAddress(), APIPort) }

// makeAdmin makes the first administrator of a platform whose issuer has no users yet, and has the password shown. It is
// kept nowhere: who does not see it resets it.
func (u *up) makeAdmin(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	users := issuer.Users{Store: &secretstore.Store{Client: c, Live: c, Now: time.Now}}
	list, err := users.List(ctx)
	if err != nil || len(list) > 0 {
		return err
	}
	user := &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "admin"}, Spec: v1alpha1.UserSpec{Email: AdminEmail, Admin: true}}
	if err := kube.CreateNew(ctx, c, user); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	password, err := users.Add(ctx, AdminEmail, nil)
	if err != nil {
		return err
	}
	if u.FirstAdmin != nil {
		u.FirstAdmin(AdminEmail, password)
	}
	return nil
}
