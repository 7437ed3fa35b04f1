// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/local"
)

// newDownCommand returns "canopy down": remove the local platform.
func newDownCommand() *cobra.Command {
	var keepData bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove the platform on this machine with everything in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := local.Down(cmd.Context(), cmd.OutOrStdout(), keepData); err != nil {
				return err
			}
			if keepData {
				fmt.Fprintf(cmd.OutOrStdout(), "The platform is switched off. `canopy up` brings it back.\n")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "There is no platform on this machine.\n")
			return forgetLocal(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&keepData, "keep-data", false, `only switch it off: "canopy up" brings all clusters back with their data`)
	return cmd
}
