// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// deleteOptions are the flags of "canopy delete".
type deleteOptions struct {
	clientFlags
	waitFlags

	file string
	yes  bool
	dry  string
}

// newDeleteCommand returns "canopy delete".
func newDeleteCommand() *cobra.Command {
	o := &deleteOptions{}
	cmd := &cobra.Command{
		Use:     "delete KIND NAME... | -f FILE",
		Short:   "Delete things, after showing what goes with them",
		GroupID: groupUse,
		Long: `Delete things, after showing what goes with them. A cluster is only deleted when you type its name, or with --yes.

The command waits until all is gone. Ctrl-C does not stop the deletion; run the same command again to go on waiting.`,
		Example: `  canopy delete cluster shop
  canopy delete nodepool shop-workers --yes
  canopy delete machine shop-workers-x7k2p-9vq4d --cluster shop
  canopy delete -f shop.yaml --yes`,
		ValidArgsFunction: completeReferences,
		RunE:              o.run,
	}
	o.clientFlags.add(cmd)
	o.addCluster(cmd)
	o.waitFlags.add(cmd)
	addDryRun(cmd, &o.dry)
	cmd.Flags().StringVarP(&o.file, "filename", "f", "", "delete what the documents in this file name; - is standard input")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *deleteOptions) run(cmd *cobra.Command, args []string) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	items, err := o.items(cmd.Context(), s, args)
	if err != nil {
		return err
	}
	for _, i := range items {
		if err := o.remove(cmd.Context(), s, i); err != nil {
			return err
		}
	}
	return nil
}

// items finds what is to be deleted, all of it before anything is.
func (o *deleteOptions) items(ctx context.Context, s *session, args []string) ([]item, error) {
	if o.file != "" {
		if len(args) > 0 {
			return nil, output.Usage("say either names or -f, not both")
		}
		return o.inFile(ctx, s)
	}
	references, err := parseReferences(args)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, ref := range references {
		if ref.name == "" {
			return nil, output.Usage("say which %s, by name", ref.noun.name)
		}
		if ref.noun.readOnly {
			return nil, output.Usage("%s cannot be deleted", ref.noun.plural)
		}
		if ref.noun.name == "machine" && s.current.Cluster == "" {
			return nil, output.Usage("say of which cluster the machine is, with --cluster")
		}
		found, err := s.find(ctx, ref)
		if err != nil {
			return nil, err
		}
		items = append(items, found)
	}
	return items, nil
}

// inFile returns what the documents name and there is, the last first: what is in a cluster goes before the cluster.
func (o *deleteOptions) inFile(ctx context.Context, s *session) ([]item, error) {
	documents, err := readDocuments(s.in, o.file)
	if err != nil {
		return nil, err
	}
	var items []item
	for i := len(documents) - 1; i >= 0; i-- {
		found, err := s.locate(ctx, &documents[i])
		if err != nil {
			return nil, err
		}
		found.object, err = s.client.Object(ctx, api.Request{Path: found.path()})
		if api.IsNotFound(err) {
			s.say("%s is not there.\n", found)
			continue
		}
		if err != nil {
			return nil, explain("reading "+found.String(), err)
		}
		items = append(items, found)
	}
	return items, nil
}

func (o *deleteOptions) remove(ctx context.Context, s *session, i item) error {
	if o.dry == dryRunClient {
		s.printf("%s would be deleted (dry run)\n", i)
		return nil
	}
	if i.object.GetDeletionTimestamp() == nil {
		if err := o.confirm(ctx, s, i); err != nil {
			return err
		}
		request := api.Request{Method: http.MethodDelete, Path: i.path(), Header: http.Header{"If-Match": {"*"}}, Query: dryRunQuery(o.dry == dryRunServer)}
		if err := s.client.Into(ctx, request, nil); err != nil && !api.IsNotFound(err) {
			return explain("deleting "+i.String(), err)
		}
	}
	if o.dry == dryRunServer {
		s.printf("%s would be deleted (server dry run)\n", i)
		return nil
	}
	if i.noun.name == "machine" {
		s.printf("%s is drained and deleted, and its pool makes another\n", i)
		return nil
	}
	if i.noun.kind != "Cluster" && i.noun.kind != "NodePool" && i.noun.kind != "Project" {
		s.printf("%s deleted\n", i)
		return nil
	}
	if o.noWait {
		s.printf("%s is being deleted\n", i)
		s.next("%s wait %s --for=deleted", self(), i)
		return nil
	}
	if err := s.awaitDeleted(ctx, i, &o.waitFlags); err != nil {
		return err
	}
	s.printf("%s deleted\n", i)
	if i.noun.kind == "Cluster" {
		s.forgetCluster(ctx, i)
	}
	return nil
}

// confirm shows what goes with it, and asks. A cluster is confirmed by its name, so that nobody deletes the wrong one by habit.
func (o *deleteOptions) confirm(ctx context.Context, s *session, i item) error {
	wanted, question := "y", fmt.Sprintf("Delete %s? [y/N] ", i)
	if i.noun.kind == "Cluster" {
		s.preview(ctx, i)
		wanted, question = i.name, fmt.Sprintf("This cannot be undone. Type the name of the cluster to delete it (%s): ", i.name)
	}
	if o.yes || o.dry != "" {
		return nil
	}
	if !output.IsTerminal(s.in) {
		return output.Usage("to delete %s without being asked, add --yes", i)
	}
	fmt.Fprint(s.err, question)
	answer, _ := bufio.NewReader(s.in).ReadString('\n') // an end of input is a no
	if answer = strings.TrimSpace(answer); answer != wanted && (wanted != "y" || !strings.EqualFold(answer, "yes")) {
		return &output.Error{Exit: output.ExitFailed, What: i.String() + " was not deleted", Why: "you did not confirm it"}
	}
	return nil
}

// preview lists what a cluster's deletion takes away.
func (s *session) preview(ctx context.Context, i item) {
	cluster := &v1alpha1.Cluster{}
	if err := fromUnstructured(i.object, cluster); err != nil {
		return
	}
	s.say("Deleting the cluster %s of the project %s, made %s ago, takes away:\n", s.style.Bold(i.name), i.project, age(cluster))
	s.say("  • its control plane in %s with all of its data\n", cluster.Spec.Datacenter)
	for _, pool := range cluster.Status.NodePools {
		s.say("  • the node pool %s with %d machines\n", pool.Name, pool.Replicas)
	}
	_ = ctx
}

func fromUnstructured(u *unstructured.Unstructured, into any) error {
	return converter.FromUnstructured(u.Object, into)
}

// waitFlags are those of commands that wait.
type waitFlags struct {
	noWait   bool
	timeout  time.Duration
	progress string
}

func (f *waitFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "do not wait until it is done")
	f.addTimeout(cmd)
}

func (f *waitFlags) addTimeout(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.timeout, "timeout", 15*time.Minute, "how long to wait; 0 is for ever")
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "how waiting is shown: auto, plain, json or none")
	complete(cmd, "progress", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"auto", "plain", "json", "none"}, cobra.ShellCompDirectiveNoFileComp
	})
}
