// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package pki makes keys and certificates. It runs inside the seed's controllers and the local platform, reads and writes
// nothing itself, and knows no Kubernetes. All keys are ECDSA P-256: one takes 0.02 ms to make, an RSA-2048 key 160 ms.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

const (
	// CALifetime is how long a certificate authority is valid.
	CALifetime = 10 * 365 * 24 * time.Hour
	// LeafLifetime is how long a leaf certificate is valid, unless it says otherwise.
	LeafLifetime = 90 * 24 * time.Hour
	// backdate tolerates clocks that are a little behind.
	backdate = 5 * time.Minute
)

// KeyPair is a certificate and its private key, both PEM.
type KeyPair struct{ Cert, Key []byte }

// Leaf says for whom a certificate is issued and for what.
type Leaf struct {
	CommonName    string
	Organizations []string
	// Names are DNS names and IP addresses; a certificate with names is a server's.
	Names []string
	// Client also allows the certificate to be shown by a client; it is implied where there are no names.
	Client bool
	// Lifetime defaults to LeafLifetime.
	Lifetime time.Duration
}

// NewCA returns a new self-signed certificate authority.
func NewCA(commonName string, now time.Time) (KeyPair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(CALifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	return sign(template, nil, nil)
}

// Issue returns a new key with a certificate signed by ca.
func (ca KeyPair) Issue(leaf Leaf, now time.Time) (KeyPair, error) {
	parent, key, err := ca.parse()
	if err != nil {
		return KeyPair{}, fmt.Errorf("issuing a certificate for %q: %w", leaf.CommonName, err)
	}
	lifetime := leaf.Lifetime
	if lifetime == 0 {
		lifetime = LeafLifetime
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organizations},
		NotBefore: now.Add(-backdate),
		NotAfter:  now.Add(lifetime),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	if len(leaf.Names) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if len(leaf.Names) == 0 || leaf.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, name := range leaf.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return sign(template, parent, key)
}

// Current reports whether pair was issued by ca for just this leaf and has more than a third of its lifetime left.
func (ca KeyPair) Current(pair KeyPair, leaf Leaf, now time.Time) bool {
	parent, _, err := ca.parse()
	if err != nil {
		return false
	}
	cert, _, err := pair.parse()
	if err != nil || cert.CheckSignatureFrom(parent) != nil {
		return false
	}
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	sorted := func(s []string) []string { s = slices.Clone(s); slices.Sort(s); return slices.Compact(s) }
	return cert.Subject.CommonName == leaf.CommonName &&
		slices.Equal(sorted(cert.Subject.Organization), sorted(leaf.Organizations)) &&
		slices.Equal(sorted(names), sorted(leaf.Names)) &&
		now.Before(cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore)/3))
}

// NewKey returns a new private key and its public key, both PEM, for signing tokens.
func NewKey() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if private, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return KeyPair{}, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return KeyPair{}, fmt.Errorf("signing the certificate of %q: %w", template.Subject.CommonName, err)
	}
	keyPEM, err := encodeKey(key)
	return KeyPair{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: keyPEM}, err
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func (ca KeyPair) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certPEM, _ := pem.Decode(ca.Cert)
	keyPEM, _ := pem.Decode(ca.Key)
	if certPEM == nil || keyPEM == nil {
		return nil, nil, errors.New("no PEM-encoded certificate and key")
	}
	cert, err := x509.ParseCertificate(certPEM.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing the certificate: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyPEM.Bytes)
	if err != nil {
		return nil, nil, errors.New("parsing the private key: it is no ECDSA key") // never the key itself
	}
	return cert, key, nil
}
