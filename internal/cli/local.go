// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/internal/local"
)

// newLocalCommand returns "canopy local": what only the machine of a local platform knows.
func newLocalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "local", Short: "Look at the parts of the platform on this machine, as root", GroupID: groupMachine, Args: cobra.NoArgs,
		Long: "Look at the parts of the platform on this machine, as root. They need no API and no login, so they work when the platform does not.",
	}
	cmd.AddCommand(newLocalStatusCommand(), newLocalLogsCommand())
	return cmd
}

// newLocalLogsCommand returns "canopy local logs": the logs of the local platform's own parts.
func newLocalLogsCommand() *cobra.Command {
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
		Example:   "  canopy local logs kubelet --follow\n  canopy local logs control-plane-0 --cluster demo -c etcd",
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
	cmd.Flags().StringVar(&flags.kubeconfig, "kubeconfig", local.KubeconfigPath, "kubeconfig of the master, or of a seed that is used without one")
	cmd.Flags().StringVarP(&flags.project, "project", "p", "", `project of the cluster; needed if several have one of that name; "" is for a cluster in none`)
	cmd.Flags().StringVar(&cluster, "cluster", "", "user cluster whose control plane has the pod")
	cmd.Flags().BoolVarP(&options.Follow, "follow", "f", false, "go on with new lines")
	cmd.Flags().Int64Var(&options.Tail, "tail", 100, "how many lines to start with")
	cmd.Flags().StringVarP(&options.Container, "container", "c", "", "container of the pod")
	return cmd
}
