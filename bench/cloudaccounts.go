// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
	"canopy.dev/canopy/internal/machine/digitalocean"
	"canopy.dev/canopy/internal/machine/gcp"
	"canopy.dev/canopy/internal/machine/hetzner"
	testaws "canopy.dev/canopy/test/cloud/aws"
	testdigitalocean "canopy.dev/canopy/test/cloud/digitalocean"
	testgcp "canopy.dev/canopy/test/cloud/gcp"
	testhetzner "canopy.dev/canopy/test/cloud/hetzner"
)

// benchAccounts serves the test clouds on the loopback, until stop.
func benchAccounts() (accounts map[v1alpha1.ProviderName]*benchAccount, stop func(), err error) {
	var servers []*httptest.Server
	serve := func(handler http.Handler) string {
		server := httptest.NewServer(handler)
		servers = append(servers, server)
		return server.URL
	}
	stop = func() {
		for _, server := range servers {
			server.Close()
		}
	}
	token := func(key, token string) map[string][]byte { return map[string][]byte{key: []byte(token)} }

	amazon, ocean, hz, google := testaws.New(), testdigitalocean.New(), testhetzner.New(), testgcp.New()
	googleURL := serve(google)
	googleKey, err := google.Credentials(googleURL)
	if err != nil {
		stop()
		return nil, nil, err
	}
	accounts = map[v1alpha1.ProviderName]*benchAccount{
		v1alpha1.ProviderAWS: {
			test: amazon.Cloud, cloud: aws.New(),
			account: machine.Account{
				Place: v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: "us-east-2", Endpoint: serve(amazon)}},
				Credentials: map[string][]byte{
					aws.KeyAccessKeyID: []byte(testaws.AccessKeyID), aws.KeySecretAccessKey: []byte(testaws.SecretAccessKey),
				},
			},
			provider: v1alpha1.Provider{AWS: &v1alpha1.AWSMachine{InstanceType: "t3.medium", DiskGiB: 50, DiskType: "gp3"}},
		},
		v1alpha1.ProviderDigitalOcean: {
			test: ocean.Cloud, cloud: digitalocean.New(),
			account: machine.Account{
				Place:       v1alpha1.Place{DigitalOcean: &v1alpha1.DigitalOceanPlace{Region: "nyc1", Endpoint: serve(ocean)}},
				Credentials: token(digitalocean.TokenKey, testdigitalocean.Token),
			},
			provider: v1alpha1.Provider{DigitalOcean: &v1alpha1.DigitalOceanMachine{Size: "s-2vcpu-4gb"}},
		},
		v1alpha1.ProviderGCP: {
			test: google.Cloud, cloud: gcp.New(gcp.TokenDirectory),
			account: machine.Account{
				Place:       v1alpha1.Place{GCP: &v1alpha1.GCPPlace{Region: "us-east1", Endpoint: googleURL}},
				Credentials: googleKey,
			},
			provider: v1alpha1.Provider{GCP: &v1alpha1.GCPMachine{MachineType: "e2-standard-2"}},
		},
		v1alpha1.ProviderHetzner: {
			test: hz.Cloud, cloud: hetzner.New(),
			account: machine.Account{
				Place:       v1alpha1.Place{Hetzner: &v1alpha1.HetznerPlace{Location: "fsn1", Endpoint: serve(hz) + "/v1"}},
				Credentials: token(hetzner.TokenKey, testhetzner.Token),
			},
			provider: v1alpha1.Provider{Hetzner: &v1alpha1.HetznerMachine{ServerType: "cx23"}},
		},
	}
	for _, a := range accounts {
		a.test.Looks = cloudLooks
	}
	return accounts, stop, nil
}
