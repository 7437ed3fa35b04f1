// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Keys of a Preset's Secret: an application credential, or a user with a project. The authority, in PEM, is for a Keystone whose
// certificate the system's own do not vouch for.
const (
	keyCredentialID     = "applicationCredentialID"
	keyCredentialSecret = "applicationCredentialSecret"
	keyUsername         = "username"
	keyPassword         = "password"
	keyDomain           = "domain"
	keyProject          = "project"
	keyAuthority        = "ca.crt"
)

const (
	// callTimeout is for one call.
	callTimeout = 30 * time.Second
	// microversion of Nova, of 2017, is the first in which a server has its tags while it is made.
	microversion = "2.52"
	// knownAge is how long names of images and flavors are taken to mean what they meant.
	knownAge = 10 * time.Minute
)

// account is a project at a region.
type account struct {
	place                   *v1alpha1.OpenStackPlace
	provider                *gophercloud.ProviderClient
	compute, network, image *gophercloud.ServiceClient

	known *machine.Lookups
}

// do calls with the clients of an account, and classifies the error.
func (c *Cloud) do(ctx context.Context, a machine.Account, call func(*account) error) error {
	opened, err := c.account(ctx, a)
	if err == nil {
		err = call(opened)
	}
	return refused(a.Place.OpenStack, err)
}

// account returns the clients for credentials at a place. They are kept with their token, and get another one when it ends.
func (c *Cloud) account(ctx context.Context, a machine.Account) (*account, error) {
	if a.Place.OpenStack == nil {
		return nil, refusal(v1alpha1.ReasonConfiguration, "the place is not one of OpenStack")
	}
	return c.accounts.Get(a, func() (*account, error) { return open(ctx, a) })
}

func open(ctx context.Context, a machine.Account) (*account, error) {
	options, err := authOptions(a)
	if err != nil {
		return nil, err
	}
	opened := &account{place: a.Place.OpenStack, known: machine.NewLookups(knownAge)}
	if opened.provider, err = sdk.NewClient(options.IdentityEndpoint); err != nil {
		return nil, refusal(v1alpha1.ReasonConfiguration, "the authURL %q is not a URL", options.IdentityEndpoint)
	}
	if opened.provider.HTTPClient, err = httpClient(a.Credentials[keyAuthority]); err != nil {
		return nil, err
	}
	if err := sdk.Authenticate(ctx, opened.provider, options); err != nil {
		return nil, fmt.Errorf("logging in at Keystone: %w", err)
	}
	region := gophercloud.EndpointOpts{Region: a.Place.OpenStack.Region}
	if opened.compute, err = sdk.NewComputeV2(opened.provider, region); err != nil {
		return nil, fmt.Errorf("finding Nova: %w", err)
	}
	opened.compute.Microversion = microversion
	if opened.network, err = sdk.NewNetworkV2(opened.provider, region); err != nil {
		return nil, fmt.Errorf("finding Neutron: %w", err)
	}
	if opened.image, err = sdk.NewImageV2(opened.provider, region); err != nil {
		return nil, fmt.Errorf("finding Glance: %w", err)
	}
	return opened, nil
}

func authOptions(a machine.Account) (gophercloud.AuthOptions, error) {
	value := func(key string) string { return string(a.Credentials[key]) }
	options := gophercloud.AuthOptions{IdentityEndpoint: a.Place.OpenStack.AuthURL, AllowReauth: true}
	switch {
	case value(keyCredentialID) != "" && value(keyCredentialSecret) != "":
		options.ApplicationCredentialID, options.ApplicationCredentialSecret = value(keyCredentialID), value(keyCredentialSecret)
	case value(keyUsername) != "" && value(keyPassword) != "" && value(keyDomain) != "" && value(keyProject) != "":
		options.Username, options.Password = value(keyUsername), value(keyPassword)
		options.DomainName, options.TenantName = value(keyDomain), value(keyProject)
	default:
		return options, refusal(v1alpha1.ReasonUnauthenticated, "the Preset's Secret needs %s and %s, or %s, %s, %s and %s",
			keyCredentialID, keyCredentialSecret, keyUsername, keyPassword, keyDomain, keyProject)
	}
	return options, nil
}

func httpClient(authority []byte) (http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(authority) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			return http.Client{}, refusal(v1alpha1.ReasonConfiguration, "the key %s of the Preset's Secret has no certificate in PEM", keyAuthority)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return http.Client{Transport: transport, Timeout: callTimeout}, nil
}

// token returns what Keystone said when it gave the account its token.
func (a *account) token() (tokens.CreateResult, bool) {
	result, ok := a.provider.GetAuthResult().(tokens.CreateResult)
	return result, ok
}
