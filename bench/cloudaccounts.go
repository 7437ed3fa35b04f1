// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http/httptest"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine/clouds"
	"canopy.dev/canopy/test/cloud/accounts"
)

// benchedClouds are those whose test clouds are measured.
var benchedClouds = []v1alpha1.ProviderName{
	v1alpha1.ProviderAWS, v1alpha1.ProviderDigitalOcean, v1alpha1.ProviderGCP, v1alpha1.ProviderHetzner,
}

// benchAccounts serves the test clouds on the loopback, until stop.
func benchAccounts() (opened map[v1alpha1.ProviderName]*benchAccount, stop func(), err error) {
	var servers []*httptest.Server
	stop = func() {
		for _, server := range servers {
			server.Close()
		}
	}
	opened = map[v1alpha1.ProviderName]*benchAccount{}
	tests, real := accounts.All(), clouds.All()
	for _, name := range benchedClouds {
		test := tests[name]
		server := httptest.NewServer(test)
		servers = append(servers, server)
		account, err := test.At(server.URL)
		if err != nil {
			stop()
			return nil, nil, err
		}
		test.Looks = cloudLooks
		opened[name] = &benchAccount{test: test.Cloud, cloud: real[name], account: account, provider: test.Machine}
	}
	return opened, stop, nil
}
