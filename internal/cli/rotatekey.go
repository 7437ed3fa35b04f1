// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/local"
)

// newRotateKeyCommand returns "canopy rotate-key": a new key for the Secrets of the local platform.
func newRotateKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate-key",
		Short: "Encrypt the Secrets of the platform on this machine with a new key",
		Long: `Make a new key, write every Secret in the etcd of the platform on this machine with it, and forget the old one.
The API goes on meanwhile. It takes up to two minutes, since kube-apiserver looks at its keys once a minute. If it is
interrupted, run it again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.RotateEncryptionKey(cmd.Context(), cmd.OutOrStdout(), isTerminal(cmd.OutOrStdout()))
		},
	}
}
