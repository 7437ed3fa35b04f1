// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package identity says who somebody is by a token: it turns issuers into Kubernetes' own AuthenticationConfiguration. It is
// pure, and runs in the master, in seeds and in the API, so that all of them and every user cluster know somebody by the
// same name.
package identity

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"sigs.k8s.io/yaml"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
)

// The installation's issuers are in a ConfigMap of the namespace canopy-system, which the chart writes.
const (
	// ConfigMapName is the name of the ConfigMap.
	ConfigMapName = "canopy-authentication"
	// ConfigMapKey is the key of the list of Issuers, as YAML.
	ConfigMapKey = "issuers.yaml"
	// AuthorityKey is the key of the authority of the API's certificate, PEM-encoded, by which its own issuer is known. The API
	// writes it where it has an authority of its own.
	AuthorityKey = "ca.crt"
)

// Reserved are how names start that no issuer may give: Kubernetes' own and Canopy's.
var Reserved = []string{"system:", "canopy:"}

// Issuer is one of the installation's issuers: whom it is for, and how a command logs in there.
type Issuer struct {
	hostingv1alpha1.Issuer `json:",inline"`

	// Name is what people choose it by.
	Name string `json:"name"`
	// ClientID is that of the public client for commands.
	ClientID string `json:"clientID"`
	// BrowserClientID is that of the confidential client for browsers; empty: browsers cannot log in with this issuer.
	BrowserClientID string `json:"browserClientID,omitempty"`
	// Scopes are asked for at login.
	Scopes []string `json:"scopes,omitempty"`
	// DeviceCode: the issuer has the device flow, for commands without a browser.
	DeviceCode bool `json:"deviceCode,omitempty"`
	// Embedded: it is the API's own.
	Embedded bool `json:"embedded,omitempty"`
}

// Parse reads the issuers of the ConfigMap's data. It fails if one of them could not be used by kube-apiserver, and says
// what is wrong with it.
func Parse(data map[string]string) ([]Issuer, error) {
	var issuers []Issuer
	if err := yaml.UnmarshalStrict([]byte(data[ConfigMapKey]), &issuers); err != nil {
		return nil, fmt.Errorf("%s of the ConfigMap %s: %w", ConfigMapKey, ConfigMapName, err)
	}
	for i := range issuers {
		if issuers[i].Embedded && issuers[i].CertificateAuthority == "" {
			issuers[i].CertificateAuthority = data[AuthorityKey]
		}
	}
	if err := Validate(Hosted(issuers)); err != nil {
		return nil, fmt.Errorf("%s of the ConfigMap %s: %w", ConfigMapKey, ConfigMapName, err)
	}
	return issuers, nil
}

// Hosted returns what user clusters need to know of issuers.
func Hosted(issuers []Issuer) []hostingv1alpha1.Issuer {
	var hosted []hostingv1alpha1.Issuer
	for _, issuer := range issuers {
		hosted = append(hosted, issuer.Issuer)
	}
	return hosted
}

// Authenticators returns what Kubernetes calls its issuers.
func Authenticators(issuers []hostingv1alpha1.Issuer) []apiserverv1.JWTAuthenticator {
	var authenticators []apiserverv1.JWTAuthenticator
	for _, issuer := range issuers {
		authenticators = append(authenticators, authenticator(issuer))
	}
	return authenticators
}

func authenticator(issuer hostingv1alpha1.Issuer) apiserverv1.JWTAuthenticator {
	a := apiserverv1.JWTAuthenticator{
		Issuer: apiserverv1.Issuer{URL: issuer.URL, Audiences: issuer.Audiences, CertificateAuthority: issuer.CertificateAuthority},
		ClaimMappings: apiserverv1.ClaimMappings{
			Username: apiserverv1.PrefixedClaimOrExpression{Expression: issuer.Username},
			Groups:   apiserverv1.PrefixedClaimOrExpression{Expression: issuer.Groups},
		},
	}
	if len(issuer.Audiences) > 1 {
		a.Issuer.AudienceMatchPolicy = apiserverv1.AudienceMatchPolicyMatchAny
	}
	if issuer.Username == "" {
		a.ClaimMappings.Username.Expression = "claims.email.lowerAscii()"
		a.ClaimValidationRules = append(a.ClaimValidationRules, apiserverv1.ClaimValidationRule{
			Expression: "claims.?email_verified.orValue(true) == true", Message: "the issuer has not verified the e-mail address",
		})
	}
	if issuer.Groups == "" {
		a.ClaimMappings.Groups.Expression = "has(claims.groups) ? claims.groups : []"
	}
	for _, rule := range issuer.Rules {
		a.ClaimValidationRules = append(a.ClaimValidationRules, apiserverv1.ClaimValidationRule{Expression: rule.Expression, Message: rule.Message})
	}
	for _, prefix := range Reserved {
		a.UserValidationRules = append(a.UserValidationRules,
			apiserverv1.UserValidationRule{
				Expression: fmt.Sprintf("!user.username.startsWith('%s')", prefix), Message: "names of users that start with " + prefix + " are reserved",
			},
			apiserverv1.UserValidationRule{
				Expression: fmt.Sprintf("user.groups.all(group, !group.startsWith('%s'))", prefix), Message: "names of groups that start with " + prefix + " are reserved",
			})
	}
	return a
}

// IsReserved reports whether a name is one that no issuer may give.
func IsReserved(name string) bool {
	for _, prefix := range Reserved {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Configuration returns kube-apiserver's AuthenticationConfiguration for issuers. Without credentials nobody is let in but to
// the questions that probes ask, and that cannot change while a process runs.
func Configuration(issuers []hostingv1alpha1.Issuer) (string, error) {
	content, err := yaml.Marshal(apiserverv1.AuthenticationConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "AuthenticationConfiguration"},
		JWT:      Authenticators(issuers),
		Anonymous: &apiserverv1.AnonymousAuthConfig{Enabled: true, Conditions: []apiserverv1.AnonymousAuthCondition{
			{Path: "/livez"}, {Path: "/readyz"}, {Path: "/healthz"},
		}},
	})
	return string(content), err
}

var (
	scheme = runtime.NewScheme()
	// validated has the result for each list of issuers that was asked about: compiling CEL takes milliseconds, and every
	// cluster of an installation has the same few.
	validated sync.Map
)

func init() { install.Install(scheme) }

// Internal returns the form of an authenticator that Kubernetes' own packages work with.
func Internal(a apiserverv1.JWTAuthenticator) (apiserver.JWTAuthenticator, error) {
	config, err := internal([]apiserverv1.JWTAuthenticator{a})
	if err != nil {
		return apiserver.JWTAuthenticator{}, err
	}
	return config.JWT[0], nil
}

func internal(authenticators []apiserverv1.JWTAuthenticator) (*apiserver.AuthenticationConfiguration, error) {
	config := &apiserver.AuthenticationConfiguration{}
	return config, scheme.Convert(&apiserverv1.AuthenticationConfiguration{JWT: authenticators}, config, nil)
}

// Validate says what is wrong with issuers, as kube-apiserver would, which does not start with what is wrong.
func Validate(issuers []hostingv1alpha1.Issuer) error {
	if len(issuers) == 0 {
		return nil
	}
	key, err := json.Marshal(issuers)
	if err != nil {
		return err
	}
	if known, ok := validated.Load(string(key)); ok {
		err, _ := known.(error)
		return err
	}
	config, err := internal(Authenticators(issuers))
	if err == nil {
		err = validation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), config, nil).ToAggregate()
	}
	validated.Store(string(key), err)
	return err
}
