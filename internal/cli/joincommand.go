// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/cli/api"
)

// newJoinCommand returns "canopy join-command".
func newJoinCommand() *cobra.Command {
	var (
		f    clientFlags
		pool string
		ttl  time.Duration
	)
	cmd := &cobra.Command{
		Use:     "join-command CLUSTER",
		Short:   "Print a command that makes a machine of your own a node",
		GroupID: groupUse,
		Long: `Print a command that makes a machine of your own a node of a pool with the provider bringYourOwn.

Run it on the machine, as root or with sudo. It is one line, needs nothing but the way to the cluster's API, and is good for one machine
and a short time; there is a credential in it. Each machine needs a command of its own.`,
		Example: "  canopy join-command demo --pool own\n  canopy join-command demo --pool own --ttl 10m --quiet | ssh machine.example.com sh",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			i, err := s.findCluster(cmd.Context(), args[0], "no machine can join %s")
			if err != nil {
				return err
			}
			var made struct {
				Machine string    `json:"machine"`
				Command string    `json:"command"`
				Expires time.Time `json:"expires"`
			}
			path := api.Path("projects", i.project, "clusters", i.name, "nodepools", pool, "join-command")
			request := api.Request{Method: http.MethodPost, Path: path, Body: map[string]any{"ttl": ttl.String()}}
			if err := s.client.Into(cmd.Context(), request, &made); err != nil {
				return explain("asking for a command", err)
			}
			s.printf("%s\n", made.Command)
			s.say("Run this on one machine until %s. It becomes %s.\n", made.Expires.Local().Format(time.DateTime), made.Machine)
			s.next("%s get machines --cluster %s", self(), i.name)
			return nil
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	cmd.Flags().StringVar(&pool, "pool", "", "the node pool, whose provider is bringYourOwn")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the command is good for: between ten minutes and a day")
	if err := cmd.MarkFlagRequired("pool"); err != nil {
		panic(err) // the flag is three lines above
	}
	return cmd
}
