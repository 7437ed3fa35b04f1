// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"canopy.dev/canopy/internal/cli/api"
)

// installation is one of Canopy, as whom the provider is configured for.
type installation struct{ client *api.Client }

// send makes a change, and returns the path of the operation that says how far it is.
func (p *installation) send(ctx context.Context, r api.Request) (operation string, err error) {
	resp, err := p.client.Do(ctx, r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	for _, warning := range resp.Header.Values("Warning") {
		tflog.Warn(ctx, warning)
	}
	return resp.Header.Get("Operation-Location"), nil
}

// operation is how far a change has come, as the API says it.
type operation struct {
	State    string `json:"state"`
	Progress int    `json:"progress"`
	Message  string `json:"message"`
	Errors   []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

// await waits until a change has arrived. It ends early when the platform says that time alone will not bring it about.
func (p *installation) await(ctx context.Context, k *kind, at place, path string) error {
	if path == "" {
		return nil
	}
	var last operation
	return p.follow(ctx, k, at, func() (done bool, err error) {
		last = operation{}
		if err := p.client.Into(ctx, api.Request{Path: path}, &last); err != nil {
			return false, err
		}
		tflog.Info(ctx, "waiting", map[string]any{"object": k.name + " " + k.id(at), "state": last.State, "percent": last.Progress, "message": last.Message})
		switch {
		case last.State == "Succeeded":
			return true, nil
		case last.State != "Running":
			return false, fmt.Errorf("the change has ended as %s: %s", last.State, last.Message)
		case len(last.Errors) > 0:
			return false, fmt.Errorf("somebody has to act: %s", last.Errors[0].Message)
		}
		return false, nil
	}, func() string { return last.Message })
}

// awaitGone waits until something is not there any more.
func (p *installation) awaitGone(ctx context.Context, k *kind, at place) error {
	reason := ""
	return p.follow(ctx, k, at, func() (bool, error) {
		there, err := p.client.Object(ctx, api.Request{Path: k.item(at)})
		if api.IsNotFound(err) || api.IsForbidden(err) { // with a project go the rights in it
			return true, nil
		}
		if err != nil {
			return false, err
		}
		reason = messageOf(there.Object)
		return false, nil
	}, func() string { return reason })
}

// messageOf returns what an object says that it waits for.
func messageOf(object map[string]any) string {
	status, _ := object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == "Ready" {
			return fmt.Sprint(condition["message"])
		}
	}
	return ""
}

// follow calls look when the stream of changes begins, and whenever the thing changes, until look is done. waiting says what for.
func (p *installation) follow(ctx context.Context, k *kind, at place, look func() (bool, error), waiting func() string) error {
	var done bool
	var failure error
	err := p.client.Watch(ctx, []string{k.collection}, at.project, func(e api.Event) bool {
		if e.Object != nil && e.Object.GetName() != at.name {
			return true
		}
		done, failure = look()
		return !done && failure == nil
	})
	if done || failure != nil && ctx.Err() == nil {
		return failure
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the time is up, and the platform goes on with it; it waits for: %s", waiting())
	}
	return err
}

func codeOf(err error) string {
	var problem *api.ProblemError
	if errors.As(err, &problem) {
		return problem.Code
	}
	return ""
}

// explain makes an error one of Terraform's: at the attributes that it is about, with what to do next.
func (k *kind) explain(diags *diag.Diagnostics, summary string, err error) {
	var problem *api.ProblemError
	if !errors.As(err, &problem) {
		diags.AddError(summary, err.Error())
		return
	}
	lines := []string{problem.Error()}
	for _, item := range problem.Errors {
		if at, ok := k.attributePath(item.Location); ok {
			diags.AddAttributeError(at, summary, item.Message)
			continue
		}
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(item.Location, "body.")+": "+item.Message, ": "))
	}
	if problem.Hint != "" && problem.Status != http.StatusUnprocessableEntity {
		lines = append(lines, problem.Hint)
	}
	if problem.RequestID != "" {
		lines = append(lines, problem.Code+", request "+problem.RequestID)
	}
	diags.AddError(summary, strings.Join(lines, "\n"))
}
