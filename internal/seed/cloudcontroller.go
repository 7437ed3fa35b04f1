// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
	"canopy.dev/canopy/internal/machine/fleet"
)

// cloudControllerSecret returns the Secret with all that the cluster's cloud controller manager needs, and tells in that there is
// one; nil: the cluster has none, or its network or its credentials are not there, which CloudReady says.
func (r *HostedClusterReconciler) cloudControllerSecret(ctx context.Context, in *controlplane.Input, a authorities) (*corev1.Secret, error) {
	hc := in.Cluster
	if controlplane.CloudController(hc) == "" {
		return nil, nil
	}
	pc := &v1alpha1.ProviderCluster{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(hc), pc); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	credentials, err := fleet.Credentials(ctx, r.Client, pc)
	if _, missing := errors.AsType[*kube.WaitingError](err); missing {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own, sdk, err := aws.ControllerConfig(fleet.Cluster(pc, credentials))
	if _, refused := errors.AsType[*machine.RefusedError](err); refused {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files := controlplane.CloudControllerFiles(*in, a.ca.Cert)
	files[controlplane.FileCloudConfig], files[controlplane.FileCloudAccount] = own, sdk
	in.CloudControllerChecksum = checksum([]byte(own), []byte(sdk))
	return r.leafSecret(ctx, hc, controlplane.AWSCloudController, a, controlplane.CloudControllerCertificates(), files)
}
