// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the canopy command. It runs on people's machines.
package cli

import "github.com/spf13/cobra"

// NewCommand returns the canopy command.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "canopy", SilenceUsage: true}
	cmd.AddCommand(
		newDownCommand(),
		newImagesCommand(),
		newInstallCommand(),
		newIssuerCommand(),
		newKubeconfigCommand(),
		newLogsCommand(),
		newRotateKeyCommand(),
		newSandboxCommand(),
		newSeedCommand(),
		newStatusCommand(),
		newUpCommand(),
	)
	return cmd
}
