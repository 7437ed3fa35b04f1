// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/issuer"
	"canopy.dev/canopy/internal/secretstore"
)

// newIssuerCommand returns "canopy issuer": the users of the platform's own issuer, for those who run it.
func newIssuerCommand() *cobra.Command {
	var at target
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Manage the users of the platform's own issuer, who log in with a password",
		Long: `Manage the users of the platform's own issuer, who log in with a password. It is for platforms that have no other issuer.
What a user may do is said by the members of projects, and by the User of the same e-mail address.`,
	}
	at.addFlags(cmd.PersistentFlags(), "", "the master")
	cmd.AddCommand(newIssuerUsersCommand(&at), newIssuerAddCommand(&at), newIssuerResetCommand(&at), newIssuerRemoveCommand(&at))
	return cmd
}

// issuerUsers returns the users of the issuer of a master.
func issuerUsers(at *target) (issuer.Users, error) {
	config, err := at.load()
	if err != nil {
		return issuer.Users{}, err
	}
	c, err := newClient(config)
	if err != nil {
		return issuer.Users{}, err
	}
	return issuer.Users{Store: &secretstore.Store{Client: c, Live: c, Now: time.Now}}, nil
}

func newIssuerUsersCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "users", Short: "List the users of the platform's own issuer", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := issuerUsers(at)
			if err != nil {
				return err
			}
			list, err := users.List(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(w, "EMAIL\tGROUPS\tLOCKED")
			for _, user := range list {
				locked := ""
				if time.Now().Before(user.LockedUntil) {
					locked = "until " + user.LockedUntil.Local().Format(time.TimeOnly)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", user.Email, strings.Join(user.Groups, ","), locked)
			}
			return w.Flush()
		},
	}
}

func newIssuerAddCommand(at *target) *cobra.Command {
	var groups []string
	cmd := &cobra.Command{
		Use: "add-user EMAIL", Short: "Make a user, and show the password once", Args: cobra.ExactArgs(1),
		Example: "  canopy issuer add-user ada@example.com --group developers",
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := issuerUsers(at)
			if err != nil {
				return err
			}
			password, err := users.Add(cmd.Context(), args[0], groups)
			if err != nil {
				return err
			}
			showPassword(cmd, args[0], password)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&groups, "group", nil, "group that the user is in; several are separated by commas")
	return cmd
}

func newIssuerResetCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "reset-password EMAIL", Short: "Give a user a new password, show it once, and log the user out", Args: cobra.ExactArgs(1),
		Example: "  canopy issuer reset-password admin@canopy.internal",
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := issuerUsers(at)
			if err != nil {
				return err
			}
			password, err := users.ResetPassword(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			showPassword(cmd, args[0], password)
			return nil
		},
	}
}

func newIssuerRemoveCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "remove-user EMAIL", Short: "Remove a user", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := issuerUsers(at)
			if err != nil {
				return err
			}
			return users.Remove(cmd.Context(), args[0])
		},
	}
}

// showPassword shows a password where nothing but it can be taken from, and says the rest beside.
func showPassword(cmd *cobra.Command, email, password string) {
	cmd.PrintErrf("The password of %s, which is shown this once and kept nowhere:\n", email)
	fmt.Fprintln(cmd.OutOrStdout(), password)
}
