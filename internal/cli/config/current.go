// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ErrNoContext says that nothing names an installation.
var ErrNoContext = errors.New("no installation of Canopy is chosen")

// UnknownContextError says that a context was named that there is not.
type UnknownContextError struct {
	Name  string
	Known []string
}

func (e *UnknownContextError) Error() string {
	known := "there is none yet"
	if len(e.Known) > 0 {
		known = "there are " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("there is no context %q; %s", e.Name, known)
}

// Current is the installation that a command is for, and where in it.
type Current struct {
	Context

	// Token is what the environment says to log in with; none: what "canopy login" left.
	Token string
}

// Overrides are what a command's flags say; empty means nothing.
type Overrides struct{ Context, Project, Cluster string }

// Resolve decides which installation a command is for: by its flags, the environment, the shell's target and the file, in this
// order.
func Resolve(o Overrides) (Current, error) {
	file, err := Load()
	if err != nil {
		return Current{}, err
	}
	session, err := loadSession()
	if err != nil {
		return Current{}, err
	}
	current := Current{Token: os.Getenv(EnvToken)}
	name := cmp.Or(o.Context, os.Getenv(EnvContext))
	server := os.Getenv(EnvServer)
	switch {
	case name == "" && server != "":
		current.Context = Context{Name: "environment", Server: strings.TrimRight(server, "/")}
		if there := file.FindServer(current.Server); there != nil {
			current.Context = *there
		}
	default:
		name = cmp.Or(name, session.Context, file.CurrentContext)
		if name == "" {
			return Current{}, ErrNoContext
		}
		there := file.Find(name)
		if there == nil {
			return Current{}, &UnknownContextError{Name: name, Known: file.names()}
		}
		current.Context = *there
	}
	if path := os.Getenv(EnvCAFile); path != "" {
		if current.CertificateAuthorityData, err = os.ReadFile(path); err != nil {
			return Current{}, fmt.Errorf("reading $%s: %w", EnvCAFile, err)
		}
	}
	current.Target = chooseTarget(o, session, current.Context)
	return current, nil
}

// chooseTarget takes project and cluster from whoever says one first. A cluster is in its project: whoever says another project
// has not said a cluster.
func chooseTarget(o Overrides, session Session, x Context) Target {
	target := x.Target
	if session.Target != (Target{}) && (session.Context == "" || session.Context == x.Name) {
		target = session.Target
	}
	if project := cmp.Or(o.Project, os.Getenv(EnvProject)); project != "" && project != target.Project {
		target = Target{Project: project}
	}
	target.Cluster = cmp.Or(o.Cluster, target.Cluster)
	return target
}

func (c *Config) names() []string {
	var names []string
	for _, x := range c.Contexts {
		names = append(names, x.Name)
	}
	return names
}

// Session is what one shell has chosen for itself.
type Session struct {
	Context string `json:"context,omitempty"`
	Target  `json:",inline"`
}

var sessionID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// sessionPath returns where the shell's choice is, and "" for a shell that has no session.
func sessionPath() (string, error) {
	id := os.Getenv(EnvSession)
	if id == "" {
		return "", nil
	}
	if !sessionID.MatchString(id) || strings.Trim(id, ".") == "" {
		return "", fmt.Errorf("$%s must be letters, digits, '.', '_' and '-', 128 at most", EnvSession)
	}
	dir, err := xdg("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "sessions", id+".yaml"), nil
}

func loadSession() (Session, error) {
	var session Session
	path, err := sessionPath()
	if err != nil || path == "" {
		return session, err
	}
	return session, readYAML(path, &session)
}

// SetTarget remembers where in the context somebody works: for the shell if it has a session, or else for all. It says which
// of the two.
func SetTarget(ctx context.Context, contextName string, target Target) (forShell bool, err error) {
	path, err := sessionPath()
	if err != nil {
		return false, err
	}
	if path != "" {
		return true, writeYAML(path, Session{Context: contextName, Target: target})
	}
	return false, Update(ctx, func(c *Config) error {
		there := c.Find(contextName)
		if there == nil {
			return &UnknownContextError{Name: contextName, Known: c.names()}
		}
		there.Target = target
		return nil
	})
}

// UnsetTarget forgets what SetTarget remembered, of the shell's if it has a session.
func UnsetTarget(ctx context.Context, contextName string) error {
	path, err := sessionPath()
	if err != nil {
		return err
	}
	if path == "" {
		_, err := SetTarget(ctx, contextName, Target{})
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ParseURL reads a page's address, such as https://canopy.example.com/projects/payments/clusters/prod, as a target.
func ParseURL(address string) (server string, target Target, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", Target{}, err
	}
	if u.Scheme != "https" || u.Host == "" {
		return "", Target{}, fmt.Errorf("%q is not the address of a page: it has to start with https://", address)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	for i := 0; i+1 < len(parts); i++ {
		switch parts[i] {
		case "projects":
			target.Project = parts[i+1]
		case "clusters":
			target.Cluster = parts[i+1]
		}
	}
	return u.Scheme + "://" + u.Host, target, nil
}
