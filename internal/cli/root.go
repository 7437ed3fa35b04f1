// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the canopy command. It runs on people's machines, and calls the platform's API; the commands of operators and of
// the local platform call Kubernetes. It reads and writes what internal/cli/config says, kubeconfigs and the terminal.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/cli/output"
)

// Groups of commands, in the order in which somebody needs them.
const (
	groupStart   = "start"
	groupUse     = "use"
	groupMachine = "machine"
	groupOperate = "operate"
	groupHelp    = "help"
)

const introduction = `Canopy gives you Kubernetes clusters.

To get to one:

  canopy login https://the-address-of-your-platform
  canopy create cluster demo
  kubectl get nodes

Where there is no platform yet, as root on a Linux machine of your own:

  canopy up`

// NewCommand returns the canopy command.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: self(), Short: "Kubernetes clusters for everybody", Long: introduction, SilenceUsage: true, SilenceErrors: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: self()},
	}
	cmd.AddGroup(
		&cobra.Group{ID: groupStart, Title: "To begin with:"},
		&cobra.Group{ID: groupUse, Title: "Clusters, and what belongs to them:"},
		&cobra.Group{ID: groupMachine, Title: "A platform on this machine:"},
		&cobra.Group{ID: groupOperate, Title: "For operators of a platform:"},
		&cobra.Group{ID: groupHelp, Title: "Help:"},
	)
	cmd.AddCommand(newLoginCommand(), newLogoutCommand(), newWhoamiCommand(), newTokenCommand(), newContextCommand(), newTargetCommand())
	cmd.AddCommand(
		newGetCommand(), newDescribeCommand(), newStatusCommand(), newCreateCommand(), newRenderCommand(), newApplyCommand(), newDiffCommand(),
		newDeleteCommand(), newScaleCommand(), newJoinCommand(), newUpgradeCommand(), newPauseCommand(), newResumeCommand(), newWaitCommand(), newWatchCommand(),
		newEventsCommand(), newLogsCommand(), newTokensCommand(), newRevokeCommand(), newKubeconfigCommand(), newConnectCommand(), newExecCredentialCommand(),
	)
	grouped(cmd, groupMachine, newUpCommand(), newDownCommand(), newLocalCommand(), newRotateKeyCommand())
	grouped(cmd, groupOperate, newInstallCommand(), newSeedCommand(), newIssuerCommand(), newImagesCommand())
	cmd.AddCommand(newSandboxCommand())
	grouped(cmd, groupHelp, newExplainCommand(), newVersionCommand(), newDoctorCommand(), newDebugCommand())
	cmd.SetHelpCommandGroupID(groupHelp)
	cmd.SetCompletionCommandGroupID(groupHelp)
	cmd.AddCommand(&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: "The exit codes are\n\n" + output.ExitCodes})
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &output.Error{Exit: output.ExitUsage, What: err.Error(), Next: cmd.CommandPath() + " --help", Err: err}
	})
	explainArguments(cmd)
	return cmd
}

func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
	}
	root.AddCommand(commands...)
}

// explainArguments makes wrong arguments errors of the command's use, with what to type instead. A command that is only there
// for its subcommands shows them, and says so when it is given another one.
func explainArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		group := !cmd.Runnable()
		if group {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				return nil
			}
			e := &output.Error{Exit: output.ExitUsage, What: err.Error(), Next: cmd.CommandPath() + " --help", Err: err}
			if group {
				e.Why = "after it comes one of " + strings.Join(subcommands(cmd), ", ")
			}
			return e
		}
	}
	for _, sub := range cmd.Commands() {
		explainArguments(sub)
	}
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// sentence lists words.
func sentence(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// wrongUse is how the errors begin that cobra has no types for: of a command that there is not, of flags that are missing or do not
// go together.
var wrongUse = []string{"unknown command", "required flag(s)", "if any flags in the group"}

// Main runs the command and returns its exit code.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	cmd := NewCommand() //nolint:contextcheck // commands are given theirs when they run
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	ran, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		return output.ExitOK
	}
	var known *output.Error
	if !errors.As(err, &known) && slices.ContainsFunc(wrongUse, func(begin string) bool { return strings.HasPrefix(err.Error(), begin) }) {
		err = &output.Error{Exit: output.ExitUsage, What: err.Error(), Next: ran.CommandPath() + " --help", Err: err}
	}
	if errors.Is(err, os.ErrPermission) && !errors.As(err, &known) {
		err = &output.Error{Exit: output.ExitForbidden, What: err.Error(), Err: err}
	}
	output.PrintError(errOut, err, output.StyleOf(errOut))
	return output.ExitCode(err)
}
