// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/local"
)

// newLogsCommand returns "canopy logs": the logs of the local platform's own parts.
func newLogsCommand() *cobra.Command {
	var options local.LogOptions
	cmd := &cobra.Command{
		Use:       "logs NAME",
		Short:     "Show a log of the platform on this machine",
		Long:      "Show a log of the platform on this machine: " + strings.Join(local.LogNames, ", ") + ", or a pod as NAMESPACE/POD.",
		ValidArgs: local.LogNames,
		Args:      cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return local.Logs(cmd.Context(), cmd.OutOrStdout(), args[0], options)
		},
	}
	cmd.Flags().BoolVarP(&options.Follow, "follow", "f", false, "go on with new lines")
	cmd.Flags().Int64Var(&options.Tail, "tail", 100, "how many lines to start with")
	cmd.Flags().StringVarP(&options.Container, "container", "c", "", "container of the pod")
	return cmd
}
