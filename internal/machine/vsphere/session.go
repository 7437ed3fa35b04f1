// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"sync"
	"time"

	sessions "github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Keys of the Secret with the credentials. The authority, in PEM, is for a vCenter whose certificate the system's own do not
// vouch for.
const (
	keyUsername  = "username"
	keyPassword  = "password"
	keyAuthority = "ca.crt"
)

// callTimeout is for one call. None of them waits for anything.
const callTimeout = time.Minute

// lookupAge is how long a name is taken to mean what it meant. A template that is replaced by another of the same name is
// noticed after it.
const lookupAge = 10 * time.Minute

// session is one at a vCenter, of one user, for one place. vCenter ends it when it is not used for half an hour.
type session struct {
	place  *v1alpha1.VSpherePlace
	client *vim25.Client
	user   string

	lookups *machine.Lookups
}

// slot is where the session of an account is; none: it is not open.
type slot struct {
	mu      sync.Mutex
	session *session
}

// do calls with a session. A session that has ended is replaced, and so is what was looked up if it is gone; the call is then
// made once more.
func (c *Cloud) do(ctx context.Context, a machine.Account, call func(*session) error) error {
	at, err := c.slot(a)
	if err != nil {
		return err
	}
	s, err := at.open(ctx, a)
	if err != nil {
		return err
	}
	err = call(s)
	switch {
	case is[*vim.NotAuthenticated](err):
		at.close(s)
		if s, err = at.open(ctx, a); err != nil {
			return err
		}
		err = call(s)
	case is[*vim.ManagedObjectNotFound](err):
		s.lookups.Forget()
		err = call(s)
	}
	return s.refused(err)
}

func (c *Cloud) slot(a machine.Account) (*slot, error) {
	c.mu.Lock() // so that there is one
	defer c.mu.Unlock()
	return c.sessions.Get(a, func() (*slot, error) { return &slot{}, nil })
}

// open returns the session, which is opened unless it is. All that wait for that want the same one.
func (l *slot) open(ctx context.Context, a machine.Account) (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		return l.session, nil
	}
	s, err := open(ctx, a)
	if err == nil {
		l.session = s
	}
	return s, err
}

// close forgets a session that has ended.
func (l *slot) close(ended *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == ended {
		l.session = nil
	}
}

func open(ctx context.Context, a machine.Account) (*session, error) {
	s := &session{place: a.Place.VSphere, lookups: machine.NewLookups(lookupAge)}
	if s.place == nil {
		return nil, refusal(v1alpha1.ReasonConfiguration, "the place is not one of vSphere")
	}
	user, password := a.Credentials[keyUsername], a.Credentials[keyPassword]
	if len(user) == 0 || len(password) == 0 {
		return nil, refusal(v1alpha1.ReasonUnauthenticated, "the credentials lack the key %s or %s: put both into the Secret", keyUsername, keyPassword)
	}
	endpoint, err := soap.ParseURL(s.place.Endpoint)
	if err != nil {
		return nil, refusal(v1alpha1.ReasonConfiguration, "the endpoint %q of vCenter is not a URL", s.place.Endpoint)
	}
	client := soap.NewClient(endpoint, s.place.InsecureSkipTLSVerify)
	client.Timeout = callTimeout
	if authority := a.Credentials[keyAuthority]; len(authority) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			return nil, refusal(v1alpha1.ReasonConfiguration, "the key %s of the credentials has no certificate in PEM", keyAuthority)
		}
		client.DefaultTransport().TLSClientConfig.RootCAs = roots
	}
	if s.client, err = vim25.NewClient(ctx, client); err != nil {
		return nil, s.refused(fmt.Errorf("connecting: %w", err))
	}
	manager := sessions.NewManager(s.client)
	if err := manager.Login(ctx, url.UserPassword(string(user), string(password))); err != nil {
		return nil, s.refused(fmt.Errorf("logging in as %s: %w", user, err))
	}
	s.user = string(user)
	if opened, err := manager.UserSession(ctx); err == nil && opened != nil {
		s.user = opened.UserName
	}
	return s, nil
}
