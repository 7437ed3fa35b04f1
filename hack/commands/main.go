// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command commands writes the reference of the canopy command, as one page of Markdown, to the file that it is given. It reads the command
// itself.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"canopy.dev/canopy/internal/cli"
	"canopy.dev/canopy/internal/cli/output"
)

const head = `# The canopy command

Generated from the command itself. How to use it is in [docs/how-to/cli.md](../how-to/cli.md).

## Exit codes

`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: commands FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "commands:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	page := bytes.NewBufferString(head + "```\n" + output.ExitCodes + "```\n")
	root := cli.NewCommand()
	root.InitDefaultCompletionCmd()
	if err := add(page, root); err != nil {
		return err
	}
	lines := strings.Split(page.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return os.WriteFile(path, []byte(strings.TrimRight(strings.Join(lines, "\n"), "\n")+"\n"), 0o644)
}

// add writes a command and its subcommands, with links within the page.
func add(page *bytes.Buffer, cmd *cobra.Command) error {
	if cmd.Hidden || cmd.Name() == "help" {
		return nil
	}
	cmd.DisableAutoGenTag = true
	cmd.InitDefaultHelpFlag()
	anchor := func(file string) string { return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-") }
	page.WriteString("\n")
	if err := doc.GenMarkdownCustom(cmd, page, anchor); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := add(page, sub); err != nil {
			return err
		}
	}
	return nil
}
