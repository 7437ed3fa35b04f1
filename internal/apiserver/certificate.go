// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/pki"
)

const (
	// AuthorityName is the name of the Secret with the API's own certificate authority, and of the ConfigMap with its certificate
	// for those who connect. The chart makes both empty.
	AuthorityName = "canopy-api-authority"
	// AuthorityKey is where the ConfigMap has the certificate.
	AuthorityKey = "ca.crt"
	// leafName is not the authority's: OpenSSL, and with it curl, takes a certificate that names its own subject as its issuer for
	// self-signed.
	leafName = "canopy-api-server"
	// leafLifetime is how long a certificate of the API's own authority is valid; it is renewed after two thirds of it.
	leafLifetime = 7 * 24 * time.Hour
)

// certificates returns what the server shows those who connect: the one in a folder, which may be replaced at any time, or one
// of an authority of its own.
func certificates(ctx context.Context, c client.Client, folder string, hosts []string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if folder != "" {
		watcher, err := certwatcher.New(folder+"/tls.crt", folder+"/tls.key")
		if err != nil {
			return nil, fmt.Errorf("reading the certificate in %s: %w", folder, err)
		}
		go func() { _ = watcher.Start(ctx) }() // it ends with ctx only
		config.GetCertificate = watcher.GetCertificate
		return config, nil
	}
	authority, err := ensureAuthority(ctx, c, time.Now())
	if err != nil {
		return nil, err
	}
	own := &ownCertificate{authority: authority, leaf: pki.Leaf{CommonName: leafName, Names: hosts, Lifetime: leafLifetime}}
	if _, err := own.get(nil); err != nil {
		return nil, err
	}
	config.GetCertificate = own.get
	return config, nil
}

// ensureAuthority returns the API's own authority, which is made once. Of several replicas the first one's is taken.
func ensureAuthority(ctx context.Context, c client.Client, now time.Time) (pki.KeyPair, error) {
	var authority pki.KeyPair
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: AuthorityName}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret := &corev1.Secret{}
		if err := c.Get(ctx, key, secret); err != nil {
			return err
		}
		authority = pki.KeyPair{Cert: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey]}
		if len(authority.Cert) > 0 {
			return nil
		}
		var err error
		if authority, err = pki.NewCA("canopy-api", now); err != nil {
			return err
		}
		return kube.PatchFresh(ctx, c, secret, func() {
			secret.Data = map[string][]byte{corev1.TLSCertKey: authority.Cert, corev1.TLSPrivateKeyKey: authority.Key}
		})
	})
	if err != nil {
		return authority, fmt.Errorf("making the API's own certificate authority in the Secret %s: %w", key, err)
	}
	public := &corev1.ConfigMap{}
	if err := c.Get(ctx, key, public); err != nil {
		return authority, fmt.Errorf("reading the ConfigMap %s: %w", key, err)
	}
	return authority, kube.Patch(ctx, c, public, func() { public.Data = map[string]string{AuthorityKey: string(authority.Cert)} })
}

// ownCertificate is one of the API's own authority. It is in no Secret: each replica makes its own, and another in time.
type ownCertificate struct {
	authority pki.KeyPair
	leaf      pki.Leaf

	mu     sync.Mutex
	parsed *tls.Certificate
}

func (o *ownCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.parsed != nil && now.Before(o.parsed.Leaf.NotAfter.Add(-leafLifetime/3)) {
		return o.parsed, nil
	}
	pair, err := o.authority.Issue(o.leaf, now)
	if err != nil {
		return nil, err
	}
	parsed, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, err
	}
	o.parsed = &parsed
	return o.parsed, nil
}
