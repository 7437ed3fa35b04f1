// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"

	"k8s.io/apimachinery/pkg/api/resource"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// cloud is a provider that makes nothing. It offers the same everywhere, to whoever has the key "good".
type cloud struct{ machine.Cloud }

// clouds are those of the platform.
func clouds() map[hostingv1alpha1.ProviderName]machine.Cloud {
	return map[hostingv1alpha1.ProviderName]machine.Cloud{hostingv1alpha1.ProviderHetzner: cloud{}}
}

// Verify refuses every other key.
func (cloud) Verify(_ context.Context, a machine.Account) error {
	if string(a.Credentials["key"]) != "good" {
		return &machine.RefusedError{Reason: hostingv1alpha1.ReasonUnauthorized, Message: "POST /firewalls: this key may not create firewalls"}
	}
	return nil
}

// Offers returns two sizes, two locations and an image.
func (c cloud) Offers(ctx context.Context, a machine.Account) (machine.Offers, error) {
	if err := c.Verify(ctx, a); err != nil {
		return machine.Offers{}, err
	}
	return machine.Offers{
		Places: []machine.Offer{{Name: "fsn1", Description: "Falkenstein"}, {Name: "hel1", Description: "Helsinki"}},
		Sizes: []machine.Size{
			{Offer: machine.Offer{Name: "cx23"}, CPUs: 2, Memory: resource.MustParse("4Gi"), Disk: resource.MustParse("40Gi"), PricePerHour: "0.006", Currency: "EUR"},
			{Offer: machine.Offer{Name: "cx33"}, CPUs: 4, Memory: resource.MustParse("8Gi"), Disk: resource.MustParse("80Gi")},
		},
		Images: []machine.Offer{{Name: "debian-13"}},
	}, nil
}
