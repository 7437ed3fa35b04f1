// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"strings"
	"testing"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestValidate(t *testing.T) {
	good := hostingv1alpha1.Issuer{URL: "https://login.example.com", Audiences: []string{"a", "b"}}
	with := func(mod func(*hostingv1alpha1.Issuer)) []hostingv1alpha1.Issuer {
		issuer := good
		mod(&issuer)
		return []hostingv1alpha1.Issuer{issuer}
	}
	tests := map[string]struct {
		issuers []hostingv1alpha1.Issuer
		wrong   string
	}{
		"none":                             {nil, ""},
		"defaults":                         {[]hostingv1alpha1.Issuer{good}, ""},
		"expressions of an operator's own": {with(func(i *hostingv1alpha1.Issuer) { i.Username, i.Groups = "claims.upn", "claims.roles" }), ""},
		"a rule": {with(func(i *hostingv1alpha1.Issuer) {
			i.Rules = []hostingv1alpha1.ClaimRule{{Expression: "claims.hd == 'x'"}}
		}), ""},
		"the same issuer twice":               {[]hostingv1alpha1.Issuer{good, good}, "Duplicate value"},
		"no https":                            {with(func(i *hostingv1alpha1.Issuer) { i.URL = "http://login.example.com" }), "URL scheme must be https"},
		"no audience":                         {with(func(i *hostingv1alpha1.Issuer) { i.Audiences = nil }), "at least one jwt[0].issuer.audiences is required"},
		"an expression that is none":          {with(func(i *hostingv1alpha1.Issuer) { i.Username = "claims." }), "compilation failed"},
		"a rule that is neither true nor not": {with(func(i *hostingv1alpha1.Issuer) { i.Rules = []hostingv1alpha1.ClaimRule{{Expression: "'yes'"}} }), "must evaluate to bool"},
		"an authority that is none":           {with(func(i *hostingv1alpha1.Issuer) { i.CertificateAuthority = "mine" }), "certificateAuthority"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from memory
				err := Validate(tc.issuers)
				if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("got %v, want %q", err, tc.wrong)
				}
			}
		})
	}
}

func parse(list string) ([]Issuer, error) { return Parse(map[string]string{ConfigMapKey: list}) }

func TestParse(t *testing.T) {
	issuers, err := parse("- {name: a, clientID: cli, url: 'https://a.example.com', audiences: [cli]}\n")
	if err != nil || len(issuers) != 1 || issuers[0].URL != "https://a.example.com" || issuers[0].ClientID != "cli" {
		t.Errorf("got %+v, %v", issuers, err)
	}
	if _, err := parse("- {nam: a}"); err == nil || !strings.Contains(err.Error(), "nam") {
		t.Errorf("a misspelt field: %v", err)
	}
	const own = "- {name: a, clientID: cli, url: 'https://a.example.com', audiences: [cli], embedded: true}\n"
	if _, err := Parse(map[string]string{ConfigMapKey: own, AuthorityKey: "no certificate"}); err == nil {
		t.Error("the embedded issuer is not known by the API's own authority")
	}
	if issuers, err := parse(""); err != nil || len(issuers) > 0 {
		t.Errorf("an empty list: %v, %v", issuers, err)
	}
}
