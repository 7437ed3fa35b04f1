// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"

	corev1 "k8s.io/api/core/v1"

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
func (r *HostedClusterReconciler) openVPNSecrets(ctx context.Context, hc *v1alpha1.HostedCluster, a authorities) ([]*corev1.Secret, error) {
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
	return []*corev1.Secret{
		clusterSecret(hc, controlplane.SecretOpenVPN, map[string][]byte{
			openvpn.FileCA: a.openVPN.Cert, openvpn.FileTLSCrypt: a.tlsCrypt, "server.crt": pair.Cert, "server.key": pair.Key,
		}),
		clusterSecret(hc, openvpn.Client, clients),
	}, nil
}
