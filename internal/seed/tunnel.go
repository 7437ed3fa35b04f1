// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/openvpn"
	"canopy.dev/canopy/internal/pki"
	"canopy.dev/canopy/internal/tunnel"
)

// ensureOpenVPNAuthority returns the authority and the tls-crypt key of the cluster's tunnel. Nothing but the tunnel depends
// on them: where they are gone, new ones are made, and both ends get new keys.
func (r *HostedClusterReconciler) ensureOpenVPNAuthority(ctx context.Context, hc *v1alpha1.HostedCluster) (authority pki.KeyPair, tlsCrypt []byte, err error) {
	if hc.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		return pki.KeyPair{}, nil, nil
	}
	data, err := r.ensureSecret(ctx, hc, secretSpec{name: controlplane.SecretOpenVPNCA, replaceable: true, generate: func() (map[string][]byte, error) {
		pair, err := pki.NewCA("canopy-openvpn-"+hc.Name, r.Clock.Now())
		return map[string][]byte{
			corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key, openvpn.FileTLSCrypt: pki.NewTLSCryptServerKey(),
		}, err
	}})
	return pki.KeyPair{Cert: data[corev1.TLSCertKey], Key: data[corev1.TLSPrivateKeyKey]}, data[openvpn.FileTLSCrypt], err
}

// openVPNSecrets returns the Secret of the tunnel's server, and that of its clients, which is kept here and copied into the
// user cluster. What is current is kept as it is; the rest is issued anew.
func (r *HostedClusterReconciler) openVPNSecrets(ctx context.Context, hc *v1alpha1.HostedCluster, a authorities) ([]client.Object, error) {
	if hc.Spec.Network.Tunnel == v1alpha1.TunnelKonnectivity {
		return nil, nil
	}
	now := r.Clock.Now()
	server, err := r.liveData(ctx, hc, controlplane.SecretOpenVPN)
	if err != nil {
		return nil, err
	}
	pair, err := issue(a.openVPN, server, "server", controlplane.OpenVPNLeaf(hc), now)
	if err != nil {
		return nil, err
	}
	live, err := r.liveData(ctx, hc, openvpn.Client)
	if err != nil {
		return nil, err
	}
	clients := map[string][]byte{openvpn.FileCA: a.openVPN.Cert}
	for i := range tunnel.Clients {
		name := openvpn.ClientName(i)
		pair, err := issue(a.openVPN, live, name, pki.Leaf{CommonName: name}, now)
		if err != nil {
			return nil, err
		}
		key := live[name+".tls-crypt-v2.key"]
		if len(key) == 0 || string(pair.Cert) != string(live[name+".crt"]) {
			if key, err = pki.NewTLSCryptClientKey(a.tlsCrypt, now); err != nil {
				return nil, err
			}
		}
		clients[name+".crt"], clients[name+".key"], clients[name+".tls-crypt-v2.key"] = pair.Cert, pair.Key, key
	}
	secret := func(name string, data map[string][]byte) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: hc.Namespace, Labels: clusterLabels(hc)}, Data: data}
	}
	return []client.Object{
		secret(controlplane.SecretOpenVPN, map[string][]byte{
			openvpn.FileCA: a.openVPN.Cert, openvpn.FileTLSCrypt: a.tlsCrypt, "server.crt": pair.Cert, "server.key": pair.Key,
		}),
		secret(openvpn.Client, clients),
	}, nil
}

// liveData returns what a Secret holds, nil if there is none.
func (r *HostedClusterReconciler) liveData(ctx context.Context, hc *v1alpha1.HostedCluster, name string) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: name}, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", hc.Namespace, name, err)
	}
	return secret.Data, nil
}
