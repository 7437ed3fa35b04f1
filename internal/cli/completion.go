// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/output"
)

// completionBudget bounds how long somebody who presses the tab key waits.
const completionBudget = 300 * time.Millisecond

// completion proposes what may come next.
type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// complete sets what is proposed for the value of a flag.
func complete(cmd *cobra.Command, flag string, propose completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, propose); err != nil {
		panic(err) // the flag is defined beside the call
	}
}

// completeNames proposes the names of the things of a kind that there are.
func completeNames(kind string) completion {
	return func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		n, err := findNoun(kind)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return namesOf(cmd, n, toComplete), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeReferences proposes kinds first, and then names of that kind.
func completeReferences(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && !strings.Contains(args[0], "/") {
		return completeNames(args[0])(cmd, args, toComplete)
	}
	if kind, prefix, ok := strings.Cut(toComplete, "/"); ok {
		n, err := findNoun(kind)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, name := range namesOf(cmd, n, prefix) {
			names = append(names, kind+"/"+name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	var kinds []string
	for i := range nouns {
		for _, name := range []string{nouns[i].name, nouns[i].plural} {
			if strings.HasPrefix(name, toComplete) {
				kinds = append(kinds, name)
			}
		}
	}
	return kinds, cobra.ShellCompDirectiveNoFileComp
}

// namesOf asks the platform, for as long as somebody likes to wait. It asks nobody to log in.
func namesOf(cmd *cobra.Command, n *noun, prefix string) []string {
	ctx, cancel := completionContext(cmd)
	defer cancel()
	s, err := completionSession(cmd)
	if err != nil {
		return nil
	}
	list, err := s.list(ctx, n, false, nil)
	if err != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		if name := nameOf(&list.Items[i]); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func completionContext(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(contextOf(cmd)), completionBudget)
}

// completionSession is the command as it is typed so far.
func completionSession(cmd *cobra.Command) (*session, error) {
	f := clientFlags{Overrides: config.Overrides{Context: flagValue(cmd, "context"), Project: flagValue(cmd, "project"), Cluster: flagValue(cmd, "cluster")}, quiet: true}
	s, err := f.open(cmd)
	if err == nil {
		s.choice = choice{preset: flagValue(cmd, "preset"), datacenter: flagValue(cmd, "datacenter")}
	}
	return s, err
}

// flagValue is what was typed for a flag; empty: nothing was, or the command does not have it.
func flagValue(cmd *cobra.Command, name string) string {
	if flag := cmd.Flag(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// completeContexts proposes the platforms that one knows.
func completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := config.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, x := range file.Contexts {
		names = append(names, x.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeFormats(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return output.Formats, cobra.ShellCompDirectiveNoFileComp
}
