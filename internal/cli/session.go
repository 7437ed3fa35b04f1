// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
	"canopy.dev/canopy/internal/cli/output"
)

// clientFlags are those of every command that uses the API.
type clientFlags struct {
	config.Overrides

	quiet, trace bool
}

// add adds the flags; those for a project and a cluster are left to commands that know them.
func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Context, "context", "", "installation to use, as in canopy context ls (or $"+config.EnvContext+")")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but what was asked for")
	flags.BoolVar(&f.trace, "http-trace", false, "show requests and answers, without tokens")
	complete(cmd, "context", completeContexts)
}

// addProject adds --project.
func (f *clientFlags) addProject(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.Project, "project", "p", "", "project (or $"+config.EnvProject+", or as canopy target says)")
	complete(cmd, "project", completeNames("project"))
}

// addCluster adds --project and --cluster.
func (f *clientFlags) addCluster(cmd *cobra.Command) {
	f.addProject(cmd)
	cmd.Flags().StringVarP(&f.Cluster, "cluster", "c", "", "user cluster (or as canopy target says)")
	complete(cmd, "cluster", completeNames("cluster"))
}

// session is one command at work: for whom, where, and how it speaks.
type session struct {
	current config.Current
	// choice is where, and with which credentials, providers are asked what they offer.
	choice choice
	client *api.Client
	// anonymous does not say who asks.
	anonymous *api.Client
	store     *credential.Store
	// token returns what requests are sent with.
	token func(context.Context) (string, error)

	in       io.Reader
	out, err io.Writer
	style    output.Style // of what is written to err
	quiet    bool
}

// open finds out which installation the command is for. It calls nobody.
func (f *clientFlags) open(cmd *cobra.Command) (*session, error) {
	current, err := config.Resolve(f.Overrides)
	if err != nil {
		return nil, explainContext(err)
	}
	return f.openContext(cmd, current)
}

func (f *clientFlags) openContext(cmd *cobra.Command, current config.Current) (*session, error) {
	s := &session{current: current, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), quiet: f.quiet}
	s.style = output.StyleOf(s.err)
	var trace io.Writer
	if f.trace {
		trace = s.err
	}
	connection, err := credential.Connect(&s.current, userAgent(), trace)
	if err != nil {
		return nil, err
	}
	connection.Client.Told = s.told
	s.client, s.anonymous, s.store, s.token = connection.Client, connection.Anonymous, connection.Store, connection.Token
	return s, nil
}

// say tells the person something that is not the answer.
func (s *session) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.err, format, args...)
	}
}

// next names the command that the person may want now.
func (s *session) next(format string, args ...any) {
	s.say("%s %s\n", s.style.Faint("Next:"), fmt.Sprintf(format, args...))
}

// self is how the command is called: as a program of its own, or as a plugin of kubectl.
func self() string {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-") {
		return "kubectl canopy"
	}
	return "canopy"
}

func explainContext(err error) error {
	var unknown *config.UnknownContextError
	switch {
	case errors.Is(err, config.ErrNoContext):
		return &output.Error{
			Exit: output.ExitForbidden, What: "you have not logged in to a platform yet", Err: err,
			Next: self() + " login https://the-address-of-your-platform; or, to make a platform on this machine, canopy up",
		}
	case errors.As(err, &unknown):
		return &output.Error{Exit: output.ExitUsage, What: err.Error(), Next: self() + " context ls", Err: err}
	}
	return err
}

// explain says what could not be done, why, and what to do about it, in one place for all commands.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var (
		known       *output.Error
		problem     *api.ProblemError
		unreachable *api.UnreachableError
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &problem):
		return explainProblem(what, problem)
	case errors.Is(err, credential.ErrLoggedOut):
		return &output.Error{Exit: output.ExitForbidden, What: what, Why: err.Error(), Next: self() + " login", Err: err}
	case api.IsUntrusted(err):
		return &output.Error{
			Exit: output.ExitForbidden, What: what, Why: err.Error(), Err: err,
			Next: "if the platform has an authority of its own, get its certificate from your operator: " + self() + " login URL --ca-file FILE",
		}
	case errors.As(err, &unreachable):
		return &output.Error{Exit: output.ExitFailed, What: what, Why: err.Error(), Next: self() + " doctor", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &output.Error{Exit: output.ExitFailed, What: what, Why: err.Error(), Err: err}
}

func explainProblem(what string, p *api.ProblemError) error {
	e := &output.Error{Exit: output.ExitFailed, What: what, Why: p.Error(), Next: p.Hint, Err: p}
	switch p.Status {
	case http.StatusUnauthorized:
		e.Exit, e.Next = output.ExitForbidden, self()+" login"
	case http.StatusForbidden:
		e.Exit = output.ExitForbidden
	case http.StatusNotFound:
		e.Exit = output.ExitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		e.Exit = output.ExitConflict
	case http.StatusGatewayTimeout:
		e.Exit = output.ExitTimeout
	}
	for _, item := range p.Errors {
		location := strings.TrimPrefix(item.Location, "body.")
		e.Details = append(e.Details, strings.TrimPrefix(location+": "+item.Message, ": "))
	}
	var reference []string
	if p.Code != "" {
		reference = append(reference, p.Code)
	}
	if p.Owner == "operator" {
		reference = append(reference, "for the operator of the platform")
	}
	if p.RequestID != "" {
		reference = append(reference, "request "+p.RequestID)
	}
	e.Reference = strings.Join(reference, ", ")
	return e
}
