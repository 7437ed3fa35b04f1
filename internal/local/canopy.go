// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/install"
)

// gatewayDomain is in no DNS, so that nobody needs one for the platform.
const gatewayDomain = "canopy.internal"

// installCanopy installs Canopy by the same chart as anywhere else.
func (u *up) installCanopy(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   SystemNamespace,
		Labels: map[string]string{controlplane.SystemNamespaceLabel: "true", "pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := ensureObjects(ctx, "namespaces", []client.Object{namespace}); err != nil {
		return err
	}
	err := install.Run(ctx, KubeconfigPath, install.Chart{
		Dir: filepath.Join(u.built.source, "deploy", "chart"), Release: "canopy", Namespace: SystemNamespace,
		Values: map[string]any{
			"image":            u.built.server,
			"nodeNetworkImage": u.built.nodeNetwork,
			"openvpnImage":     u.built.openVPN,
			"seed": map[string]any{
				"address":        u.Settings.NodeAddress().String(),
				"reservedCIDRs":  u.Settings.reserved(),
				"registryMirror": u.Settings.RegistryURL(),
			},
			"gateway": map[string]any{
				"domain": gatewayDomain, "address": u.Settings.NodeAddress().String(), "replicas": 1,
				"service": map[string]any{"type": "NodePort"},
			},
			"monitoring": map[string]any{
				"prometheus":   map[string]any{"image": images.Ref("prometheus"), "retention": "2d", "retentionSize": "2GB", "storage": "4Gi"},
				"alertmanager": map[string]any{"image": images.Ref("alertmanager")},
			},
		},
	})
	if err != nil {
		return err
	}
	c, err := newClient()
	if err != nil {
		return err
	}
	for _, name := range []string{"canopy-seed", "canopy-gateway", "canopy-master"} {
		if err := awaitDeployment(ctx, c, client.ObjectKey{Namespace: SystemNamespace, Name: name}); err != nil {
			return err
		}
	}
	return nil
}
