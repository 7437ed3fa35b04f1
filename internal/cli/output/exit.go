// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes. Scripts depend on them: they are documented in "canopy help exit-codes", and never change their meaning.
const (
	ExitOK         = 0
	ExitFailed     = 1   // something went wrong, or differences were found
	ExitUsage      = 2   // the command was not understood
	ExitNotFound   = 3   // what was named does not exist
	ExitForbidden  = 4   // not logged in, or not allowed
	ExitConflict   = 5   // somebody else changed it, it exists already, or a quota is used up
	ExitTimeout    = 6   // the time is up, and it is still being worked on
	ExitTerminated = 7   // the operation has failed for good
	ExitDetached   = 130 // interrupted; what was begun goes on without the command
)

// ExitCodes describes the codes, for people.
const ExitCodes = `  0    it worked
  1    it failed; differences were found (diff); something is wrong (status, doctor)
  2    the command was not understood
  3    what was named does not exist
  4    you are not logged in, or you may not do that
  5    conflict: somebody else changed it, it exists already, or a quota is used up
  6    the time is up, and it is still being worked on
  7    the operation has failed for good
  130  interrupted with Ctrl-C; what was begun goes on
`

// Error is an error as a person needs it.
type Error struct {
	// Exit is the code that the command ends with.
	Exit int
	// What could not be done.
	What string
	// Why not; may be empty.
	Why string
	// Next is what to do about it; may be empty.
	Next string
	// Details are lines that say more, such as the fields that are wrong.
	Details []string
	// Reference identifies the error in documents and logs, such as its code and the request's id.
	Reference string
	// Quiet errors are for the exit code only: what there is to say was said.
	Quiet bool
	// Err is the cause, if there is one.
	Err error
}

func (e *Error) Error() string {
	if e.Why == "" {
		return e.What
	}
	return e.What + ": " + e.Why
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Usage returns an error for a command that cannot be understood.
func Usage(format string, args ...any) error {
	return &Error{Exit: ExitUsage, What: fmt.Sprintf(format, args...)}
}

// Silent ends the command with a code, without a word.
func Silent(code int) error {
	return &Error{Exit: code, Quiet: true, What: fmt.Sprintf("exit code %d", code)}
}

// ExitCode returns what a command ends with that returned err.
func ExitCode(err error) int {
	var known *Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &known):
		return known.Exit
	case errors.Is(err, context.Canceled):
		return ExitDetached
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	default:
		return ExitFailed
	}
}

// PrintError tells a person what, why and what next.
func PrintError(w io.Writer, err error, style Style) {
	var e *Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(w, "Interrupted.")
			return
		}
		fmt.Fprintf(w, "%s %v\n", style.Bad("Error:"), err)
		return
	}
	if e.Quiet {
		return
	}
	fmt.Fprintf(w, "%s %s\n", style.Bad("Error:"), strings.TrimSpace(e.What))
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s  %s\n", style.Faint(fmt.Sprintf("%-5s", name)), strings.ReplaceAll(text, "\n", "\n         "))
		}
	}
	row("why", e.Why)
	for _, detail := range e.Details {
		row("", "• "+detail)
	}
	row("next", e.Next)
	row("ref", e.Reference)
}
