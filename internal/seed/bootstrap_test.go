// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestTokensOfAMachine(t *testing.T) {
	c := newClient(t)
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	now := clocktesting.NewFakePassiveClock(start)
	r := &BootstrapReconciler{Live: c, Clock: now}
	config := &v1alpha1.BootstrapConfig{}
	config.Namespace, config.Name = metav1.NamespaceDefault, "tokens-machine"

	first, err := r.token(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := r.token(t.Context(), config); err != nil || other == first {
		t.Errorf("a machine without user data gets the token %s again: %v", other, err)
	}
	create(t, c, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: config.Namespace, Name: config.Name},
		Data:       map[string][]byte{keyToken: []byte(first.String())},
	})
	if again, err := r.token(t.Context(), config); err != nil || again != first {
		t.Errorf("the machine has the token %s in its user data, and is to be known by %s: %v", first.id, again.id, err)
	}

	ensure := func() time.Time {
		t.Helper()
		expires, err := r.ensureToken(t.Context(), c, config.Name, first)
		if err != nil {
			t.Fatal(err)
		}
		return expires
	}
	expires := ensure()
	if want := start.Add(tokenTTL); !expires.Equal(want) {
		t.Errorf("the token expires at %s, want %s", expires, want)
	}
	now.SetTime(start.Add(time.Second))
	if again := ensure(); !again.Equal(expires) {
		t.Errorf("a second look makes it expire at %s instead of %s", again, expires)
	}
	// As long as the machine has not joined it may still be booting, however long nobody looked after its token.
	for _, at := range []time.Time{start.Add(tokenTTL - renewBefore), start.Add(time.Hour)} {
		now.SetTime(at)
		if renewed, want := ensure(), at.Add(tokenTTL); !renewed.Equal(want) {
			t.Errorf("at %s it is good until %s, want %s", at, renewed, want)
		}
	}
	if live, err := tokens(t.Context(), c, config.Name); err != nil || len(live) != 1 {
		t.Errorf("the machine has %d tokens: %v", len(live), err)
	}
	config.Status.TokenID = first.id
	if err := r.revoke(t.Context(), c, config); err != nil {
		t.Fatal(err)
	}
	left, err := tokens(t.Context(), c, config.Name)
	if err != nil || len(left) > 0 || config.Status.TokenID != "" {
		t.Errorf("%d tokens are left, the status names %q: %v", len(left), config.Status.TokenID, err)
	}
}
