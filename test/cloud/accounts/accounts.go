// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package accounts is the list of all test clouds, each with what a cluster there needs.
package accounts

import (
	"net/http"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/test/cloud/aws"
	"canopy.dev/canopy/test/cloud/core"
	"canopy.dev/canopy/test/cloud/digitalocean"
	"canopy.dev/canopy/test/cloud/gcp"
	"canopy.dev/canopy/test/cloud/hetzner"
	"canopy.dev/canopy/test/cloud/openstack"
)

// Account is a test cloud with nothing in it.
type Account struct {
	*core.Cloud
	http.Handler

	// At returns the place, and what opens it, of a cloud that is served at the URL.
	At func(url string) (machine.Account, error)
	// Machine is a small one.
	Machine v1alpha1.Provider
}

// All returns an account at each of them.
func All() map[v1alpha1.ProviderName]Account {
	amazon, ocean, google, german, stack := aws.New(), digitalocean.New(), gcp.New(), hetzner.New(), openstack.New()
	return map[v1alpha1.ProviderName]Account{
		v1alpha1.ProviderAWS: {
			Cloud: amazon.Cloud, Handler: amazon,
			At: at(func(url string) v1alpha1.Place {
				return v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: aws.GivenHome, Endpoint: url}}
			}, "accessKeyID", aws.AccessKeyID, "secretAccessKey", aws.SecretAccessKey),
			Machine: v1alpha1.Provider{AWS: &v1alpha1.AWSMachine{InstanceType: "t3.medium", DiskGiB: 50, DiskType: "gp3"}},
		},
		v1alpha1.ProviderDigitalOcean: {
			Cloud: ocean.Cloud, Handler: ocean,
			At: at(func(url string) v1alpha1.Place {
				return v1alpha1.Place{DigitalOcean: &v1alpha1.DigitalOceanPlace{Region: "nyc1", Endpoint: url}}
			}, "token", digitalocean.Token),
			Machine: v1alpha1.Provider{DigitalOcean: &v1alpha1.DigitalOceanMachine{Size: "s-2vcpu-4gb"}},
		},
		v1alpha1.ProviderGCP: {
			Cloud: google.Cloud, Handler: google,
			At: func(url string) (machine.Account, error) {
				credentials, err := google.Credentials(url)
				return machine.Account{Place: v1alpha1.Place{GCP: &v1alpha1.GCPPlace{Region: "us-east1", Endpoint: url}}, Credentials: credentials}, err
			},
			Machine: v1alpha1.Provider{GCP: &v1alpha1.GCPMachine{MachineType: "e2-standard-2", DiskGiB: 50, DiskType: "pd-balanced"}},
		},
		v1alpha1.ProviderHetzner: {
			Cloud: german.Cloud, Handler: german,
			At: at(func(url string) v1alpha1.Place {
				return v1alpha1.Place{Hetzner: &v1alpha1.HetznerPlace{Location: "fsn1", Endpoint: url + "/v1"}}
			}, "token", hetzner.Token),
			Machine: v1alpha1.Provider{Hetzner: &v1alpha1.HetznerMachine{ServerType: "cx23"}},
		},
		v1alpha1.ProviderOpenStack: {
			Cloud: stack.Cloud, Handler: stack,
			At: at(func(url string) v1alpha1.Place {
				return v1alpha1.Place{OpenStack: &v1alpha1.OpenStackPlace{AuthURL: url + "/identity/v3", Region: openstack.Region}}
			}, "applicationCredentialID", openstack.CredentialID, "applicationCredentialSecret", openstack.CredentialSecret),
			Machine: v1alpha1.Provider{OpenStack: &v1alpha1.OpenStackMachine{Flavor: "m1.medium"}},
		},
	}
}

// at is for credentials that are the same wherever the cloud is served: keys, each before its value.
func at(place func(url string) v1alpha1.Place, credentials ...string) func(url string) (machine.Account, error) {
	return func(url string) (machine.Account, error) {
		a := machine.Account{Place: place(url), Credentials: map[string][]byte{}}
		for i := 0; i+1 < len(credentials); i += 2 {
			a.Credentials[credentials[i]] = []byte(credentials[i+1])
		}
		return a, nil
	}
}
