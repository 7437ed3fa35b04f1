// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// NewCommand returns the command `loadbalancer`, which runs until it is told to end.
func NewCommand() *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use:   "loadbalancer",
		Short: "Give Services of type LoadBalancer addresses that are routed to this cluster's node",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			prefix, err := netip.ParsePrefix(pool)
			if err != nil {
				return fmt.Errorf("--pool: want a network such as 10.202.1.0/24: %w", err)
			}
			logger := textlogger.NewLogger(textlogger.NewConfig())
			ctrl.SetLogger(logger)
			klog.SetLogger(logger)
			config, err := ctrl.GetConfig()
			if err != nil {
				return err
			}
			mgr, err := ctrl.NewManager(config, ctrl.Options{
				Metrics: server.Options{BindAddress: "0"},
				Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
			})
			if err != nil {
				return err
			}
			r := &reconciler{Client: mgr.GetClient(), live: mgr.GetAPIReader(), pool: prefix}
			// There is one replica, with one worker.
			if err := ctrl.NewControllerManagedBy(mgr).Named("loadbalancer").For(&corev1.Service{}).
				Complete(reconcile.AsReconciler(mgr.GetClient(), r)); err != nil {
				return err
			}
			return mgr.Start(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&pool, "pool", "", "network of the addresses, which is routed to the cluster's node (required)")
	return cmd
}
