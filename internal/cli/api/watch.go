// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Event is one change that the API tells of.
type Event struct {
	// Type is added, modified or deleted; or look, when the stream has begun, when something may have been missed, and every few
	// seconds: whoever wants to know how things are has to look.
	Type   string
	Object *unstructured.Unstructured
}

// Types of events.
const (
	EventLook     = "look"
	EventAdded    = "added"
	EventModified = "modified"
	EventDeleted  = "deleted"
	eventBookmark = "bookmark"
	eventRelist   = "relist"
)

// mostEvent is how large one event may be, in bytes.
const mostEvent = 4 << 20

// Watch calls on for every change of the kinds, which are plurals, in a project, or everywhere if it is empty. It connects
// again when the connection is lost, and goes on from where it was. It returns when on returns false, with the error of ctx when
// that ends, and with a *ProblemError when the API refuses.
func (c *Client) Watch(ctx context.Context, kinds []string, project string, on func(Event) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	query := url.Values{"kinds": {strings.Join(kinds, ",")}}
	if project != "" {
		query.Set("project", project)
	}
	req, err := c.NewRequest(ctx, Request{Path: Path("watch"), Query: query, Header: http.Header{"Accept": {"text/event-stream"}}})
	if err != nil {
		return err
	}
	done := false
	tell := func(e Event) {
		if !done && !on(e) {
			done = true
			stop()
		}
	}
	connection := (&sse.Client{
		HTTPClient:        c.HTTP,
		ResponseValidator: validate,
		Backoff:           sse.Backoff{InitialInterval: 200 * time.Millisecond, Multiplier: 2, MaxInterval: 10 * time.Second},
	}).NewConnection(req)
	connection.Buffer(make([]byte, 0, 64<<10), mostEvent)
	var broken error
	connection.SubscribeToAll(func(e sse.Event) {
		event, err := readEvent(e)
		switch {
		case err != nil:
			broken = err
			stop()
		case event.Type != "":
			tell(event)
		}
	})
	err = connection.Connect()
	if done || broken != nil {
		return broken
	}
	var wrapped *sse.ConnectionError
	if errors.As(err, &wrapped) && wrapped.Err != nil {
		err = wrapped.Err
	}
	return unreachable(c.Server, err)
}

// validate takes what is no stream for an answer; a server that is only away for a moment is asked again.
func validate(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return nil
	}
	err := ReadProblem(resp)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		return temporaryError{err}
	}
	return err
}

type temporaryError struct{ error }

// Temporary makes the client try again.
func (temporaryError) Temporary() bool { return true }

// Unwrap returns the cause.
func (t temporaryError) Unwrap() error { return t.error }

// readEvent returns an event without a type for one that says nothing.
func readEvent(e sse.Event) (Event, error) {
	switch e.Type {
	case EventAdded, EventModified, EventDeleted:
		var data struct {
			Object map[string]any `json:"object"`
		}
		if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
			return Event{}, fmt.Errorf("reading an event: %w", err)
		}
		return Event{Type: e.Type, Object: &unstructured.Unstructured{Object: data.Object}}, nil
	case eventBookmark, eventRelist:
		return Event{Type: EventLook}, nil
	}
	return Event{}, nil // an error, too: the stream ends, and whoever connects again is told what is wrong, if something still is
}
