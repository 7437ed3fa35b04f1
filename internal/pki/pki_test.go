// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newCA(t *testing.T) KeyPair {
	t.Helper()
	ca, err := NewCA("test", now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestIssue(t *testing.T) {
	ca := newCA(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca.Cert) {
		t.Fatal("the authority's certificate is not PEM")
	}
	tests := map[string]struct {
		leaf   Leaf
		usages []x509.ExtKeyUsage
	}{
		"a server's names make it a server certificate only": {Leaf{CommonName: "s", Names: []string{"a.example", "192.0.2.1"}}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		"no names make it a client certificate only":         {Leaf{CommonName: "c", Organizations: []string{"o"}}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		"a peer is both": {Leaf{CommonName: "p", Names: []string{"a.example"}, Client: true}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pair, err := ca.Issue(tc.leaf, now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tls.X509KeyPair(pair.Cert, pair.Key); err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(pair.Cert)
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
				want := false
				for _, u := range tc.usages {
					want = want || u == usage
				}
				if (err == nil) != want {
					t.Errorf("usage %v: valid is %v, want %v (%v)", usage, err == nil, want, err)
				}
			}
		})
	}
}

func TestCurrent(t *testing.T) {
	ca, leaf := newCA(t), Leaf{CommonName: "s", Names: []string{"b.example", "a.example", "192.0.2.1"}}
	pair, err := ca.Issue(leaf, now)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ca   KeyPair
		pair KeyPair
		leaf Leaf
		at   time.Time
		want bool
	}{
		"a fresh certificate is":                             {ca, pair, leaf, now, true},
		"the order of names does not matter":                 {ca, pair, Leaf{CommonName: "s", Names: []string{"192.0.2.1", "a.example", "b.example"}}, now, true},
		"one with less than a third of its life left is not": {ca, pair, leaf, now.Add(LeafLifetime * 3 / 4), false},
		"one that lacks a name is not":                       {ca, pair, Leaf{CommonName: "s", Names: append([]string{"c.example"}, leaf.Names...)}, now, false},
		"one of another authority is not":                    {newCA(t), pair, leaf, now, false},
		"none is not":                                        {ca, KeyPair{}, leaf, now, false},
		"one whose group changed is not":                     {ca, pair, Leaf{CommonName: "s", Names: leaf.Names, Organizations: []string{"o"}}, now, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.ca.Current(tc.pair, tc.leaf, tc.at); got != tc.want {
				t.Errorf("Current() = %v, want %v", got, tc.want)
			}
		})
	}
}
