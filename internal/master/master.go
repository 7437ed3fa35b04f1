// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package master runs once, on the master. It reads users, projects, presets, datacenters, seeds, releases, clusters and
// node pools there, makes clusters of templates, writes the namespaces and RoleBindings of projects, and on each seed the HostedClusters with their
// Secrets, whose status it mirrors back. Seeds are connected one by one; losing one touches only its own clusters.
package master

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// Options is what a master manager is told.
type Options struct {
	// HealthAddress and MetricsAddress are listened on, for example ":8081".
	HealthAddress, MetricsAddress string
	// LeaderElection lets several replicas run, of which one works.
	LeaderElection bool
	// Workers is how many objects of a kind are reconciled at the same time.
	Workers int
	// ProbePeriod is how often each seed is asked how it is.
	ProbePeriod time.Duration
	// Images are installed on seeds.
	Images Images
	// Clouds try the credentials of presets.
	Clouds map[hostingv1alpha1.ProviderName]machine.Cloud

	// Clock is the real one outside of tests.
	Clock clock.PassiveClock
}

// Run runs the master manager until ctx ends.
func Run(ctx context.Context, config *rest.Config, opts Options) error {
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	mgr, err := newManager(config, opts)
	if err != nil {
		return err
	}
	if err := setupIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := setupControllers(mgr, newConnections(ctx), opts); err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, opts Options) (ctrl.Manager, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own fairness
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        kube.Scheme(),
		HealthProbeBindAddress:        opts.HealthAddress,
		Metrics:                       server.Options{BindAddress: opts.MetricsAddress},
		LeaderElection:                opts.LeaderElection,
		LeaderElectionID:              "canopy-master",
		LeaderElectionReleaseOnCancel: true,
		Controller:                    ctrlconfig.Controller{SkipNameValidation: new(true)}, // one process may run several masters, one after the other
		Cache: cache.Options{
			DefaultTransform: kube.Slim(),
			ByObject: map[client.Object]cache.ByObject{
				// No Secret of anybody else's is read.
				&corev1.Secret{}: {Namespaces: map[string]cache.Config{v1alpha1.SystemNamespace: {}}},
				// Nor any other quota, and of the system's ConfigMaps only the issuers.
				&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
					v1alpha1.SystemNamespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", identity.ConfigMapName)},
					cache.AllNamespaces:      {FieldSelector: fields.OneTermEqualSelector("metadata.name", quotaName)},
				}},
				&corev1.ResourceQuota{}: {Field: fields.OneTermEqualSelector("metadata.name", quotaName)},
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the master manager: %w", err)
	}
	return mgr, nil
}

// setupControllers is the table of contents: every controller that runs on the master.
func setupControllers(mgr ctrl.Manager, seeds *Connections, opts Options) error {
	for _, controller := range []struct {
		name  string
		setup func() error
	}{
		{userController, func() error { return setupUser(mgr) }},
		{projectController, func() error { return setupProject(mgr, opts) }},
		{sshKeyController, func() error { return setupSSHKey(mgr) }},
		{presetController, func() error { return setupPreset(mgr, opts) }},
		{seedController, func() error { return setupSeed(mgr, seeds, opts) }},
		{clusterController, func() error { return setupCluster(mgr, seeds, opts) }},
		{upgradeController, func() error { return setupUpgrade(mgr, opts) }},
		{clusterSetController, func() error { return setupClusterSet(mgr, opts) }},
		{nodePoolController, func() error { return setupNodePool(mgr, opts) }},
		{accessRequestController, func() error { return setupAccessRequest(mgr, seeds, opts) }},
	} {
		if err := controller.setup(); err != nil {
			return fmt.Errorf("setting up the controller %s: %w", controller.name, err)
		}
	}
	return nil
}
