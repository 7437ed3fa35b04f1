// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package config is what the canopy command remembers between runs: installations that a person uses, and where in them the
// person works. It runs on people's machines, and reads and writes files below $XDG_CONFIG_HOME/canopy and
// $XDG_STATE_HOME/canopy, and environment variables that start with CANOPY_.
package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"sigs.k8s.io/yaml"
)

// Environment variables that come before what is in files.
const (
	EnvContext = "CANOPY_CONTEXT"
	EnvServer  = "CANOPY_SERVER"
	EnvCAFile  = "CANOPY_CA_FILE"
	EnvToken   = "CANOPY_TOKEN"
	EnvProject = "CANOPY_PROJECT"
	// EnvSession identifies a shell: with it, "canopy target" is for that shell alone.
	EnvSession = "CANOPY_SESSION_ID"
)

// lockTimeout bounds how long one canopy command waits for another that writes.
const lockTimeout = 10 * time.Second

// Context is one installation of Canopy, as one person uses it.
type Context struct {
	// Name is how the person calls it.
	Name string `json:"name"`
	// Server is the URL of the API, without a path.
	Server string `json:"server"`
	// CertificateAuthorityData are certificates in PEM that the server's may be signed by, besides the machine's own.
	CertificateAuthorityData []byte `json:"certificateAuthorityData,omitempty"`
	// Issuer is the name of the login that was used last, among those that the installation has.
	Issuer string `json:"issuer,omitempty"`
	// Target is where the person works.
	Target `json:",inline"`
}

// Target is where in an installation somebody works.
type Target struct {
	Project string `json:"project,omitempty"`
	Cluster string `json:"cluster,omitempty"`
}

// Config is the content of the file.
type Config struct {
	CurrentContext string    `json:"currentContext,omitempty"`
	Contexts       []Context `json:"contexts"`
}

// Find returns the context of the name, or nil.
func (c *Config) Find(name string) *Context {
	i := slices.IndexFunc(c.Contexts, func(x Context) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Contexts[i]
}

// FindServer returns a context for the API with the URL, or nil.
func (c *Config) FindServer(server string) *Context {
	i := slices.IndexFunc(c.Contexts, func(x Context) bool { return x.Server == server })
	if i < 0 {
		return nil
	}
	return &c.Contexts[i]
}

// Put adds a context, or replaces the one that has its name.
func (c *Config) Put(x Context) {
	if there := c.Find(x.Name); there != nil {
		*there = x
		return
	}
	c.Contexts = append(c.Contexts, x)
}

// Remove takes a context away and says whether it was there.
func (c *Config) Remove(name string) bool {
	before := len(c.Contexts)
	c.Contexts = slices.DeleteFunc(c.Contexts, func(x Context) bool { return x.Name == name })
	if c.CurrentContext == name {
		c.CurrentContext = ""
	}
	return len(c.Contexts) < before
}

// Path is where the file is.
func Path() (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "config.yaml"), nil
}

// Dir is the folder of the file, which nobody else may read.
func Dir() (string, error) { return xdg("XDG_CONFIG_HOME", ".config") }

func xdg(variable, below string) (string, error) {
	base := os.Getenv(variable)
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("looking for where to keep the configuration: %w", err)
		}
		base = filepath.Join(home, below)
	}
	return filepath.Join(base, "canopy"), nil
}

// Load reads the file. That there is none is no error.
func Load() (*Config, error) {
	path, err := Path()
	if err != nil {
		return nil, err
	}
	config := &Config{}
	return config, readYAML(path, config)
}

// Update changes the file while no other command does.
func Update(ctx context.Context, change func(*Config) error) error {
	path, err := Path()
	if err != nil {
		return err
	}
	return Locked(ctx, path, func() error {
		config := &Config{}
		if err := readYAML(path, config); err != nil {
			return err
		}
		if err := change(config); err != nil {
			return err
		}
		return writeYAML(path, config)
	})
}

// Locked runs do while no other command has the lock of the file, and makes the file's folder.
func Locked(ctx context.Context, path string, do func() error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for another canopy command that writes %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return do()
}

func readYAML(path string, into any) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(content, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func writeYAML(path string, from any) error {
	content, err := yaml.Marshal(from)
	if err != nil {
		return err
	}
	return WriteFile(path, content)
}

// WriteFile replaces a file, which nobody else may read, as a whole: whoever reads it sees the old content or the new one.
func WriteFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // once it has the other name, it is not there
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
