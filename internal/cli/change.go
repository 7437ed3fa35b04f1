// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// scaleOptions are the flags of "canopy scale".
type scaleOptions struct {
	clientFlags
	waitFlags
	rangeFlags

	dry   string
	fixed bool
}

// newScaleCommand returns "canopy scale".
func newScaleCommand() *cobra.Command {
	o := &scaleOptions{}
	cmd := &cobra.Command{
		Use:     "scale NODEPOOL [REPLICAS]",
		Short:   "Change how many machines a node pool has, and wait until they are there",
		GroupID: groupUse,
		Example: `  canopy scale demo-workers 3
  canopy scale demo-workers --min-replicas 1 --max-replicas 5     # as many as pods ask for
  canopy scale demo-workers 3 --no-autoscaling`,
		Args:              cobra.RangeArgs(1, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
		ValidArgsFunction: completeNames("nodepool"),
	}
	o.clientFlags.add(cmd)
	o.addCluster(cmd)
	o.waitFlags.add(cmd)
	o.rangeFlags.add(cmd)
	addDryRun(cmd, &o.dry)
	cmd.Flags().BoolVar(&o.fixed, "no-autoscaling", false, "the pool has REPLICAS machines from now on, whatever pods ask for")
	return cmd
}

func (o *scaleOptions) run(cmd *cobra.Command, args []string) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	ref, err := parseReference(args[0], "nodepool")
	if err != nil {
		return err
	}
	if ref.noun.kind != "NodePool" {
		return output.Usage("only node pools can be scaled, not %s", ref)
	}
	autoscaling, err := o.autoscaling(cmd)
	if err != nil {
		return err
	}
	if (autoscaling == nil) != (len(args) == 2) || o.fixed && autoscaling != nil {
		return output.Usage("give either a number of machines, or --min-replicas and --max-replicas")
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	i, err := s.find(cmd.Context(), ref)
	if err != nil {
		return err
	}
	if autoscaling != nil {
		patch := map[string]any{"spec": map[string]any{"autoscaling": autoscaling}}
		done := fmt.Sprintf("is scaled between %d and %d machines", *autoscaling.MinReplicas, autoscaling.MaxReplicas)
		return s.patchItem(cmd.Context(), i, patchOptions{wait: &o.waitFlags, dry: o.dry, patch: patch, done: done})
	}
	replicas, err := strconv.ParseUint(args[1], 10, 31)
	if err != nil {
		return output.Usage("%q is no number of machines", args[1])
	}
	pool := &v1alpha1.NodePool{}
	if err := fromUnstructured(i.object, pool); err != nil {
		return err
	}
	spec := map[string]any{"replicas": replicas}
	if pool.Spec.Autoscaling != nil {
		if !o.fixed {
			return output.Usage("%s is scaled by what pods ask for, to %s machines: change the range with --min-replicas and --max-replicas, or say --no-autoscaling, too", i, wantedOf(pool))
		}
		spec["autoscaling"] = nil
	}
	return s.patchItem(cmd.Context(), i, patchOptions{wait: &o.waitFlags, dry: o.dry, patch: map[string]any{"spec": spec}, done: fmt.Sprintf("has %d machines", replicas)})
}

// rangeFlags are the range in which a pool is scaled.
type rangeFlags struct{ least, most int32 }

func (f *rangeFlags) add(cmd *cobra.Command) {
	cmd.Flags().Int32Var(&f.least, "min-replicas", 0, "with --max-replicas: at least so many machines, and as many as pods ask for")
	cmd.Flags().Int32Var(&f.most, "max-replicas", 0, "with --min-replicas: at most so many machines")
	cmd.MarkFlagsRequiredTogether("min-replicas", "max-replicas")
}

// autoscaling returns the range; nil: none is given.
func (f *rangeFlags) autoscaling(cmd *cobra.Command) (*hostingv1alpha1.Autoscaling, error) {
	if !cmd.Flags().Changed("max-replicas") {
		return nil, nil
	}
	if f.least < 0 || f.most < max(f.least, 1) {
		return nil, output.Usage("there is no number of machines from %d to %d, of which one at least can be there", f.least, f.most)
	}
	return &hostingv1alpha1.Autoscaling{MinReplicas: &f.least, MaxReplicas: f.most}, nil
}

// patchOptions say what a verb that changes one thing does.
type patchOptions struct {
	wait  *waitFlags // nil: there is nothing to wait for
	dry   string
	patch map[string]any
	done  string // what the thing is or has afterwards
}

// patch changes one thing, and waits until it is so.
func (f *clientFlags) patch(cmd *cobra.Command, ref reference, o patchOptions) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	s, err := f.open(cmd)
	if err != nil {
		return err
	}
	i, err := s.find(cmd.Context(), ref)
	if err != nil {
		return err
	}
	return s.patchItem(cmd.Context(), i, o)
}

func (s *session) patchItem(ctx context.Context, i item, o patchOptions) error {
	if o.dry == dryRunClient {
		s.printf("%s %s (dry run)\n", i, o.done)
		return nil
	}
	i, err := s.change(ctx, i, o.dry == dryRunServer, o.patch)
	if err != nil {
		return err
	}
	if o.dry == dryRunServer {
		s.printf("%s %s (server dry run)\n", i, o.done)
		return nil
	}
	if o.wait != nil && !o.wait.noWait {
		if err := s.awaitReady(ctx, i, o.wait); err != nil {
			return err
		}
	}
	s.printf("%s %s\n", i, o.done)
	if o.wait != nil && o.wait.noWait {
		s.next("%s wait %s -p %s --for=condition=Ready", self(), i, i.project)
	} else {
		s.next("%s describe %s -p %s", self(), i, i.project)
	}
	return nil
}

// newPauseCommand returns "canopy pause", and newResumeCommand "canopy resume".
func newPauseCommand() *cobra.Command {
	return newPausedCommand("pause", true, "Leave a cluster as it is: changes wait, and its machines rest", "is paused")
}

func newResumeCommand() *cobra.Command {
	return newPausedCommand("resume", false, "Go on with a cluster that was paused", "goes on")
}

func newPausedCommand(verb string, paused bool, short, done string) *cobra.Command {
	var (
		f   clientFlags
		dry string
	)
	cmd := &cobra.Command{
		Use: verb + " CLUSTER", Short: short, GroupID: groupUse, Example: "  canopy " + verb + " demo", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := clusterReference(args[0])
			if err != nil {
				return err
			}
			return f.patch(cmd, ref, patchOptions{dry: dry, patch: map[string]any{"spec": map[string]any{"paused": paused}}, done: done})
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	addDryRun(cmd, &dry)
	return cmd
}

// clusterReference reads the name of a cluster, with or without its kind.
func clusterReference(arg string) (reference, error) {
	ref, err := parseReference(arg, "cluster")
	if err == nil && ref.noun.kind != "Cluster" {
		return ref, output.Usage("say a cluster, not %s", ref)
	}
	return ref, err
}

// upgradeOptions are the flags of "canopy upgrade".
type upgradeOptions struct {
	clientFlags
	waitFlags

	to   string
	plan bool
	dry  string
}

// newUpgradeCommand returns "canopy upgrade".
func newUpgradeCommand() *cobra.Command {
	o := &upgradeOptions{}
	cmd := &cobra.Command{
		Use:     "upgrade CLUSTER",
		Short:   "Bring a cluster to a newer version of Kubernetes, and wait until it has it",
		GroupID: groupUse,
		Long: `Bring a cluster to a newer version of Kubernetes: the newest that it can have now, or the one that --to says. First the control plane
gets it, then the node pools that have no version of their own, one machine after the other. --plan shows what can be had and changes
nothing.`,
		Example: "  canopy upgrade demo --plan\n  canopy upgrade demo\n  canopy upgrade demo --to 1.37.2 --no-wait",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },

		ValidArgsFunction: completeNames("cluster"),
	}
	o.clientFlags.add(cmd)
	o.addProject(cmd)
	o.waitFlags.add(cmd)
	addDryRun(cmd, &o.dry)
	cmd.Flags().StringVar(&o.to, "to", "", "version to upgrade to")
	cmd.Flags().BoolVar(&o.plan, "plan", false, "show what is possible, and what would change")
	return cmd
}

func (o *upgradeOptions) run(cmd *cobra.Command, name string) error {
	ctx := cmd.Context()
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	ref, err := clusterReference(name)
	if err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	i, err := s.find(ctx, ref)
	if err != nil {
		return err
	}
	cluster := &v1alpha1.Cluster{}
	if err := fromUnstructured(i.object, cluster); err != nil {
		return err
	}
	if o.plan {
		return s.planUpgrade(ctx, i)
	}
	to := o.to
	if to == "" {
		if to = upgradeOf(cluster); to == "" {
			s.say("%s has %s, and there is nothing newer that it could have now.\n", i, cluster.Spec.Version)
			return nil
		}
	}
	if to == cluster.Spec.Version {
		s.say("%s is to have %s already.\n", i, to)
	}
	patch := map[string]any{"spec": map[string]any{"version": to}}
	return s.patchItem(ctx, i, patchOptions{wait: &o.waitFlags, dry: o.dry, patch: patch, done: fmt.Sprintf("has Kubernetes %s (before: %s)", to, cluster.Status.Version)})
}

// planUpgrade shows each newer version, whether the cluster can have it now, and how many machines that replaces.
func (s *session) planUpgrade(ctx context.Context, i item) error {
	var plan struct {
		Version  string `json:"version"`
		Target   string `json:"target"`
		Message  string `json:"message"`
		Upgrades []struct {
			Version   string `json:"version"`
			Possible  bool   `json:"possible"`
			Problem   string `json:"problem"`
			EndOfLife string `json:"endOfLife"`
		} `json:"upgrades"`
	}
	if err := s.client.Into(ctx, api.Request{Path: api.Path("projects", i.project, "clusters", i.name, "upgrades")}, &plan); err != nil {
		return explain("asking what "+i.String()+" can be upgraded to", err)
	}
	pools, err := s.poolsOf(ctx, i)
	if err != nil {
		return err
	}
	s.printf("%s has %s. %s\n", i, plan.Version, plan.Message)
	if plan.Target != "" && plan.Target != plan.Version {
		s.printf("It is on its way to %s.\n", plan.Target)
	}
	if len(plan.Upgrades) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nFROM\tTO\tPOSSIBLE\tMACHINES REPLACED\tFIXES UNTIL")
	best := ""
	for _, to := range plan.Upgrades {
		possible := "no: " + to.Problem
		if to.Possible {
			possible, best = "yes", to.Version
		}
		replaced := int32(0)
		for _, pool := range pools {
			if pool.Spec.Version == "" {
				replaced += pool.Status.Replicas
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", plan.Version, to.Version, possible, replaced, cmp.Or(to.EndOfLife, "-"))
	}
	if err := table.Flush(); err != nil || best == "" {
		return err
	}
	s.next("%s upgrade %s -p %s --to %s", self(), i.name, i.project, best)
	return nil
}

func (s *session) poolsOf(ctx context.Context, cluster item) ([]v1alpha1.NodePool, error) {
	list, err := s.client.List(ctx, api.Path("projects", cluster.project, "clusters", cluster.name, "nodepools"), nil)
	if err != nil {
		return nil, explain("listing the node pools of "+cluster.String(), err)
	}
	pools := make([]v1alpha1.NodePool, len(list.Items))
	for k := range list.Items {
		if err := fromUnstructured(&list.Items[k], &pools[k]); err != nil {
			return nil, err
		}
	}
	return pools, nil
}
