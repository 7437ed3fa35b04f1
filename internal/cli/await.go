// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// Ways to show how waiting goes.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressJSON  = "json"
	progressNone  = "none"
)

// progress shows how far something is: on a terminal a line that turns, in a file a line for each change, for programs a JSON
// object for each change.
type progress struct {
	out   io.Writer
	mode  string
	live  bool
	style output.Style
	what  string
	start time.Time

	mu    sync.Mutex // guards what follows, and out
	shown map[string]stage
	since map[string]time.Time
	line  string
	stop  func()
}

// newProgress starts showing. end has to be called.
func (s *session) newProgress(mode, what string) (*progress, error) {
	p := &progress{out: s.err, mode: mode, style: s.style, what: what, start: time.Now(), shown: map[string]stage{}, since: map[string]time.Time{}}
	switch mode {
	case progressAuto, "":
		p.mode, p.live = progressPlain, output.IsTerminal(s.err)
		if s.quiet {
			p.mode, p.live = progressNone, false
		}
	case progressPlain, progressJSON, progressNone:
	default:
		return nil, output.Usage("--progress is auto, plain, json or none, not %q", mode)
	}
	p.stop = p.spin()
	return p, nil
}

// spin turns the line until it is told to stop.
func (p *progress) spin() func() {
	if !p.live {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		tick := time.NewTicker(120 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
				p.mu.Lock()
				if p.line != "" {
					fmt.Fprintf(p.out, "\r\033[K%s %s", p.style.Waiting(string(frames[i%len(frames)])), p.line)
				}
				p.mu.Unlock()
			}
		}
	}()
	return func() { close(done); <-gone }
}

// show tells what has changed.
func (p *progress) show(stages []stage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = ""
	for i, current := range stages {
		before, known := p.shown[current.Name]
		if !known {
			p.since[current.Name] = p.start
		}
		changed := !known || before != current
		p.shown[current.Name] = current
		switch {
		case p.mode == progressJSON && changed:
			p.event(current)
		case p.mode != progressPlain:
		case current.Done && (!known || !before.Done):
			p.printf("%s %-14s %s %s\n", p.style.Good("✓"), current.Name, current.Message, p.style.Faint(took(p.start)))
		case !current.Done && p.line == "":
			p.line = fmt.Sprintf("[%d/%d] %s  %s  (%s)", i+1, len(stages), current.Name, current.Message, took(p.start))
			if changed && !p.live {
				p.printf("… %-14s %s %s\n", current.Name, current.Message, p.style.Faint(took(p.start)))
			}
		}
	}
}

func (p *progress) printf(format string, args ...any) {
	if p.live {
		format = "\r\033[K" + format
	}
	fmt.Fprintf(p.out, format, args...)
}

func (p *progress) event(s stage) {
	line, err := json.Marshal(struct {
		Object  string `json:"object"`
		Elapsed int    `json:"elapsedSeconds"`
		stage
	}{p.what, int(time.Since(p.start).Seconds()), s})
	if err == nil {
		fmt.Fprintf(p.out, "%s\n", line)
	}
}

func (p *progress) end() {
	p.stop()
	if p.live {
		fmt.Fprint(p.out, "\r\033[K")
	}
}

func took(start time.Time) string { return time.Since(start).Round(time.Second).String() }

// look reads how far something is.
type look func(ctx context.Context) (stages []stage, done bool, err error)

// await looks at something whenever anything of the kinds changes, until it is done. What it waits for goes on without it.
func (s *session) await(ctx context.Context, i item, f *waitFlags, kinds []string, resume string, look look) error {
	p, err := s.newProgress(f.progress, i.String())
	if err != nil {
		return err
	}
	waiting := ctx
	if f.timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	var last []stage
	err = s.follow(waiting, kinds, i.project, func(ctx context.Context) (bool, error) {
		stages, done, err := look(ctx)
		if err != nil {
			return false, err
		}
		last = stages
		p.show(stages)
		return done, nil
	})
	p.end()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &output.Error{
			Exit: output.ExitDetached, Quiet: s.quiet, What: "detached: the platform goes on with " + i.String() + " by itself", Next: resume, Err: ctx.Err(),
		}
	case waiting.Err() != nil:
		return &output.Error{
			Exit: output.ExitTimeout, What: fmt.Sprintf("%s is not done after %s; the platform goes on with it", i, f.timeout),
			Why: firstWaiting(last), Next: resume, Err: waiting.Err(),
		}
	}
	return explain("waiting for "+i.String(), err)
}

func firstWaiting(stages []stage) string {
	for _, s := range stages {
		if !s.Done {
			return s.Name + ": " + s.Message
		}
	}
	return ""
}

// follow calls look once the stream of changes is there, and again after every change, until look is done. It sees every state
// that lasts: what changes while look is busy is looked at afterwards.
func (s *session) follow(ctx context.Context, kinds []string, project string, look func(context.Context) (bool, error)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	var group sync.WaitGroup
	var streamErr error
	group.Go(func() {
		defer stop()
		streamErr = s.client.Watch(ctx, kinds, project, func(api.Event) bool {
			select {
			case changed <- struct{}{}:
			default: // it is to be looked at anyhow
			}
			return true
		})
	})
	for {
		select {
		case <-ctx.Done():
			group.Wait()
			return streamErr
		case <-changed:
			done, err := look(ctx)
			if done || err != nil && ctx.Err() == nil {
				stop()
				group.Wait()
				return err
			}
		}
	}
}
