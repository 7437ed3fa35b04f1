// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestTokensOfAMachine(t *testing.T) {
	c := newClient(t)
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	now := clocktesting.NewFakePassiveClock(start)
	r := &BootstrapReconciler{Clock: now}
	ensure := func() token {
		t.Helper()
		got, err := r.ensureToken(t.Context(), c, "tokens-machine")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := ensure()
	if want := start.Add(tokenTTL); !first.expires.Equal(want) {
		t.Errorf("the token expires at %s, want %s", first.expires, want)
	}
	if again := ensure(); again != first {
		t.Errorf("a second look makes another token: %s instead of %s", again.id, first.id)
	}
	now.SetTime(start.Add(tokenTTL - renewBefore))
	renewed := ensure()
	if renewed.id != first.id || renewed.secret != first.secret || !renewed.expires.After(first.expires) {
		t.Error("a token in use is not renewed, but replaced or left to expire: a machine that boots just now could not join")
	}
	now.SetTime(renewed.expires.Add(time.Second))
	replaced := ensure()
	if replaced.id == first.id {
		t.Error("a token that has expired is used again")
	}
	if other, err := r.ensureToken(t.Context(), c, "tokens-other"); err != nil || other.id == replaced.id {
		t.Errorf("another machine has the token %s, too: %v", other.id, err)
	}
	config := &v1alpha1.BootstrapConfig{}
	config.Name, config.Status.TokenID = "tokens-machine", replaced.id
	if err := r.revoke(t.Context(), c, config); err != nil {
		t.Fatal(err)
	}
	left, err := tokens(t.Context(), c, "tokens-machine")
	if err != nil || len(left) > 0 || config.Status.TokenID != "" {
		t.Errorf("%d tokens are left, the status names %q: %v", len(left), config.Status.TokenID, err)
	}
	if others, err := tokens(t.Context(), c, "tokens-other"); err != nil || len(others) != 1 {
		t.Errorf("another machine has %d tokens: %v", len(others), err)
	}
}
