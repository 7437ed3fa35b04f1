// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

const (
	// heartbeat is how often a stream says something, so that nobody in between takes it for dead.
	heartbeat = 15 * time.Second
	// writePatience is how long a client may take to read what it is sent.
	writePatience = 10 * time.Second
	// backlog is how many changes may wait for a client. Who is slower has to come back.
	backlog = 512
	// mostStreams and mostStreamsOfOne bound how many there are at the same time on one server, and of one caller.
	mostStreams, mostStreamsOfOne = 4096, 64
)

// WatchEvent is the data of the events added, modified and deleted.
type WatchEvent struct {
	Kind    string        `json:"kind" doc:"The kind of the object." example:"Cluster"`
	Project string        `json:"project,omitempty" doc:"The project that it is in."`
	Object  client.Object `json:"object" doc:"The object; of one that was deleted, how it was last."`
}

// WatchNote is the data of the events bookmark, relist and error.
type WatchNote struct {
	Kinds  []string `json:"kinds,omitempty" doc:"The kinds that it is about."`
	Reason string   `json:"reason,omitempty" doc:"Why."`
}

type watchInput struct {
	Kinds       []string `query:"kinds" required:"true" minItems:"1" maxItems:"20" doc:"What to watch, for example clusters,nodepools: the names that paths have."`
	Project     string   `query:"project" maxLength:"63" doc:"Only what is in this project; none: what is in all that you may see."`
	LastEvent   string   `header:"Last-Event-ID" maxLength:"2048" doc:"The id of the last event that you have got: what has happened since comes first."`
	LastEventID string   `query:"lastEventId" maxLength:"2048" doc:"The same, for clients that cannot send headers."`
}

type watchOutput struct{ Body func(huma.Context) }

const watchDescription = `One stream of server-sent events for everything that a page shows. The events are:

* **added**, **modified**, **deleted**: an object; the data is a WatchEvent.
* **bookmark**: nothing has happened. The first one says that the stream has begun: list then what you watch, and nothing is missed.
* **relist**: list what the data names again; some changes of it are not known any more, or you may not see it any more.
* **error**: the stream ends; the data says why.

The id of an event is where to go on: send it as Last-Event-ID after a disconnect. Any replica understands it. A client that
reads too slowly is disconnected. What you may see is asked again every few seconds.`

func serveWatch(s *Server) {
	op := operation(http.MethodGet, strings.TrimPrefix(watchPath, prefix), "watch", "Watch what happens")
	op.Description = watchDescription
	op.Responses = map[string]*huma.Response{"200": {Description: "A stream of server-sent events", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	registry := s.api.OpenAPI().Components.Schemas
	registry.Map()["WatchEvent"] = watchEventSchema(s)
	registry.Schema(typeOf[WatchNote](), true, "")
	huma.Register(s.api, op, func(ctx context.Context, in *watchInput) (*watchOutput, error) {
		stream, err := s.newStream(ctx, in)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &watchOutput{Body: stream.serve}, nil
	})
}

// watchEventSchema describes a WatchEvent by the kinds that there are.
func watchEventSchema(s *Server) *huma.Schema {
	var kinds []*huma.Schema
	for _, kind := range s.kinds() {
		kinds = append(kinds, &huma.Schema{Ref: schemaPrefix + typeName(s.byKind[kind].object)})
	}
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"kind", "object"}, AdditionalProperties: false, Properties: map[string]*huma.Schema{
		"kind": {Type: huma.TypeString}, "project": {Type: huma.TypeString},
		"object": {Extensions: map[string]any{"oneOf": kinds}},
	}}
}

// kinds are the names of what can be watched.
func (s *Server) kinds() []string { return slices.Sorted(maps.Keys(s.byKind)) }

// stream is what one client watches.
type stream struct {
	server  *Server
	project string
	feeds   []*feed
	// after is up to where the client knows each kind.
	after  map[string]uint64
	relist []string

	changes chan *change
	// overrun is closed when the client is too slow.
	overrun chan struct{}
	once    sync.Once
	// rights are by which right it was shown what has happened so far.
	rights map[Question]Question
}

func (s *Server) newStream(ctx context.Context, in *watchInput) (*stream, error) {
	st := &stream{
		server: s, project: in.Project, after: map[string]uint64{}, rights: map[Question]Question{},
		changes: make(chan *change, backlog), overrun: make(chan struct{}),
	}
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(in.Kinds))) {
		f := s.byKind[kind]
		if f == nil {
			return nil, problem(CodeInvalid, "there is no kind %q", kind).at("query.kinds", "must be of "+strings.Join(s.kinds(), ", "))
		}
		st.feeds = append(st.feeds, f)
	}
	for _, f := range st.feeds {
		question := watchOf(f.plural)
		// Whether it is allowed everywhere is known when the first change comes.
		if _, err := s.access.Allowed(ctx, question); err != nil {
			return nil, err
		}
		if in.Project == "" {
			continue
		}
		question.Namespace = v1alpha1.ProjectNamespacePrefix + in.Project
		if err := s.access.Check(ctx, question); err != nil {
			return nil, err
		}
	}
	if err := s.streams.enter(callOf(ctx).user.GetName()); err != nil {
		return nil, err
	}
	last := in.LastEvent
	if last == "" {
		last = in.LastEventID
	}
	known := parseCursor(last)
	for _, f := range st.feeds {
		after, complete := f.join(st, known[f.kind])
		if !complete || last != "" && known[f.kind] == 0 {
			st.relist = append(st.relist, f.kind)
		}
		st.after[f.kind] = after
	}
	return st, nil
}

// offer gives the stream a change; false: the client is too slow, and the stream ends.
func (st *stream) offer(c *change) bool {
	if st.project != "" && c.project() != st.project {
		return true
	}
	select {
	case st.changes <- c:
		return true
	default:
		st.once.Do(func() { close(st.overrun) })
		return false
	}
}

// cursor is the id of the event that was just sent: up to where the client knows each kind.
func (st *stream) cursor() string {
	parts := make([]string, 0, len(st.feeds))
	for _, f := range st.feeds {
		parts = append(parts, fmt.Sprintf("%s.%d", f.kind, st.after[f.kind]))
	}
	return strings.Join(parts, "-")
}

func parseCursor(id string) map[string]uint64 {
	known := map[string]uint64{}
	for part := range strings.SplitSeq(id, "-") {
		if kind, version, ok := strings.Cut(part, "."); ok {
			known[kind] = number64(version)
		}
	}
	return known
}

// serve sends what happens until the client goes, is too slow, or may not see anything any more.
func (st *stream) serve(hctx huma.Context) {
	r, w := humago.Unwrap(hctx)
	defer st.close(r.Context())
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	fmt.Fprint(&out.buffer, "retry: 1000\n\n")
	if len(st.relist) > 0 {
		out.event("relist", st.cursor(), note(st.relist, "changes since then are not known any more"))
	} else {
		out.event("bookmark", st.cursor(), note(nil, ""))
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for out.flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-st.server.closing:
			return
		case <-st.overrun:
			out.event("error", st.cursor(), note(nil, "you read too slowly: come back with Last-Event-ID"))
			_ = out.flush() // the client is told if it still listens
			return
		case <-ticker.C:
			if !st.alive(r, out) {
				return
			}
		case c := <-st.changes:
			st.send(r.Context(), out, c)
			for range len(st.changes) { // what is there already goes with it
				st.send(r.Context(), out, <-st.changes)
			}
		}
	}
}

// alive sends a heartbeat, and ends the stream of whom the login does not know any more.
func (st *stream) alive(r *http.Request, out *eventWriter) bool {
	response, ok, err := st.server.opts.Authenticator.AuthenticateRequest(r)
	if err != nil || !ok || response.User.GetName() != callOf(r.Context()).user.GetName() {
		out.event("error", st.cursor(), note(nil, string(CodeUnauthenticated)))
		_ = out.flush() // the client is told if it still listens
		return false
	}
	st.renew(r.Context())
	out.event("bookmark", st.cursor(), note(nil, ""))
	return true
}

// send sends a change if the client does not know it and may see it.
func (st *stream) send(ctx context.Context, out *eventWriter, c *change) {
	if c.version < st.after[c.kind] {
		return
	}
	st.after[c.kind] = c.version
	if st.maySee(ctx, out, c) {
		out.event(c.verb, st.cursor(), c.data())
	}
}

// maySee asks whether the caller may see a change. What was visible before and is not any more the client has to forget.
func (st *stream) maySee(ctx context.Context, out *eventWriter, c *change) bool {
	everywhere := watchOf(st.server.byKind[c.kind].plural)
	question := everywhere
	if question.Namespace = c.namespace; question.Namespace == "" {
		question.Name = c.name
	}
	for _, right := range []Question{everywhere, question} {
		allowed, err := st.server.access.Allowed(ctx, right)
		if err != nil {
			logger(ctx).Error(err, "A change was not shown")
			break
		}
		if allowed {
			st.rights[question] = right
			return true
		}
	}
	if _, shown := st.rights[question]; shown {
		out.event("relist", st.cursor(), note([]string{c.kind}, "you may not see some of it any more"))
		delete(st.rights, question)
	}
	return false
}

// watchOf is the question whether somebody may watch all objects of a kind.
func watchOf(plural string) Question {
	return Question{Verb: verbWatch, Group: v1alpha1.GroupVersion.Group, Resource: plural}
}

// renew asks for the rights by which something was shown, so that nobody has to wait for it when something happens.
func (st *stream) renew(ctx context.Context) {
	asked := map[Question]bool{}
	for _, right := range st.rights {
		if !asked[right] {
			asked[right] = true
			st.server.access.Renew(ctx, right)
		}
	}
}

func (st *stream) close(ctx context.Context) {
	for _, f := range st.feeds {
		f.leave(st)
	}
	st.server.streams.leave(callOf(ctx).user.GetName())
}

func note(kinds []string, reason string) []byte {
	out, err := jsonLine(WatchNote{Kinds: kinds, Reason: reason})
	if err != nil {
		panic(err) // two texts
	}
	return out
}

// eventWriter writes events.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
}

func (e *eventWriter) event(name, id string, data []byte) {
	fmt.Fprintf(&e.buffer, "event: %s\nid: %s\ndata: %s\n\n", name, id, data)
}

// flush sends what was written, to a client that has to read it in time.
func (e *eventWriter) flush() error {
	if err := e.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	if _, err := e.w.Write(e.buffer.Bytes()); err != nil {
		return err
	}
	e.buffer.Reset()
	return e.control.Flush()
}

// streamLimit counts the open streams.
type streamLimit struct {
	most, mostOfOne int

	mu     sync.Mutex
	all    int
	byUser map[string]int
}

func newStreamLimit(most, mostOfOne int) streamLimit {
	return streamLimit{most: most, mostOfOne: mostOfOne, byUser: map[string]int{}}
}

func (l *streamLimit) enter(user string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.byUser[user] >= l.mostOfOne:
		return problem(CodeTooManyRequests, "you have %d of them open already", l.mostOfOne)
	case l.all >= l.most:
		return problem(CodeUnavailable, "there are %d of them open already", l.most)
	}
	l.all++
	l.byUser[user]++
	return nil
}

func (l *streamLimit) leave(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.byUser[user]--; l.byUser[user] == 0 {
		delete(l.byUser, user)
	}
}
