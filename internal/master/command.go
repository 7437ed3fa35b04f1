// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/machine"
)

// NewCommand returns the command that runs the master manager, with the clouds that there are.
func NewCommand(clouds map[hostingv1alpha1.ProviderName]machine.Cloud) *cobra.Command {
	opts := Options{Clouds: clouds, Images: Images{Prometheus: images.Ref("prometheus"), Alertmanager: images.Ref("alertmanager")}}
	logs := textlogger.NewConfig()
	cmd := &cobra.Command{
		Use:   "master",
		Short: "Give projects their clusters on the right seeds: run the controllers of the master",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger := textlogger.NewLogger(logs)
			ctrl.SetLogger(logger)
			klog.SetLogger(logger)
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("reading how to reach the master's API: %w", err)
			}
			return Run(cmd.Context(), config, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.HealthAddress, "health-address", ":8081", "address of the health checks")
	flags.StringVar(&opts.MetricsAddress, "metrics-address", ":8080", "address of the metrics")
	flags.BoolVar(&opts.LeaderElection, "leader-election", true, "let one of several replicas work")
	flags.IntVar(&opts.Workers, "workers", 8, "how many objects of a kind are reconciled at the same time")
	flags.DurationVar(&opts.ProbePeriod, "probe-period", 10*time.Second, "how often each seed is asked how it is")
	flags.StringVar(&opts.Images.Server, "server-image", "", "image of canopy-server that is installed on seeds")
	flags.StringVar(&opts.Images.NodeNetwork, "node-network-image", "", "image of node-network that is installed on seeds")
	flags.StringVar(&opts.Images.OpenVPN, "openvpn-image", "", "image of openvpn that is installed on seeds")
	return cmd
}
