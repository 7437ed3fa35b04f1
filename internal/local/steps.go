// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// step is one named part of Up. It returns nil once the condition that it stands for is observed.
type step struct {
	name string
	run  func(context.Context) error
}

// StepError says which step failed.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// progress shows steps to a person: one line for each finished step, and on a terminal a line that turns while one runs.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	mu sync.Mutex // guards out
}

// Write shows lines of detail about the step that runs.
func (p *progress) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		p.printf("  %s\n", bytes.TrimRight(line, "\n"))
	}
	return len(lines), nil
}

func (p *progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		format = "\r\033[K" + format // over the line that turns
	}
	fmt.Fprintf(p.out, format, args...)
}

// runSteps runs the steps in order and ends at the first error, which is a *StepError.
func runSteps(ctx context.Context, p *progress, steps []step) error {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return &StepError{Step: s.name, Err: err}
		}
		start := p.now()
		stop := p.spin(s.name, start)
		err := s.run(ctx)
		stop()
		elapsed := p.now().Sub(start)
		if err != nil {
			p.printf("✗ %-36s %6.1fs\n", s.name, elapsed.Seconds())
			return &StepError{Step: s.name, Err: err}
		}
		p.printf("✓ %-36s %6.1fs\n", s.name, elapsed.Seconds())
	}
	return nil
}

// spin shows that the step is under way until the returned function is called.
func (p *progress) spin(name string, start time.Time) (stop func()) {
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
