// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// event is what happened to something.
type event struct {
	Type     string    `json:"type"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message"`
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	Count    int32     `json:"count"`
	LastTime time.Time `json:"lastTime"`
}

func (e *event) concerns(kind, name string) bool {
	return strings.EqualFold(e.Kind, kind) && e.Name == name
}

// mostEvents is how many events are asked for, the newest.
const mostEvents = "500"

// events returns what happened in a project, or to a cluster, the oldest first.
func (s *session) events(ctx context.Context, project, cluster string, wanted func(*event) bool) ([]event, error) {
	path := api.Path("projects", project, "events")
	if cluster != "" {
		path = api.Path("projects", project, "clusters", cluster, "events")
	}
	var list struct {
		Items []event `json:"items"`
	}
	if err := s.client.Into(ctx, api.Request{Path: path, Query: url.Values{"pageSize": {mostEvents}}}, &list); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(list.Items, func(e event) bool { return !wanted(&e) })
	slices.SortStableFunc(found, func(a, b event) int { return a.LastTime.Compare(b.LastTime) })
	return found, nil
}

func printEvents(out io.Writer, indent string, events []event) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range events {
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s/%s\t%s\n", indent, since(e.LastTime), e.Type, e.Reason, strings.ToLower(e.Kind), e.Name, e.Message)
	}
	return table.Flush()
}

// newEventsCommand returns "canopy events".
func newEventsCommand() *cobra.Command {
	var (
		f      clientFlags
		only   string
		follow bool
	)
	cmd := &cobra.Command{
		Use:     "events [CLUSTER]",
		Short:   "Show what happened in the project, or to a cluster",
		GroupID: groupUse,
		Example: "  canopy events\n  canopy events demo --type=Warning\n  canopy events --follow",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if len(args) > 0 {
				ref, err := parseReference(args[0], "cluster")
				if err != nil {
					return err
				}
				i, err := s.find(ctx, ref)
				if err != nil {
					return err
				}
				s.current.Project, s.current.Cluster = i.project, i.name
			}
			project, err := s.project(ctx)
			if err != nil {
				return err
			}
			wanted := func(e *event) bool { return only == "" || strings.EqualFold(e.Type, only) }
			events, err := s.events(ctx, project, s.current.Cluster, wanted)
			if err != nil {
				return explain("reading the events", err)
			}
			if err := printEvents(s.out, "", events); err != nil || !follow {
				return err
			}
			return s.followEvents(ctx, project, s.current.Cluster, events, wanted)
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addCluster(cmd)
	cmd.Flags().StringVar(&only, "type", "", "only those of this type: Warning or Normal")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new ones")
	return cmd
}

// followEvents prints events that are new, until it is interrupted. It looks whenever a cluster or a pool changes, and every few seconds.
func (s *session) followEvents(ctx context.Context, project, cluster string, shown []event, wanted func(*event) bool) error {
	last := map[string]time.Time{}
	key := func(e *event) string { return strings.Join([]string{e.Kind, e.Name, e.Reason, e.Message}, "\x00") }
	for i := range shown {
		last[key(&shown[i])] = shown[i].LastTime
	}
	err := s.follow(ctx, []string{"clusters", "nodepools"}, project, func(ctx context.Context) (bool, error) {
		events, err := s.events(ctx, project, cluster, wanted)
		if err != nil {
			return false, err
		}
		fresh := slices.DeleteFunc(events, func(e event) bool { return !e.LastTime.After(last[key(&e)]) })
		for i := range fresh {
			last[key(&fresh[i])] = fresh[i].LastTime
		}
		return false, printEvents(s.out, "", fresh)
	})
	return explain("following the events", err)
}

// newWatchCommand returns "canopy watch": every change, as it comes.
func newWatchCommand() *cobra.Command {
	o := &getOptions{watch: true}
	cmd := &cobra.Command{
		Use:     "watch KIND [NAME]",
		Short:   "Show things, and every change of them",
		GroupID: groupUse,
		Example: "  canopy watch clusters\n  canopy watch cluster demo",
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },

		ValidArgsFunction: completeReferences,
	}
	o.add(cmd)
	o.addCluster(cmd)
	o.AddFlags(cmd.Flags())
	return cmd
}

// watchAll prints the things of one kind, and each again when it changes.
func (o *getOptions) watchAll(ctx context.Context, s *session, references []reference) error {
	n := references[0].noun
	for _, ref := range references {
		if ref.noun != n {
			return output.Usage("one kind can be watched at a time")
		}
	}
	project := ""
	if n.scope != global && (!n.everywhere || !o.all && s.current.Project != "") {
		var err error
		if project, err = s.project(ctx); err != nil {
			return err
		}
	}
	if o.Format == "" || o.Format == "table" || o.Format == "wide" {
		names := make([]string, 0, len(n.columns))
		for _, column := range n.columns {
			if !column.Wide || o.Format == "wide" {
				names = append(names, strings.ToUpper(column.Name))
			}
		}
		if !o.NoHeaders {
			s.printf("%s\n", padded(names))
		}
	}
	shown := map[string]string{}
	wanted := func(u *unstructured.Unstructured) bool {
		return slices.ContainsFunc(references, func(r reference) bool { return r.name == "" || r.name == u.GetName() })
	}
	err := s.follow(ctx, []string{n.segment()}, project, func(ctx context.Context) (bool, error) {
		list, err := s.list(ctx, n, o.all, o.query())
		if err != nil {
			return false, err
		}
		return false, o.printChanges(s, n, list.Items, shown, wanted)
	})
	return explain("watching "+n.plural, err)
}

// printChanges prints what is not as it was shown, and says what is gone.
func (o *getOptions) printChanges(s *session, n *noun, items []unstructured.Unstructured, shown map[string]string, wanted func(*unstructured.Unstructured) bool) error {
	there := map[string]bool{}
	for i := range items {
		u := &items[i]
		key := u.GetNamespace() + "/" + u.GetName()
		there[key] = true
		if !wanted(u) || shown[key] == u.GetResourceVersion() {
			continue
		}
		shown[key] = u.GetResourceVersion()
		if err := o.printLine(s, n, u); err != nil {
			return err
		}
	}
	for key := range shown {
		if !there[key] {
			delete(shown, key)
			s.say("%s/%s is gone\n", n.name, key[strings.Index(key, "/")+1:])
		}
	}
	return nil
}

func (o *getOptions) printLine(s *session, n *noun, u *unstructured.Unstructured) error {
	if o.Machine() {
		return o.Print(s.out, n.table(), []unstructured.Unstructured{*u}, true)
	}
	values, err := n.row(u)
	if err != nil {
		return err
	}
	var line []string
	for k, column := range n.columns {
		if !column.Wide || o.Format == "wide" {
			line = append(line, cmp.Or(values[k], "-"))
		}
	}
	s.printf("%s\n", padded(line))
	return nil
}

// padded makes columns of a width that does not depend on lines that are yet to come.
func padded(values []string) string {
	var line strings.Builder
	for i, value := range values {
		if i == len(values)-1 {
			line.WriteString(value)
			break
		}
		fmt.Fprintf(&line, "%-*s  ", []int{20, 14}[min(i, 1)], value)
	}
	return line.String()
}
