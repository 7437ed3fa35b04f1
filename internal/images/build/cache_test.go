// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCacheKeepsTheNewestVersionsOfALayer(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	digests := make(map[string]string)
	for i, key := range []string{"first", "second", "third"} {
		r, err := c.store("layer", key, func(w io.Writer) error { _, err := io.WriteString(w, key); return err })
		if err != nil {
			t.Fatal(err)
		}
		digests[key] = c.blob("layer", r.Digest)
		written := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(c.record("layer", key), written, written); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.prune("layer"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"first": false, "second": true, "third": true} {
		_, got, err := c.find("layer", key)
		if got != want || err != nil {
			t.Errorf("find %s = %v, %v, want %v", key, got, err, want)
		}
		if _, err := os.Stat(digests[key]); (err == nil) != want {
			t.Errorf("blob of %s: %v, want it there: %v", key, err, want)
		}
	}
}

func TestCacheStoresNothingOfAFailedBuild(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	failed := errors.New("failed")
	_, err := c.store("layer", "key", func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Fatalf("error = %v, want %v", err, failed)
	}
	if _, ok, err := c.find("layer", "key"); ok || err != nil {
		t.Errorf("find = %v, %v, want nothing", ok, err)
	}
	left, err := filepath.Glob(filepath.Join(c.dir, "layer", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	unlock, err := c.lock(t.Context(), "layer", func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.lock(ctx, "layer", cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("second lock: %v, want it to wait until its context ends", err)
	}
	leftover := filepath.Join(c.temporary("layer"), "of a killed build", "file")
	writeFiles(t, c.temporary("layer"), map[string]string{"of a killed build/file": ""})
	second, err := c.lock(t.Context(), "layer", unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v, want it deleted", leftover, err)
	}
}
