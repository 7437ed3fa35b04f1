// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/local"
)

// newLocalStatusCommand returns "canopy local status": how the parts of the local platform are.
func newLocalStatusCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the parts of the platform on this machine; the exit code is 1 unless all are healthy",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts, err := local.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), output, parts); err != nil {
				return err
			}
			if !local.AllHealthy(parts) {
				return errors.New("the platform is not healthy")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func printStatus(out io.Writer, format string, parts []local.Part) error {
	switch format {
	case "table":
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "PART\tSTATE\tREASON")
		for _, p := range parts {
			fmt.Fprintf(table, "%s\t%s\t%s\n", p.Name, p.State, p.Reason)
		}
		return table.Flush()
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(parts)
	default:
		return fmt.Errorf("there is no output format %q; there are table, json", format)
	}
}
