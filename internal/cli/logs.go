// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/internal/local"
)

// newLogsCommand returns "canopy logs": the logs of the local platform's own parts.
func newLogsCommand() *cobra.Command {
	var (
		options local.LogOptions
		flags   clusterFlags
		cluster string
	)
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show a log of the platform on this machine, or of a user cluster's control plane",
		Long: "Show a log of the platform on this machine: " + strings.Join(local.LogNames, ", ") + ", or a pod as NAMESPACE/POD.\n" +
			"With --cluster, show that of a pod of the cluster's control plane, as POD.",
		Example:   "  canopy logs kubelet --follow\n  canopy logs control-plane-0 --cluster demo -c etcd",
		ValidArgs: local.LogNames,
		Args:      cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cluster == "" {
				return local.Logs(cmd.Context(), cmd.OutOrStdout(), args[0], options)
			}
			place, err := flags.find(cmd, cluster)
			if err != nil {
				return err
			}
			return local.PodLogs(cmd.Context(), cmd.OutOrStdout(), place.SeedConfig, types.NamespacedName{Namespace: place.Namespace(), Name: args[0]}, options)
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&cluster, "cluster", "", "user cluster whose control plane has the pod")
	cmd.Flags().BoolVarP(&options.Follow, "follow", "f", false, "go on with new lines")
	cmd.Flags().Int64Var(&options.Tail, "tail", 100, "how many lines to start with")
	cmd.Flags().StringVarP(&options.Container, "container", "c", "", "container of the pod")
	return cmd
}
