// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/steps"
)

// newSeedCommand returns "canopy seed": add, drain, remove and list the clusters that host control planes.
func newSeedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Add, drain, remove and list the clusters that host the control planes of user clusters",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newSeedAddCommand(), newSeedDrainCommand(), newSeedRemoveCommand(), newSeedListCommand())
	return cmd
}

func newSeedListCommand() *cobra.Command {
	master := target{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the seeds: how they are, and how full",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := master.client()
			if err != nil {
				return err
			}
			seeds := &v1alpha1.SeedList{}
			if err := c.List(cmd.Context(), seeds); err != nil {
				return explainMaster(err)
			}
			return printSeeds(cmd.OutOrStdout(), seeds.Items, time.Now())
		},
	}
	master.addFlags(cmd.Flags(), "", "the master")
	return cmd
}

func newSeedDrainCommand() *cobra.Command {
	var undo bool
	master := target{}
	cmd := &cobra.Command{
		Use:   "drain NAME",
		Short: "Keep new clusters away from a seed; those that are there stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := master.client()
			if err != nil {
				return err
			}
			seed := &v1alpha1.Seed{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, seed); err != nil {
				return explainMaster(err)
			}
			before := seed.DeepCopy()
			seed.Spec.Drained = !undo
			if err := c.Patch(cmd.Context(), seed, client.MergeFrom(before)); err != nil {
				return fmt.Errorf("changing Seed %s: %w", seed.Name, err)
			}
			if undo {
				fmt.Fprintf(cmd.OutOrStdout(), "Seed %s takes new clusters.\n", seed.Name)
				return nil
			}
			clusters, err := clustersOn(cmd.Context(), c, seed.Name)
			if err != nil {
				return err
			}
			there := "none"
			if len(clusters) > 0 {
				there = fmt.Sprintf("%d, which stay", len(clusters))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Seed %s takes no new clusters; whoever wants one there is told so in its status. It has %s.\n\n"+
				"  canopy seed drain %[1]s --undo    # take new clusters again\n  canopy seed remove %[1]s          # once it has none\n", seed.Name, there)
			return nil
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "let new clusters come again")
	master.addFlags(cmd.Flags(), "", "the master")
	return cmd
}

func newSeedRemoveCommand() *cobra.Command {
	var timeout time.Duration
	master := target{}
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a seed that has no clusters, with all that the master has installed there",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := master.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return removeSeed(ctx, cmd.OutOrStdout(), c, args[0])
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait; the removal goes on without")
	master.addFlags(cmd.Flags(), "", "the master")
	return cmd
}

func removeSeed(ctx context.Context, out io.Writer, c client.WithWatch, name string) error {
	seed := &v1alpha1.Seed{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, seed); err != nil {
		return explainMaster(err)
	}
	clusters, err := clustersOn(ctx, c, name)
	if err != nil {
		return err
	}
	if len(clusters) > 0 {
		return fmt.Errorf("seed %s has %d clusters: delete them first, such as the Cluster %s of %s. Until then, keep new ones away: canopy seed drain %[1]s", name, len(clusters), clusters[0].Name, clusters[0].Namespace)
	}
	managed := seed.Spec.KubeconfigSecretName != "" && seed.Spec.Install != v1alpha1.InstallManual
	progress := steps.New(out, isTerminal(out))
	err = steps.Run(ctx, progress, []steps.Step{{Name: "remove seed " + name, Run: func(ctx context.Context) error {
		if err := client.IgnoreNotFound(c.Delete(ctx, seed)); err != nil {
			return err
		}
		return awaitSeed(ctx, progress, c, name, nil)
	}}})
	if err != nil {
		return err
	}
	if managed {
		fmt.Fprintf(out, "\nWhat the master had installed on %s is gone, and so is its account there. The kinds are still known there, with no objects\n"+
			"of them: kubectl get crd -o name | grep -e canopy.dev -e cluster.x-k8s.io | xargs kubectl delete, with the seed's kubeconfig.\n", name)
		return nil
	}
	fmt.Fprintf(out, "\nThe master has forgotten seed %s. What is installed there is as it was.\n", name)
	return nil
}

// clustersOn returns the clusters that are placed on a seed.
func clustersOn(ctx context.Context, c client.Client, seed string) ([]v1alpha1.Cluster, error) {
	clusters := &v1alpha1.ClusterList{}
	if err := c.List(ctx, clusters, client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("status.seed", seed)}); err != nil {
		return nil, fmt.Errorf("listing the clusters of seed %s: %w", seed, err)
	}
	return clusters.Items, nil
}

// awaitSeed watches a Seed until done says so, or, without done, until it is gone. Each new reason is a line of detail.
func awaitSeed(ctx context.Context, detail io.Writer, c client.WithWatch, name string, done func(*v1alpha1.Seed) (bool, error)) error {
	const silent = "the master has said nothing of it: see whether it runs (canopy install status)"
	said := ""
	look := func(seed *v1alpha1.Seed) (bool, error) {
		if ready := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
			if now := ready.Reason + ": " + ready.Message; now != said {
				fmt.Fprintln(detail, now)
				said = now
			}
		}
		if done == nil {
			return false, nil
		}
		return done(seed)
	}
	for {
		list := &v1alpha1.SeedList{}
		selected := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)}
		if err := c.List(ctx, list, selected); err != nil {
			return timedOut(err, cmp.Or(said, silent))
		}
		if len(list.Items) == 0 {
			return nil
		}
		if ok, err := look(&list.Items[0]); ok || err != nil {
			return err
		}
		watcher, err := c.Watch(ctx, list, selected, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
		if err != nil {
			return timedOut(err, cmp.Or(said, silent))
		}
		ended, err := follow(watcher, look)
		watcher.Stop()
		if ended || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return timedOut(ctx.Err(), cmp.Or(said, silent))
		}
	}
}

// follow returns true when there is nothing more to wait for, and false when the API server has ended the watch.
func follow(watcher watch.Interface, look func(*v1alpha1.Seed) (bool, error)) (bool, error) {
	for event := range watcher.ResultChan() {
		seed, ok := event.Object.(*v1alpha1.Seed)
		if !ok {
			return false, nil
		}
		if event.Type == watch.Deleted {
			return true, nil
		}
		if ok, err := look(seed); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func timedOut(err error, last string) error {
	if errors.Is(err, context.DeadlineExceeded) && last != "" {
		return fmt.Errorf("it is not done yet: %s", last)
	}
	return err
}

func (t *target) client() (client.WithWatch, error) {
	config, err := t.load()
	if err != nil {
		return nil, err
	}
	return newClient(config)
}

// explainMaster says what to do where a cluster has no master.
func explainMaster(err error) error {
	if meta.IsNoMatchError(err) {
		return errors.New("the cluster of the kubeconfig knows no Seeds, so it is no master: name another with --kubeconfig and --context, or install one with canopy install apply")
	}
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: there are those of canopy seed list", err)
	}
	return err
}

func printSeeds(out io.Writer, seeds []v1alpha1.Seed, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tREADY\tREASON\tLOCATION\tKUBERNETES\tCANOPY\tCLUSTERS\tNODES\tCPU\tMEMORY\tPODS\tCONTACT")
	for i := range seeds {
		seed := &seeds[i]
		ready, reason := "Unknown", "-"
		if condition := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionReady); condition != nil {
			ready, reason = string(condition.Status), condition.Reason
		}
		if seed.Spec.Drained {
			reason += ",Drained"
		}
		nodes, cpu, memory, pods := "-", "-", "-", "-"
		if capacity := seed.Status.Capacity; capacity != nil {
			nodes = fmt.Sprint(capacity.Nodes)
			cpu, memory, pods = share(capacity.CPU), share(capacity.Memory), share(capacity.Pods)
		}
		contact := "-"
		if seed.Status.LastContact != nil {
			contact = duration.HumanDuration(now.Sub(seed.Status.LastContact.Time)) + " ago"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", seed.Name, ready, reason, orDash(seed.Spec.Location), orDash(seed.Status.KubernetesVersion),
			orDash(seed.Status.InstalledVersion), seed.Status.Clusters, nodes, cpu, memory, pods, contact)
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// share says how much is asked for of how much, such as "3.2/8 40%".
func share(use v1alpha1.ResourceUse) string {
	if use.Allocatable.IsZero() {
		return "-"
	}
	percent := 100 * use.Requested.AsApproximateFloat64() / use.Allocatable.AsApproximateFloat64()
	return fmt.Sprintf("%s/%s %.0f%%", short(use.Requested), short(use.Allocatable), percent)
}

// short returns a quantity as people write it: whole or tenths, in GiB where it is that large.
func short(q resource.Quantity) string {
	const gib = 1 << 30
	v := q.AsApproximateFloat64()
	if v >= gib {
		return fmt.Sprintf("%.1fGi", v/gib)
	}
	if v == float64(int64(v)) && v < 1e5 {
		return fmt.Sprintf("%d", int64(v))
	}
	if v < 1e5 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0fMi", v/(1<<20))
}
