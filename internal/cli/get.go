// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/url"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/output"
)

// getOptions are the flags of "canopy get".
type getOptions struct {
	clientFlags
	output.Options

	choice   choice
	selector string
	all      bool
	watch    bool
}

// newGetCommand returns "canopy get": lists of things, and things themselves.
func newGetCommand() *cobra.Command {
	o := &getOptions{}
	cmd := &cobra.Command{
		Use:     "get KIND [NAME...]",
		Short:   "List things, or show some of them",
		GroupID: groupUse,
		Long: `List things, or show some of them.

Kinds are ` + sentence(nounNames(func(*noun) bool { return true })) + `.
Each has a singular and a short name, too: canopy get cl, canopy get cluster/demo.

Without a project, clusters of all your projects are listed. Where you have one project only, it need not be named.

Sizes, regions, zones, images, networks and subnets are what a provider has to choose from at a datacenter, with the credentials of a preset.`,
		Example: `  canopy get clusters
  canopy get clusters -o wide --sort-by version
  canopy get cluster demo -o yaml
  canopy get clusters -l team=shop -o jsonpath='{.items[*].metadata.name}'
  canopy get nodepools --cluster demo
  canopy get sizes --datacenter aws-frankfurt --preset aws
  canopy get clusters --watch`,
		ValidArgsFunction: completeReferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args)
		},
	}
	o.add(cmd)
	o.addCluster(cmd)
	o.AddFlags(cmd.Flags())
	o.choice.add(cmd)
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "only what has these labels, such as team=shop,stage!=test")
	cmd.Flags().BoolVarP(&o.all, "all-projects", "A", false, "of all your projects, whichever is chosen")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "go on with every change")
	complete(cmd, "output", completeFormats)
	return cmd
}

func (o *getOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.Validate(); err != nil {
		return err
	}
	references, err := parseReferences(args)
	if err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	s.choice = o.choice
	if o.watch {
		return o.watchAll(cmd.Context(), s, references)
	}
	kinds := slices.CompactFunc(slices.Clone(references), func(a, b reference) bool { return a.noun == b.noun })
	for i, kind := range kinds {
		if i > 0 && !o.Machine() {
			s.printf("\n")
		}
		var named []reference
		for _, ref := range references {
			if ref.noun == kind.noun && ref.name != "" {
				named = append(named, ref)
			}
		}
		if err := o.print(cmd.Context(), s, kind.noun, named); err != nil {
			return err
		}
	}
	return nil
}

// print writes the things of one kind: all, or those that are named.
func (o *getOptions) print(ctx context.Context, s *session, n *noun, named []reference) error {
	if len(named) == 0 {
		list, err := s.list(ctx, n, o.all, o.query())
		if err != nil {
			return err
		}
		if err := o.Print(s.out, n.table(), list.Items, false); err != nil {
			return err
		}
		s.warnMissing(list.Missing)
		if len(list.Items) == 0 && !o.Machine() {
			s.say("There are no %s%s.\n", n.plural, s.whereText(n))
			if n.kind == "Cluster" {
				s.next("%s create cluster NAME", self())
			}
		}
		return nil
	}
	var items []unstructured.Unstructured
	for _, ref := range named {
		found, err := s.find(ctx, ref)
		if err != nil {
			return err
		}
		items = append(items, *found.object)
	}
	return o.Print(s.out, n.table(), items, len(named) == 1)
}

func (o *getOptions) query() url.Values {
	if o.selector == "" {
		return nil
	}
	return url.Values{"labelSelector": {o.selector}}
}

// whereText says in which place there is nothing.
func (s *session) whereText(n *noun) string {
	switch {
	case n.scope == global || s.current.Project == "":
		return ""
	case n.scope == inCluster && s.current.Cluster != "":
		return " in the cluster " + s.current.Cluster
	}
	return " in the project " + s.current.Project
}
