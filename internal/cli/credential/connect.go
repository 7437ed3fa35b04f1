// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"io"
	"net/http"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/config"
)

// Connection is how an installation is called.
type Connection struct {
	// Client says who asks: by the token that the environment names, or by what a login has left.
	Client *api.Client
	// Anonymous does not say who asks.
	Anonymous *api.Client
	Store     *Store
	// Token returns what Client sends.
	Token func(context.Context) (string, error)
}

// Connect prepares calls to an installation, under the name of a program. The token of current may still be set when requests are
// made. They are written to trace, without tokens, if it is not nil. Connect calls nobody.
func Connect(current *config.Current, userAgent string, trace io.Writer) (*Connection, error) {
	options := api.Options{Context: current.Context, UserAgent: userAgent, Trace: trace}
	plain, err := api.NewHTTP(options)
	if err != nil {
		return nil, err
	}
	store := &Store{Context: current.Name, HTTP: func(issuer Issuer) (*http.Client, error) {
		own := options
		own.Authority = issuer.CertificateAuthority
		return api.NewHTTP(own)
	}}
	known := options
	known.Token = func(ctx context.Context) (string, error) {
		if current.Token != "" {
			return current.Token, nil
		}
		c, err := store.Token(ctx)
		if err != nil {
			return "", err
		}
		return c.Token, nil
	}
	client, err := api.NewHTTP(known)
	if err != nil {
		return nil, err
	}
	return &Connection{
		Client: &api.Client{Server: current.Server, HTTP: client}, Anonymous: &api.Client{Server: current.Server, HTTP: plain}, Store: store, Token: known.Token,
	}, nil
}
