// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"testing"
	"time"
)

// A year of days: there is always a key to sign with, which has been published for an hour, and every token that was signed can
// be verified until long after it has run out.
func TestKeysRotate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	own, err := newSecrets(now)
	if err != nil {
		t.Fatal(err)
	}
	keys, used := own.Keys, map[string]time.Time{}
	for range 365 * 8 {
		now = now.Add(3 * time.Hour)
		if keys, _, err = rotate(keys, now); err != nil {
			t.Fatal(err)
		}
		k, err := signing(keys, now)
		if err != nil {
			t.Fatal(err)
		}
		if now.Sub(k.Created) < keyLead {
			t.Fatalf("%s: signed with a key that was published %s ago", now, now.Sub(k.Created))
		}
		used[k.KeyID] = now
		published := map[string]bool{}
		for _, k := range keys {
			published[k.KeyID] = true
		}
		for id, last := range used {
			if now.Sub(last) < 2*accessLifetime && !published[id] {
				t.Fatalf("%s: a token of %s cannot be verified any more", now, last)
			}
		}
		if len(keys) > 3 {
			t.Fatalf("%s: %d keys", now, len(keys))
		}
	}
	if len(used) < 11 {
		t.Errorf("in a year %d keys were used", len(used))
	}
}

func TestLock(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 0, 4: 0, 5: 15 * time.Second, 6: 30 * time.Second, 10: 8 * time.Minute, 11: 15 * time.Minute, 1000: 15 * time.Minute} {
		if got := lock(failures); got != want {
			t.Errorf("after %d failures: locked for %s, want %s", failures, got, want)
		}
	}
}
