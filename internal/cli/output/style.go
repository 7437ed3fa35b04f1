// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Style colours text where that is wanted. Its zero value leaves text as it is.
type Style struct{ colour bool }

// StyleOf returns the style for what is written to w: plain where w is no terminal, or the person wants no colour
// (https://no-color.org).
func StyleOf(w io.Writer) Style {
	return Style{colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)}
}

// IsTerminal says whether what is written to w, or read from it, is seen, or typed, by a person.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (s Style) code(code, text string) string {
	if !s.colour {
		return text
	}
	return "\033[" + code + "m" + text + "\033[0m"
}

// Bad is what needs somebody.
func (s Style) Bad(text string) string { return s.code("31", text) }

// Good is as it should be.
func (s Style) Good(text string) string { return s.code("32", text) }

// Waiting is on its way.
func (s Style) Waiting(text string) string { return s.code("33", text) }

// Faint is by the way.
func (s Style) Faint(text string) string { return s.code("2", text) }

// Bold is a heading.
func (s Style) Bold(text string) string { return s.code("1", text) }
