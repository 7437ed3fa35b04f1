// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
	"canopy.dev/canopy/internal/controlplane"
)

// newLogsCommand returns "canopy logs".
func newLogsCommand() *cobra.Command {
	var (
		f                clientFlags
		component        string
		follow, previous bool
		tail             int
	)
	cmd := &cobra.Command{
		Use:   "logs CLUSTER",
		Short: "Show the log of a component of a cluster's control plane",
		Long: "Show the log of a component that runs on the seed. Those of what runs in the cluster shows kubectl logs.\n\n" +
			"With --follow it goes on until the component's pod is replaced, and for an hour at the most.",
		GroupID: groupUse,
		Example: "  canopy logs cluster/demo --component kube-apiserver -f\n  canopy logs demo --component etcd --tail 1000\n  canopy logs demo --component kube-scheduler --previous",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tail < 1 {
				return output.Usage("--tail must be 1 or more lines")
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			i, err := s.findCluster(cmd.Context(), args[0], "%s has no logs here")
			if err != nil {
				return err
			}
			resp, err := s.client.Do(cmd.Context(), api.Request{
				Path: api.Path("projects", i.project, "clusters", i.name, "components", component, "logs"), Header: http.Header{"Accept": {"text/plain"}},
				Query: url.Values{"follow": {strconv.FormatBool(follow)}, "previous": {strconv.FormatBool(previous)}, "tailLines": {strconv.Itoa(tail)}},
			})
			if err != nil {
				return explain("reading the log of "+component, err)
			}
			defer resp.Body.Close()
			_, err = io.Copy(s.out, resp.Body)
			return explain("reading the log of "+component, err)
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	cmd.Flags().StringVarP(&component, "component", "c", controlplane.APIServer, "whose log")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on")
	cmd.Flags().BoolVar(&previous, "previous", false, "that of the run before, of a component that has ended")
	cmd.Flags().IntVar(&tail, "tail", 200, "with how many of the last lines to begin")
	complete(cmd, "component", cobra.FixedCompletions(controlplane.WithLogs(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
