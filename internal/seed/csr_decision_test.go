// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/url"
	"slices"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
)

// signed returns a certificate request in PEM.
func signed(t *testing.T, request x509.CertificateRequest) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &request, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// asking is a request that a machine makes, and who makes it.
type asking struct {
	x509.CertificateRequest
	spec certificatesv1.CertificateSigningRequestSpec
}

func (a asking) csr(t *testing.T) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	csr := &certificatesv1.CertificateSigningRequest{Spec: a.spec}
	if csr.Spec.Request == nil {
		csr.Spec.Request = signed(t, a.CertificateRequest)
	}
	return csr
}

var subjectOfA = pkix.Name{CommonName: "system:node:a", Organization: []string{"system:nodes"}}

// first is what machine a asks with its token.
func first(a *asking) {
	a.Subject = subjectOfA
	a.spec = certificatesv1.CertificateSigningRequestSpec{
		SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
		Username:   "system:bootstrap:aaaaaa", Groups: []string{"system:bootstrappers", "system:bootstrappers:canopy", "system:authenticated"},
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
	}
}

// joining is what somebody's machine asks with the certificate in the command that makes it the machine "unborn".
func joining(a *asking) {
	first(a)
	a.Subject.CommonName = "system:node:unborn"
	a.spec.Username, a.spec.Groups = "canopy:machine:unborn", []string{"system:bootstrappers:canopy", "system:authenticated"}
}

// renewal is what node a asks when its client certificate is about to expire.
func renewal(a *asking) {
	first(a)
	a.spec.Username, a.spec.Groups = "system:node:a", []string{"system:nodes", "system:authenticated"}
}

// serving is what node a asks to be reached by kube-apiserver.
func serving(a *asking) {
	renewal(a)
	a.DNSNames, a.IPAddresses = []string{"a"}, []net.IP{net.IPv4(10, 0, 0, 7)}
	a.spec.SignerName = certificatesv1.KubeletServingSignerName
	a.spec.Usages = []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment, certificatesv1.UsageServerAuth}
}

func TestDecideCSR(t *testing.T) {
	known := knownMachines{
		byToken: map[string]string{"aaaaaa": "a", "bbbbbb": "b"},
		names:   map[string][]string{"a": {"a", "10.0.0.7", "fd00::7"}, "b": {"b", "10.0.0.8"}, "unborn": {"unborn"}},
		open:    map[string]bool{"unborn": true},
	}
	for name, c := range map[string]struct {
		base, mod func(*asking)
		want      verdict
		reason    string
	}{
		"a machine's first certificate, asked for with its token": {first, nil, approve, "KnownMachine"},
		"a node's renewed certificate":                            {renewal, nil, approve, "KnownMachine"},
		"a node's serving certificate":                            {serving, nil, approve, "KnownMachine"},
		"a serving certificate for an IPv6 address": {serving, func(a *asking) {
			a.IPAddresses = []net.IP{net.ParseIP("fd00::7")}
		}, approve, "KnownMachine"},

		"a token may not be used for another machine": {first, func(a *asking) { a.Subject.CommonName = "system:node:b" }, deny, "OtherMachine"},
		"a token may not be used for a person":        {first, func(a *asking) { a.Subject.CommonName = "admin" }, deny, "OtherMachine"},
		"a token may not be used for administrators": {first, func(a *asking) {
			a.Subject.Organization = []string{"system:masters"}
		}, deny, "WrongGroup"},
		"a node may not be of a second group": {renewal, func(a *asking) {
			a.Subject.Organization = []string{"system:nodes", "system:masters"}
		}, deny, "WrongGroup"},
		"a node may not renew another's certificate":        {renewal, func(a *asking) { a.Subject.CommonName = "system:node:b" }, deny, "OtherMachine"},
		"a node may not have another's serving certificate": {serving, func(a *asking) { a.Subject.CommonName = "system:node:b" }, deny, "OtherMachine"},
		"a client certificate has no names":                 {first, func(a *asking) { a.DNSNames = []string{"a"} }, deny, "WrongName"},
		"a client certificate has no addresses":             {first, func(a *asking) { a.IPAddresses = []net.IP{{10, 0, 0, 7}} }, deny, "WrongName"},
		"a client certificate is not for serving":           {first, func(a *asking) { a.spec.Usages = append(a.spec.Usages, certificatesv1.UsageServerAuth) }, deny, "WrongUsage"},
		"a client certificate is for a client":              {first, func(a *asking) { a.spec.Usages = a.spec.Usages[:1] }, deny, "WrongUsage"},
		"a serving certificate is not for a client":         {serving, func(a *asking) { a.spec.Usages = append(a.spec.Usages, certificatesv1.UsageClientAuth) }, deny, "WrongUsage"},
		"a serving certificate needs a name":                {serving, func(a *asking) { a.DNSNames, a.IPAddresses = nil, nil }, deny, "WrongName"},
		"a serving certificate has no URI":                  {serving, func(a *asking) { a.URIs = []*url.URL{{Scheme: "https", Host: "a"}} }, deny, "WrongName"},
		"a serving certificate has no e-mail address":       {serving, func(a *asking) { a.EmailAddresses = []string{"a@example.test"} }, deny, "WrongName"},
		"what is no request":                                {first, func(a *asking) { a.spec.Request = []byte("no") }, deny, "Malformed"},
		"an address that its provider does not know waits":  {serving, func(a *asking) { a.IPAddresses = []net.IP{{10, 0, 0, 8}} }, leave, ""},
		"a name that is the API's waits":                    {serving, func(a *asking) { a.DNSNames = []string{"kubernetes"} }, leave, ""},
		"a token that was not made for a machine":           {first, func(a *asking) { a.spec.Username = "system:bootstrap:cccccc" }, leave, ""},
		"a token is not enough for a serving certificate":   {serving, func(a *asking) { a.spec.Username = "system:bootstrap:aaaaaa" }, leave, ""},
		"a node that is no machine of ours":                 {renewal, func(a *asking) { a.spec.Username = "system:node:c" }, leave, ""},
		"a user who only calls himself a node":              {renewal, func(a *asking) { a.spec.Groups = []string{"system:authenticated"} }, leave, ""},
		"a person":                                          {first, func(a *asking) { a.spec.Username = "admin" }, leave, ""},
		"a machine joins by a command":                      {joining, nil, approve, "KnownMachine"},
		"a command may not be used for another machine":     {joining, func(a *asking) { a.Subject.CommonName = "system:node:b" }, deny, "OtherMachine"},
		"a command may not be used once more": {joining, func(a *asking) {
			a.Subject.CommonName, a.spec.Username = "system:node:a", "canopy:machine:a"
		}, deny, "Joined"},
		"a command for a machine that was deleted":          {joining, func(a *asking) { a.spec.Username = "canopy:machine:c" }, leave, ""},
		"a command is not enough for a serving certificate": {joining, func(a *asking) { a.spec.SignerName = certificatesv1.KubeletServingSignerName }, leave, ""},
		"who only calls himself a machine":                  {joining, func(a *asking) { a.spec.Groups = []string{"system:authenticated"} }, leave, ""},
		"a signer that is none of ours":                     {first, func(a *asking) { a.spec.SignerName = certificatesv1.KubeAPIServerClientSignerName }, leave, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := asking{}
			c.base(&a)
			a.spec.Groups, a.spec.Usages = slices.Clone(a.spec.Groups), slices.Clone(a.spec.Usages)
			if c.mod != nil {
				c.mod(&a)
			}
			got := decideCSR(a.csr(t), known)
			if got.verdict != c.want || got.reason != c.reason || got.message == "" {
				t.Errorf("decideCSR() = %+v, want %s %s", got, c.want, c.reason)
			}
		})
	}
}

func TestADecidedRequestIsLeftAlone(t *testing.T) {
	a := asking{}
	first(&a)
	csr := a.csr(t)
	csr.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateDenied}}
	if got := decideCSR(csr, knownMachines{byToken: map[string]string{"aaaaaa": "a"}}); got.verdict != leave {
		t.Errorf("decideCSR() = %+v", got)
	}
}
