// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/install"
)

// gatewayDomain is in no DNS, so that nobody needs one for the platform.
const gatewayDomain = "canopy.internal"

// APIPort is where the platform's API is, on the node's address.
const APIPort = 30443

// installCanopy installs Canopy by the same chart as anywhere else.
func (u *up) installCanopy(ctx context.Context) error {
	if err := ensureObjects(ctx, "namespaces", []client.Object{install.Namespace()}); err != nil {
		return err
	}
	config, err := restConfig()
	if err != nil {
		return err
	}
	err = install.Run(ctx, config, install.Canopy(map[string]any{
		"image":            u.built.server,
		"nodeNetworkImage": u.built.nodeNetwork,
		"openvpnImage":     u.built.openVPN,
		"seed": map[string]any{
			"address":        u.Settings.NodeAddress().String(),
			"reservedCIDRs":  u.Settings.reserved(),
			"registryMirror": u.Settings.RegistryURL(),
		},
		"api": map[string]any{
			"publicURL": u.Settings.APIURL(),
			"issuer":    map[string]any{"enabled": true},
			"hosts":     []string{u.Settings.NodeAddress().String()},
			"service":   map[string]any{"type": "NodePort", "nodePort": APIPort},
		},
		"gateway": map[string]any{
			"domain": gatewayDomain, "address": u.Settings.NodeAddress().String(), "replicas": 1,
			"service": map[string]any{"type": "NodePort"},
		},
		"monitoring": map[string]any{
			"prometheus":   map[string]any{"image": images.Ref("prometheus"), "retention": "2d", "retentionSize": "2GB", "storage": "4Gi"},
			"alertmanager": map[string]any{"image": images.Ref("alertmanager")},
		},
	}))
	if err != nil {
		return err
	}
	c, err := newClient()
	if err != nil {
		return err
	}
	for _, name := range []string{"canopy-seed", "canopy-gateway", "canopy-master", "canopy-api"} {
		if err := awaitDeployment(ctx, c, client.ObjectKey{Namespace: SystemNamespace, Name: name}); err != nil {
			return err
		}
	}
	return nil
}
