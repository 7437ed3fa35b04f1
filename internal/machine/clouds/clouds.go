// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package clouds is the list of all clouds that there are.
package clouds

import (
	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
	"canopy.dev/canopy/internal/machine/azure"
	"canopy.dev/canopy/internal/machine/digitalocean"
	"canopy.dev/canopy/internal/machine/gcp"
	"canopy.dev/canopy/internal/machine/hetzner"
	"canopy.dev/canopy/internal/machine/openstack"
	"canopy.dev/canopy/internal/machine/vsphere"
)

// All returns every cloud by the name of its blocks.
func All() map[v1alpha1.ProviderName]machine.Cloud {
	return map[v1alpha1.ProviderName]machine.Cloud{
		v1alpha1.ProviderAWS:          aws.New(),
		v1alpha1.ProviderAzure:        azure.New(azure.HTTP()),
		v1alpha1.ProviderDigitalOcean: digitalocean.New(),
		v1alpha1.ProviderGCP:          gcp.New(gcp.TokenDirectory),
		v1alpha1.ProviderHetzner:      hetzner.New(),
		v1alpha1.ProviderOpenStack:    openstack.New(),
		v1alpha1.ProviderVSphere:      vsphere.New(),
	}
}
