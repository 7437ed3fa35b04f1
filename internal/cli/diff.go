// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/cli/output"
)

// newDiffCommand returns "canopy diff".
func newDiffCommand() *cobra.Command {
	var (
		f     clientFlags
		files []string
	)
	cmd := &cobra.Command{
		Use:     "diff -f FILE",
		Short:   "Show what apply would change",
		GroupID: groupUse,
		Long: `Show what apply would change, as the platform answers to a trial with all of its rules and quotas. The exit code is 0 if that is
nothing, 1 if there are differences, and more if it cannot be said.`,
		Example: `  canopy diff -f shop.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return atLeastUsage(err)
			}
			items, err := s.readItems(cmd.Context(), files)
			if err != nil {
				return atLeastUsage(err)
			}
			differ := false
			for _, i := range items {
				after, before, err := s.put(cmd.Context(), i, true)
				if err != nil {
					return atLeastUsage(err)
				}
				text, err := difference(i, before, after)
				if err != nil {
					return atLeastUsage(err)
				}
				differ = differ || text != ""
				s.printf("%s", text)
			}
			if differ {
				return output.Silent(output.ExitFailed)
			}
			return nil
		},
	}
	f.add(cmd)
	f.addProject(cmd)
	addFiles(cmd, &files)
	return cmd
}

// atLeastUsage keeps an error from ending with the code that says that there are differences.
func atLeastUsage(err error) error {
	if output.ExitCode(err) != output.ExitFailed {
		return err
	}
	return &output.Error{Exit: output.ExitUsage, What: err.Error(), Err: err}
}

func difference(i item, before, after *unstructured.Unstructured) (string, error) {
	from := ""
	if before != nil {
		var err error
		if from, err = toYAML(clean(before)); err != nil {
			return "", err
		}
	}
	to, err := toYAML(clean(after))
	if err != nil {
		return "", err
	}
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(from), B: difflib.SplitLines(to), FromFile: fmt.Sprintf("%s (now)", i), ToFile: fmt.Sprintf("%s (applied)", i), Context: 3,
	})
}

func toYAML(u *unstructured.Unstructured) (string, error) {
	content, err := yaml.Marshal(u.Object)
	return string(content), err
}
