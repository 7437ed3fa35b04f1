// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package steps shows what a command does. It runs in the canopy command, reads nothing, and writes to the person's terminal.
package steps

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Step is one named part of a command. Run returns nil once the condition that it stands for is observed.
type Step struct {
	Name string
	Run  func(context.Context) error
}

// Error says which step failed.
type Error struct {
	Step string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Progress shows steps to a person: one line for each finished step, and on a terminal a line that turns while one runs.
type Progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	mu sync.Mutex // guards out
}

// New returns a progress that is written to out, on which a line may be written over if it is a terminal.
func New(out io.Writer, terminal bool) *Progress {
	return &Progress{out: out, terminal: terminal, now: time.Now}
}

// Write shows lines of detail about the step that runs.
func (p *Progress) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		p.printf("  %s\n", bytes.TrimRight(line, "\n"))
	}
	return len(lines), nil
}

func (p *Progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		format = "\r\033[K" + format // over the line that turns
	}
	fmt.Fprintf(p.out, format, args...)
}

// Run runs the steps in order and ends at the first error, which is a *Error.
func Run(ctx context.Context, p *Progress, steps []Step) error {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return &Error{Step: s.Name, Err: err}
		}
		start := p.now()
		stop := p.spin(s.Name, start)
		err := s.Run(ctx)
		stop()
		elapsed := p.now().Sub(start)
		if err != nil {
			p.printf("✗ %-36s %6.1fs\n", s.Name, elapsed.Seconds())
			return &Error{Step: s.Name, Err: err}
		}
		p.printf("✓ %-36s %6.1fs\n", s.Name, elapsed.Seconds())
	}
	return nil
}

// spin shows that the step is under way until the returned function is called.
func (p *Progress) spin(name string, start time.Time) (stop func()) {
	if !p.terminal {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		tick := time.NewTicker(120 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			p.printf("%c %-36s %6.1fs", frames[i%len(frames)], name, p.now().Sub(start).Seconds())
			select {
			case <-done:
				p.printf("")
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-gone }
}
