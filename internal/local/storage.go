// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/loadbalancer"
	"canopy.dev/canopy/internal/localvolume"
	"canopy.dev/canopy/internal/nodenetwork"
)

// ownerLabel marks the objects that the local platform puts into its own cluster beside the Helm chart.
const ownerLabel = "canopy.dev/local-platform"

func newClient() (client.Client, error) {
	log.SetLogger(logr.Discard()) // controller-runtime insists on one
	config, err := restConfig()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: kube.Scheme()})
}

// ensureObjects applies a part of the platform, and waits until its Deployments are available.
func ensureObjects(ctx context.Context, part string, objs []client.Object) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	applier := &kube.Applier{Client: c}
	owner := kube.Owner{FieldManager: "canopy-local", Label: ownerLabel, Value: part}
	if err := applier.Apply(ctx, owner, objs); err != nil {
		return fmt.Errorf("apply the %s: %w", part, err)
	}
	for _, obj := range objs {
		if d, ok := obj.(*appsv1.Deployment); ok {
			if err := awaitDeployment(ctx, c, client.ObjectKeyFromObject(d)); err != nil {
				return err
			}
		}
	}
	return nil
}

func storageObjects(serverImage string) []client.Object {
	return localvolume.Objects(localvolume.Input{
		Namespace: "kube-system", Image: serverImage, Path: volumesDir, Node: NodeName,
	})
}

// networkPolicyObjects is what enforces NetworkPolicies on the platform's own node, whose CNI plugin (ptp) enforces none.
func networkPolicyObjects(image string) []client.Object {
	return nodenetwork.Objects(nodenetwork.Input{Image: image})
}

// loadBalancerObjects is what gives addresses to Services of type LoadBalancer.
func (u *up) loadBalancerObjects() []client.Object {
	return loadbalancer.Objects(loadbalancer.Input{
		Namespace: "kube-system", Image: u.built.server, Pool: u.Settings.LoadBalancerCIDR.Masked(),
	})
}
