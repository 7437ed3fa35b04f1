// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// home gives the test a home of its own, with two platforms.
func home(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	for _, name := range []string{EnvContext, EnvServer, EnvCAFile, EnvToken, EnvProject, EnvSession} {
		t.Setenv(name, "")
	}
	err := Update(t.Context(), func(c *Config) error {
		c.Put(Context{Name: "prod", Server: "https://prod", Target: Target{Project: "shop", Cluster: "eu"}})
		c.Put(Context{Name: "test", Server: "https://test"})
		c.CurrentContext = "prod"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		env  map[string]string
		over Overrides
		want Current
	}{
		"what is chosen":       {want: Current{Context: Context{Name: "prod", Server: "https://prod", Target: Target{Project: "shop", Cluster: "eu"}}}},
		"a flag comes first":   {env: map[string]string{EnvContext: "prod"}, over: Overrides{Context: "test"}, want: Current{Context: Context{Name: "test", Server: "https://test"}}},
		"then the environment": {env: map[string]string{EnvContext: "test"}, want: Current{Context: Context{Name: "test", Server: "https://test"}}},
		"another project, so no cluster of it": {
			over: Overrides{Project: "web"}, want: Current{Context: Context{Name: "prod", Server: "https://prod", Target: Target{Project: "web"}}},
		},
		"the same project": {
			env: map[string]string{EnvProject: "shop"}, want: Current{Context: Context{Name: "prod", Server: "https://prod", Target: Target{Project: "shop", Cluster: "eu"}}},
		},
		"a machine without files": {
			env:  map[string]string{EnvServer: "https://other/", EnvToken: "secret", EnvProject: "web"},
			want: Current{Context: Context{Name: "environment", Server: "https://other", Target: Target{Project: "web"}}, Token: "secret"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			home(t)
			for key, value := range tc.env {
				t.Setenv(key, value)
			}
			got, err := Resolve(tc.over)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAShellHasATargetOfItsOwn(t *testing.T) {
	home(t)
	t.Setenv(EnvSession, "shell-1")
	forShell, err := SetTarget(t.Context(), "test", Target{Project: "web"})
	if err != nil || !forShell {
		t.Fatal(forShell, err)
	}
	if got, err := Resolve(Overrides{}); err != nil || got.Name != "test" || got.Project != "web" {
		t.Errorf("in the shell: %+v, %v", got, err)
	}
	t.Setenv(EnvSession, "shell-2")
	if got, err := Resolve(Overrides{}); err != nil || got.Name != "prod" || got.Project != "shop" {
		t.Errorf("in another one: %+v, %v", got, err)
	}
	t.Setenv(EnvSession, "shell-1")
	if err := UnsetTarget(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if got, err := Resolve(Overrides{}); err != nil || got.Name != "prod" {
		t.Errorf("after it was unset: %+v, %v", got, err)
	}
	t.Setenv(EnvSession, "../escape")
	if _, err := Resolve(Overrides{}); err == nil {
		t.Error("a session may be any file")
	}
}

func TestUnknownContext(t *testing.T) {
	home(t)
	var unknown *UnknownContextError
	if _, err := Resolve(Overrides{Context: "nowhere"}); !errors.As(err, &unknown) || len(unknown.Known) != 2 {
		t.Errorf("error = %v", err)
	}
	if err := Update(t.Context(), func(c *Config) error { c.Remove("prod"); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(Overrides{}); !errors.Is(err, ErrNoContext) {
		t.Errorf("error = %v", err)
	}
}

func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	home(t)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := Update(t.Context(), func(c *Config) error { c.Put(Context{Name: fmt.Sprint(i), Server: "https://x"}); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c, err := Load()
	if err != nil || len(c.Contexts) != 22 {
		t.Errorf("%d contexts, want 22: %v", len(c.Contexts), err)
	}
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("anybody may read %s: %v %v", path, info.Mode(), err)
	}
}

func TestParseURL(t *testing.T) {
	server, target, err := ParseURL("https://canopy.example.com/projects/shop/clusters/eu/nodes?tab=1")
	if err != nil || server != "https://canopy.example.com" || target != (Target{Project: "shop", Cluster: "eu"}) {
		t.Errorf("%s %+v %v", server, target, err)
	}
	if _, _, err := ParseURL("http://canopy.example.com/projects/shop"); err == nil {
		t.Error("an address without TLS is taken")
	}
}
