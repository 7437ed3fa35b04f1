// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// newWaitCommand returns "canopy wait".
func newWaitCommand() *cobra.Command {
	var (
		f    clientFlags
		wait waitFlags
		goal string
	)
	cmd := &cobra.Command{
		Use:     "wait KIND/NAME --for=GOAL",
		Short:   "Wait until something is as it should be, or gone",
		GroupID: groupUse,
		Long: `Wait until something is as it should be, or gone. Goals are

  condition=TYPE[=STATUS]   a condition has the status, which is True unless it is said
  phase=WORD                canopy get shows this as STATUS
  version=VERSION           the control plane runs this version of Kubernetes
  deleted                   it is gone

It ends with 7 when the platform says that time alone will not bring it about, and with 6 when the time is up.`,
		Example: `  canopy wait cluster/demo --for=condition=Ready
  canopy wait cluster/demo --for=version=1.37.2 --timeout=30m
  canopy wait cluster/old --for=deleted --progress=json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeReferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			references, err := parseReferences(args)
			if err != nil {
				return err
			}
			if len(references) != 1 || references[0].name == "" {
				return output.Usage("say one thing to wait for, such as cluster/demo")
			}
			reached, err := parseGoal(goal)
			if err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			i, err := s.find(cmd.Context(), references[0])
			var missing *output.Error
			if reached == nil && errors.As(err, &missing) && missing.Exit == output.ExitNotFound {
				s.say("%s is gone.\n", references[0])
				return nil
			}
			if err != nil {
				return err
			}
			if reached == nil {
				return s.awaitDeleted(cmd.Context(), i, &wait)
			}
			return s.awaitGoal(cmd.Context(), i, &wait, goal, reached)
		},
	}
	f.add(cmd)
	f.addCluster(cmd)
	wait.addTimeout(cmd)
	cmd.Flags().StringVar(&goal, "for", "condition=Ready", "what to wait for")
	return cmd
}

// parseGoal returns what says whether an object has reached a goal; nil: the goal is that there is none.
func parseGoal(goal string) (func(*unstructured.Unstructured) bool, error) {
	kind, value, _ := strings.Cut(goal, "=")
	switch {
	case goal == "deleted" || goal == "delete":
		return nil, nil
	case kind == "condition" && value != "":
		name, status, ok := strings.Cut(value, "=")
		if !ok {
			status = "True"
		}
		return func(u *unstructured.Unstructured) bool { return hasCondition(u, name, status) }, nil
	case kind == "phase" && value != "":
		return func(u *unstructured.Unstructured) bool { return statusWord(u) == value }, nil
	case kind == "version" && value != "":
		return func(u *unstructured.Unstructured) bool {
			version, _, _ := unstructured.NestedString(u.Object, "status", "version")
			return version == value && hasCondition(u, v1alpha1.ConditionReady, "True")
		}, nil
	}
	return nil, output.Usage("--for is condition=TYPE, phase=WORD, version=VERSION or deleted, not %q", goal)
}

// hasCondition says whether a condition has a status, for the object as it is now.
func hasCondition(u *unstructured.Unstructured, name, status string) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != name || !strings.EqualFold(fmt.Sprint(condition["status"]), status) {
			return false
		}
		observed, _, _ := unstructured.NestedInt64(condition, "observedGeneration")
		return observed == 0 || observed >= u.GetGeneration()
	})
}

// statusWord is what "canopy get" shows in the column STATUS.
func statusWord(u *unstructured.Unstructured) string {
	n, err := nounOf(u.GetKind())
	if err != nil {
		return ""
	}
	i := slices.IndexFunc(n.columns, func(c output.Column) bool { return c.Name == "Status" })
	if i < 0 {
		return ""
	}
	values, err := n.row(u)
	if err != nil {
		return ""
	}
	return values[i]
}

// stagesOf says how far something is, and whether it cannot get any further by itself.
func stagesOf(u *unstructured.Unstructured) (stages []stage, stuck string, err error) {
	var isStuck bool
	switch u.GetKind() {
	case "Cluster":
		c := &v1alpha1.Cluster{}
		if err := fromUnstructured(u, c); err != nil {
			return nil, "", err
		}
		stages = clusterStages(c)
		stuck, isStuck = failed(c.Generation, c.Status.Conditions)
	case "NodePool":
		p := &v1alpha1.NodePool{}
		if err := fromUnstructured(u, p); err != nil {
			return nil, "", err
		}
		stages = poolStages(p)
		stuck, isStuck = failed(p.Generation, p.Status.Conditions)
	default:
		done := hasCondition(u, v1alpha1.ConditionReady, "True")
		stages = []stage{{Name: "Ready", Done: done, Message: statusWord(u)}}
	}
	if !isStuck {
		stuck = ""
	}
	return stages, stuck, nil
}

// watched are the kinds whose changes may bring something nearer to its goal.
func watched(n *noun) []string {
	if n.kind == "Cluster" {
		return []string{"clusters", "nodepools"}
	}
	return []string{n.segment()}
}

// awaitGoal waits until the thing has reached the goal.
func (s *session) awaitGoal(ctx context.Context, i item, f *waitFlags, goal string, reached func(*unstructured.Unstructured) bool) error {
	resume := fmt.Sprintf("%s wait %s -p %s --for=%s", self(), i, i.project, goal)
	return s.await(ctx, i, f, watched(i.noun), resume, func(ctx context.Context) ([]stage, bool, error) {
		current, err := s.client.Object(ctx, api.Request{Path: i.path()})
		if err != nil {
			return nil, false, err
		}
		stages, stuck, err := stagesOf(current)
		if err != nil || reached(current) {
			return stages, err == nil, err
		}
		if stuck != "" {
			return nil, false, &output.Error{
				Exit: output.ExitTerminated, What: i.String() + " cannot become what it should be", Why: stuck,
				Next: fmt.Sprintf("change it, or look closer: %s describe %s", self(), i),
			}
		}
		return stages, false, nil
	})
}

// awaitReady waits until the thing is what its spec says.
func (s *session) awaitReady(ctx context.Context, i item, f *waitFlags) error {
	goal := "condition=" + v1alpha1.ConditionReady
	reached, err := parseGoal(goal)
	if err != nil {
		return err
	}
	return s.awaitGoal(ctx, i, f, goal, reached)
}

// awaitDeleted waits until the thing is gone.
func (s *session) awaitDeleted(ctx context.Context, i item, f *waitFlags) error {
	resume := fmt.Sprintf("%s wait %s -p %s --for=deleted", self(), i, i.project)
	return s.await(ctx, i, f, watched(i.noun), resume, func(ctx context.Context) ([]stage, bool, error) {
		current, err := s.client.Object(ctx, api.Request{Path: i.path()})
		if api.IsNotFound(err) || err == nil && i.object != nil && current.GetUID() != i.object.GetUID() {
			return []stage{{Name: "Deleted", Done: true}}, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		return []stage{{Name: "Deleted", Message: deletionMessage(current)}}, false, nil
	})
}

func deletionMessage(u *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == v1alpha1.ConditionReady {
			return fmt.Sprint(condition["message"])
		}
	}
	return "deleting"
}
