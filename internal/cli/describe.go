// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// newDescribeCommand returns "canopy describe".
func newDescribeCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:     "describe KIND NAME...",
		Short:   "Show all that there is to know about something: how far it is, why, and what happened",
		GroupID: groupUse,
		Example: "  canopy describe cluster demo\n  canopy describe nodepool/demo-workers",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			references, err := parseReferences(args)
			if err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			for k, ref := range references {
				if ref.name == "" {
					return output.Usage("say which %s, by name", ref.noun.name)
				}
				if k > 0 {
					s.printf("\n")
				}
				i, err := s.find(cmd.Context(), ref)
				if err != nil {
					return err
				}
				if err := s.describe(cmd.Context(), i); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: completeReferences,
	}
	f.add(cmd)
	f.addCluster(cmd)
	return cmd
}

// describe writes what is known of a thing: its columns, its stages and conditions, its spec, and what happened.
func (s *session) describe(ctx context.Context, i item) error {
	style := output.StyleOf(s.out)
	values, err := i.noun.row(i.object)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for k, column := range i.noun.columns {
		fmt.Fprintf(table, "%s:\t%s\n", column.Name, cmp.Or(values[k], "-"))
	}
	for _, key := range sortedKeys(i.object.GetLabels()) {
		fmt.Fprintf(table, "Label:\t%s=%s\n", key, i.object.GetLabels()[key])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if stages, _, err := stagesOf(i.object); err == nil && (i.noun.kind == "Cluster" || i.noun.kind == "NodePool") {
		s.heading(style, "Progress")
		for _, stage := range stages {
			s.printf("  %s %-14s %s\n", mark(style, stage.Done), stage.Name, stage.Message)
		}
	}
	s.describeComponents(style, i.object)
	s.describeConditions(style, i.object)
	if spec, ok := i.object.Object["spec"].(map[string]any); ok {
		text, err := toYAML(&unstructured.Unstructured{Object: spec})
		if err != nil {
			return err
		}
		s.heading(style, "Spec")
		s.printf("  %s\n", strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  "))
	}
	return s.describeEvents(ctx, style, i)
}

func (s *session) heading(style output.Style, text string) { s.printf("\n%s\n", style.Bold(text)) }

func mark(style output.Style, good bool) string {
	if good {
		return style.Good("✓")
	}
	return style.Waiting("…")
}

// describeComponents lists the components of a cluster that are not as they should be, and counts the others.
func (s *session) describeComponents(style output.Style, u *unstructured.Unstructured) {
	components, _, _ := unstructured.NestedSlice(u.Object, "status", "components")
	if len(components) == 0 {
		return
	}
	s.heading(style, "Components")
	var healthy []string
	for _, c := range components {
		component, ok := c.(map[string]any)
		if !ok {
			continue
		}
		if component["ready"] == true {
			healthy = append(healthy, fmt.Sprint(component["name"]))
			continue
		}
		s.printf("  %s %-24v %v  %v\n", mark(style, false), component["name"], component["reason"], orEmpty(component["message"]))
	}
	if len(healthy) > 0 {
		s.printf("  %s %s\n", mark(style, true), strings.Join(healthy, ", "))
	}
}

func orEmpty(value any) any {
	if value == nil {
		return ""
	}
	return value
}

func (s *session) describeConditions(style output.Style, u *unstructured.Unstructured) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	if len(conditions) == 0 {
		return
	}
	s.heading(style, "Conditions")
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok {
			fmt.Fprintf(table, "  %v\t%v\t%v\t%v\n", condition["type"], condition["status"], condition["reason"], orEmpty(condition["message"]))
		}
	}
	_ = table.Flush() // the next write to the same writer fails, too
}

func (s *session) describeEvents(ctx context.Context, style output.Style, i item) error {
	if i.noun.scope == global {
		return nil
	}
	events, err := s.events(ctx, i.project, i.cluster, func(e *event) bool { return e.concerns(i.noun.kind, i.name) })
	if api.IsForbidden(err) || api.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return explain("reading the events of "+i.String(), err)
	}
	s.heading(style, "Events")
	if len(events) == 0 {
		s.printf("  none in the last hour\n")
	}
	return printEvents(s.out, "  ", events)
}

// newStatusCommand returns "canopy status": what is wrong, and who has to do something about it.
func newStatusCommand() *cobra.Command {
	var (
		f clientFlags
		o output.Options
	)
	cmd := &cobra.Command{
		Use:     "status [CLUSTER]",
		Short:   "Show what is not as it should be, and why",
		GroupID: groupUse,
		Long: `Show what is not as it should be, and why: of one cluster, or of all that you may see. The exit code is 1 if there is anything.

For the parts of a platform on this machine, see canopy local status.`,
		Example: "  canopy status\n  canopy status demo\n  canopy status -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			problems, total, err := s.problems(cmd.Context(), args)
			if err != nil {
				return err
			}
			if err := printProblems(s.out, &o, problems); err != nil {
				return err
			}
			if len(problems) > 0 {
				return output.Silent(output.ExitFailed)
			}
			s.say("%s All is well: %d looked at.\n", s.style.Good("✓"), total)
			return nil
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	o.AddFlags(cmd.Flags())
	return cmd
}

// trouble is one thing that is not as it should be.
type trouble struct {
	Object  string `json:"object"`
	Project string `json:"project,omitempty"`
	Status  string `json:"status"`
	Owner   string `json:"owner"` // who has to do something: user, operator, or nobody while it is on its way
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// problems looks at the cluster that is named, or at all clusters and, for those who may see them, seeds.
func (s *session) problems(ctx context.Context, names []string) (found []trouble, total int, err error) {
	clusters, err := findNoun("cluster")
	if err != nil {
		return nil, 0, err
	}
	if len(names) > 0 {
		i, err := s.find(ctx, reference{clusters, names[0]})
		if err != nil {
			return nil, 0, err
		}
		return troublesOf(i.noun, i.object), 1, nil
	}
	for _, kind := range []string{"cluster", "project", "seed"} {
		n, err := findNoun(kind)
		if err != nil {
			return nil, 0, err
		}
		list, err := s.list(ctx, n, false, nil)
		var problem *api.ProblemError
		if kind == "seed" && errors.As(err, &problem) && (api.IsForbidden(err) || api.IsNotFound(err)) {
			continue // seeds are for operators
		}
		if err != nil {
			return nil, 0, err
		}
		s.warnMissing(list.Missing)
		total += len(list.Items)
		for i := range list.Items {
			found = append(found, troublesOf(n, &list.Items[i])...)
		}
	}
	return found, total, nil
}

// troublesOf says what is wrong with an object, which is one thing at the most: what it waits for first.
func troublesOf(n *noun, u *unstructured.Unstructured) []trouble {
	word := statusWord(u)
	if strings.TrimSuffix(word, ",Drained") == "Ready" || word == "" {
		return nil
	}
	ref := reference{n, u.GetName()}
	t := trouble{Object: ref.String(), Project: projectOf(u), Status: word, Owner: "nobody", Message: deletionMessage(u)}
	if n.scope == global {
		t.Project = ""
	}
	stages, stuck, err := stagesOf(u)
	switch {
	case err == nil && stuck != "":
		t.Owner, t.Message, t.Next = "user", stuck, self()+" describe "+t.Object
	case word == "Unknown" || n.kind == "Seed" || word == v1alpha1.ReasonSeedNotConnected:
		t.Owner = "operator"
	case err == nil && firstWaiting(stages) != "" && u.GetDeletionTimestamp() == nil:
		t.Message = firstWaiting(stages)
	}
	if strings.HasSuffix(word, ",Paused") {
		t.Owner, t.Message, t.Next = "user", "it is paused, so changes wait", self()+" resume "+u.GetName()
	}
	return []trouble{t}
}

func printProblems(out io.Writer, o *output.Options, problems []trouble) error {
	var items []unstructured.Unstructured
	for _, p := range problems {
		content, err := toMap(p)
		if err != nil {
			return err
		}
		items = append(items, unstructured.Unstructured{Object: content})
	}
	return o.Print(out, output.Table{
		Noun: "problem", Columns: columns("Object", "Project", "Status", "Who acts", "Why", "Next"),
		Row: valuesAt("object", "project", "status", "owner", "message", "next"),
	}, items, false)
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
