// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/local/sandbox"
)

// DemoCluster is the user cluster that a new platform gets.
const DemoCluster = "demo"

// gatewayDomain is in no DNS, so that nobody needs one for the platform.
const gatewayDomain = "canopy.internal"

// demoPath exists once the demo cluster was made.
var demoPath = filepath.Join(StateDir, "demo")

// demoTimeout bounds how long the demo cluster may take; it is seconds on an idle machine.
const demoTimeout = 5 * time.Minute

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

// createDemo makes the first user cluster, on a new platform only: who deletes it or changes it has had a reason to.
func (u *up) createDemo(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	var clusters hostingv1alpha1.HostedClusterList
	if err := c.List(ctx, &clusters); err != nil {
		return fmt.Errorf("list the user clusters: %w", err)
	}
	if _, err := os.Stat(demoPath); err == nil || len(clusters.Items) > 0 {
		if err := awaitFreshPods(ctx, c, u.process.Since); err != nil {
			return err
		}
		return awaitClusters(ctx, c)
	}
	namespace := hostingv1alpha1.NamespacePrefix + DemoCluster
	demo := &hostingv1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: DemoCluster, Namespace: namespace},
		Spec: hostingv1alpha1.HostedClusterSpec{
			Version: images.DefaultKubernetesVersion(),
			NodePools: []hostingv1alpha1.NodePool{{
				Name: "workers", Replicas: new(int32(1)), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}},
			}},
		},
	}
	owner := kube.Owner{FieldManager: "canopy-local", Label: ownerLabel, Value: "demo"}
	applier := &kube.Applier{Client: c}
	if err := applier.Apply(ctx, owner, []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}}); err != nil {
		return err
	}
	if err := applier.Apply(ctx, owner, []client.Object{demo}); err != nil {
		return err
	}
	if err := sandbox.WriteFile(demoPath, nil, 0o644); err != nil {
		return err
	}
	return awaitClusters(ctx, c)
}

// awaitClusters waits until every user cluster is ready, or until one will not be.
func awaitClusters(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	waitsFor := ""
	err := poll(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		var clusters hostingv1alpha1.HostedClusterList
		if err := c.List(ctx, &clusters); err != nil {
			return false, nil //nolint:nilerr // the API may be restarting
		}
		waitsFor = ""
		for _, hc := range clusters.Items {
			ready := meta.FindStatusCondition(hc.Status.Conditions, hostingv1alpha1.ConditionReady)
			switch {
			case !hc.DeletionTimestamp.IsZero():
			case ready == nil || ready.ObservedGeneration < hc.Generation:
				waitsFor = fmt.Sprintf("%s: not looked at yet", hc.Name)
			case ready.Status != metav1.ConditionTrue:
				waitsFor = fmt.Sprintf("%s: %s: %s", hc.Name, ready.Reason, ready.Message)
			}
		}
		return waitsFor == "", nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a cluster is not ready after %s: %s", demoTimeout, waitsFor)
	}
	return err
}
