// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package steps

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testProgress has a clock that advances by a second each time somebody looks at it.
func testProgress(out *bytes.Buffer) *Progress {
	var now time.Time
	return &Progress{out: out, now: func() time.Time { now = now.Add(time.Second); return now }}
}

func TestRunStopsAtTheFirstError(t *testing.T) {
	var out bytes.Buffer
	p := testProgress(&out)
	cause := errors.New("no more")
	var ran []string
	run := func(name string, err error) Step {
		return Step{name, func(context.Context) error {
			ran = append(ran, name)
			if name == "two" {
				if _, err := p.Write([]byte("a detail\nanother\n")); err != nil {
					t.Error(err)
				}
			}
			return err
		}}
	}
	err := Run(t.Context(), p, []Step{run("one", nil), run("two", cause), run("three", nil)})

	var stepErr *Error
	if !errors.As(err, &stepErr) || stepErr.Step != "two" || !errors.Is(err, cause) {
		t.Errorf("error = %v, want that of step two", err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, ran); diff != "" {
		t.Error(diff)
	}
	want := []string{"✓ one 1.0s", "a detail", "another", "✗ two 1.0s"}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRunEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, testProgress(&bytes.Buffer{}), []Step{
		{"one", func(context.Context) error { cancel(); return nil }},
		{"two", func(context.Context) error { t.Error("ran"); return nil }},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}

func TestProgressOnATerminalLeavesFinishedSteps(t *testing.T) {
	var out bytes.Buffer
	p := testProgress(&out)
	p.terminal = true
	if err := Run(t.Context(), p, []Step{{"one", func(context.Context) error { return nil }}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\r\033[K✓ one") || !strings.HasSuffix(out.String(), "s\n") {
		t.Errorf("got %q", out.String())
	}
}
