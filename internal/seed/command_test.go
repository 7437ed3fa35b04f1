// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"strings"
	"testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

func TestExposureOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		mod  func(*controlplane.Exposure)
		want string // empty: they are fine
	}{
		"node ports only":             {func(x *controlplane.Exposure) { x.Domain = "" }, ""},
		"a gateway in the DNS":        {func(x *controlplane.Exposure) { x.Strategy = v1alpha1.ExposeGateway }, ""},
		"a gateway without DNS":       {func(x *controlplane.Exposure) { x.GatewayAddress = "192.0.2.8" }, ""},
		"no address":                  {func(x *controlplane.Exposure) { x.Address = "" }, "--address"},
		"a strategy that is none":     {func(x *controlplane.Exposure) { x.Strategy = "Magic" }, "want NodePort, LoadBalancer or Gateway"},
		"no gateway, yet the default": {func(x *controlplane.Exposure) { x.Domain, x.Strategy = "", v1alpha1.ExposeGateway }, "--gateway-domain is empty"},
		"a domain that is a URL":      {func(x *controlplane.Exposure) { x.Domain = "https://a" }, "want a DNS domain"},
		"an address that is a name":   {func(x *controlplane.Exposure) { x.GatewayAddress = "a.test" }, "want an IP address"},
	} {
		t.Run(name, func(t *testing.T) {
			x := controlplane.Exposure{Strategy: v1alpha1.ExposeNodePort, Address: "192.0.2.1", Domain: "seed.example.test", GatewayPort: 443}
			tc.mod(&x)
			err := validateExposureOptions(x)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
