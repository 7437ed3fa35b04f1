// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/remotecommand"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/shell"
)

const (
	// idleTerminal ends a terminal in which nothing is typed.
	idleTerminal = 15 * time.Minute
	// mostTerminals and mostTerminalsOfOne bound how many there are at the same time on one server, and of one caller.
	mostTerminals, mostTerminalsOfOne = 256, 4
	// longestInput bounds one message of a client, in bytes: what somebody pastes.
	longestInput = 64 << 10
)

// TerminalMessage is what is said besides what is typed and shown.
type TerminalMessage struct {
	Type    string `json:"type" enum:"resize,status,ready,end" doc:"resize comes from the client, the others from the server: what is waited for, that the shell is there, and that it ends."`
	Columns uint16 `json:"columns,omitempty" doc:"Of resize: how wide the screen is."`
	Rows    uint16 `json:"rows,omitempty" doc:"Of resize: how high the screen is."`
	Message string `json:"message,omitempty" doc:"Of status and end: what is waited for, or why it ends."`
}

const terminalDescription = `A WebSocket to a shell with kubectl in a pod of the cluster, in which you are yourself: what you may do there says the cluster.

* Binary messages are what is typed (to the server) and what is shown (from it).
* Text messages are a TerminalMessage in JSON. Send resize first; then there are some of status, ready, and at last end.

It ends after an hour, after a quarter of an hour without input, and when your login or your right to create clusters/terminal does.
Browsers are let in from the platform's own origin only; everybody else sends a token.`

type terminalInput struct{ Place place }

type terminalOutput struct{ Body func(huma.Context) }

// shellSession is a shell that is ready.
type shellSession interface {
	Run(ctx context.Context, streams shell.Streams) error
	Close(ctx context.Context)
}

// openShell is shell.Open outside of tests.
type openShell func(ctx context.Context, opts shell.Options) (shellSession, error)

func openRealShell(ctx context.Context, opts shell.Options) (shellSession, error) {
	return shell.Open(ctx, opts)
}

// serveTerminal registers terminals.
func serveTerminal(s *Server) {
	op := operation(http.MethodGet, "/projects/{project}/clusters/{name}/terminal", "openTerminal", "Open a terminal in a cluster")
	op.Tags, op.Description, op.DefaultStatus = []string{"clusters"}, terminalDescription, http.StatusSwitchingProtocols
	op.Responses = map[string]*huma.Response{"101": {Description: "A WebSocket"}}
	s.api.OpenAPI().Components.Schemas.Schema(typeOf[TerminalMessage](), true, "")
	huma.Register(s.api, op, func(ctx context.Context, in *terminalInput) (*terminalOutput, error) {
		cluster, err := s.reachable(ctx, "create", "terminal", in.Place)
		if err != nil {
			return nil, fail(ctx, err)
		}
		if name := callOf(ctx).user.GetName(); strings.HasPrefix(name, systemPrefix) {
			return nil, fail(ctx, problem(CodeForbidden, "a terminal is for people, and %s is none: clusters do not know it", name))
		}
		//nolint:contextcheck // the request of hctx has it
		return &terminalOutput{Body: func(hctx huma.Context) { s.serveTerminal(hctx, in.Place, cluster) }}, nil
	})
}

// serveTerminal takes over the connection, and records that somebody has opened a terminal.
func (s *Server) serveTerminal(hctx huma.Context, at place, cluster *v1alpha1.Cluster) {
	r, w := humago.Unwrap(hctx)
	ctx := r.Context()
	if p := s.checkWebSocket(r); p != nil {
		writeProblem(ctx, w, p)
		return
	}
	user := callOf(ctx).user.GetName()
	if err := s.terminals.enter(user); err != nil {
		p := problem(CodeTooManyRequests, "")
		_ = errors.As(err, &p)
		writeProblem(ctx, w, p)
		return
	}
	defer s.terminals.leave(user)
	var conn *websocket.Conn
	_, err := s.audited(ctx, act{verb: "create", resource: "clusters/terminal", place: at}, func() (out outcome, err error) {
		conn, err = websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // checkWebSocket has looked at the origin
		return outcome{status: http.StatusSwitchingProtocols}, err
	})
	if err != nil {
		logger(ctx).Error(err, "A terminal was not opened")
		p := problem(CodeUnavailable, "")
		_ = errors.As(err, &p)
		writeProblem(ctx, w, p)
		return
	}
	conn.SetReadLimit(longestInput)
	right := Question{
		Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Subresource: "terminal", Namespace: cluster.Namespace, Name: cluster.Name,
	}
	ctx, cancel := s.whileAllowed(r, right, shell.Longest)
	defer cancel()
	(&terminal{server: s, conn: connection{context.WithoutCancel(ctx), conn}, cluster: cluster}).serve(ctx)
}

// checkWebSocket lets in whoever has sent a token, which is not in the request any more, and browsers from the platform's own origin:
// they send their session's cookie along with what any page asks for.
func (s *Server) checkWebSocket(r *http.Request) *Problem {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return problem(CodeMalformed, "this is no request for a WebSocket")
	}
	if r.Header.Get("Cookie") == "" {
		return nil
	}
	origin := r.Header.Get("Origin")
	if parsed, err := url.Parse(origin); err == nil && origin != "" {
		if origin == strings.TrimSuffix(s.opts.PublicURL, "/") || s.opts.PublicURL == "" && parsed.Host == r.Host {
			return nil
		}
	}
	return problem(CodeForbidden, "a browser may open a terminal from %s only", s.opts.PublicURL)
}

// terminal is one that somebody has open.
type terminal struct {
	server  *Server
	conn    connection
	cluster *v1alpha1.Cluster
}

// connection is a WebSocket, which is also what the shell shows things on. What is sent is sent whatever else has ended: a WebSocket
// is closed by a context that has, and its client could not be told why.
type connection struct {
	ctx context.Context //nolint:containedctx // a Write has none
	*websocket.Conn
}

// Write sends what the shell shows.
func (c connection) Write(b []byte) (int, error) {
	return len(b), c.send(c.ctx, websocket.MessageBinary, b)
}

// tell sends a message. Who is gone need not be told.
func (c connection) tell(ctx context.Context, m TerminalMessage) {
	content, err := json.Marshal(m)
	if err != nil {
		panic(err) // texts and numbers
	}
	_ = c.send(ctx, websocket.MessageText, content)
}

func (c connection) send(ctx context.Context, kind websocket.MessageType, content []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writePatience)
	defer cancel()
	return c.Conn.Write(ctx, kind, content)
}

// serve opens the shell and connects it, until it ends; the client is told why.
func (t *terminal) serve(ctx context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	longest := t.server.idleTerminal
	idle := time.AfterFunc(longest, func() { end(fmt.Errorf("nothing was typed for %s", longest)) })
	defer idle.Stop()
	sizes := make(sizes, 1)
	typed, typing := io.Pipe()
	defer func() { _ = typed.Close() }() // so that nobody waits for it to be read
	go func() {
		defer close(sizes)
		defer func() { _ = typing.Close() }()
		end(t.read(sizes, func(content []byte) error {
			idle.Reset(longest)
			_, err := typing.Write(content)
			return err
		}))
	}()
	err := t.run(ctx, sizes, typed)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	reason := "the shell has ended"
	if err != nil && !errors.Is(err, errGone) {
		reason = err.Error()
		logger(ctx).V(1).Info("A terminal has ended", "reason", reason)
	}
	t.conn.tell(ctx, TerminalMessage{Type: "end", Message: reason})
	_ = t.conn.Close(websocket.StatusNormalClosure, "") // the client may be gone
}

// run gets the person in, as nobody else than that person, and connects the shell.
func (t *terminal) run(ctx context.Context, sizes sizes, typed io.Reader) error {
	status := func(message string) { t.conn.tell(ctx, TerminalMessage{Type: "status", Message: message}) }
	status("a certificate is being made for you")
	opts, err := t.options(ctx)
	if err != nil {
		return fail(ctx, err) // which says nothing that is the operator's business
	}
	opts.Tell = status
	opened, err := t.server.openShell(ctx, *opts)
	if err != nil {
		return err
	}
	defer opened.Close(ctx)
	t.conn.tell(ctx, TerminalMessage{Type: "ready"})
	return opened.Run(ctx, shell.Streams{In: typed, Out: t.conn, Size: sizes})
}

// options has the cluster certify who the caller is, for an hour. The key is here and in the pod's memory, and nowhere else.
func (t *terminal) options(ctx context.Context) (*shell.Options, error) {
	image, err := images.Kubernetes("terminal", t.cluster.Status.Version)
	if err != nil {
		image = images.Ref("terminal") // a kubectl of another version is better than none
	}
	request, key, err := t.server.certified(ctx, t.cluster, v1alpha1.CertificatePerson, "1h")
	if err != nil {
		return nil, err
	}
	certificate := []byte(request.Status.Certificate)
	config := clientcmdapi.NewConfig()
	const name = "cluster"
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://kubernetes.default.svc", CertificateAuthorityData: []byte(t.cluster.Status.CertificateAuthority)}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	inside, err := clientcmd.Write(*config)
	if err != nil {
		return nil, err
	}
	project := strings.TrimPrefix(t.cluster.Namespace, v1alpha1.ProjectNamespacePrefix)
	return &shell.Options{
		Config: &rest.Config{Host: t.cluster.Status.Endpoint, QPS: -1, TLSClientConfig: rest.TLSClientConfig{
			ServerName: t.cluster.Status.TLSServerName, CAData: []byte(t.cluster.Status.CertificateAuthority), CertData: certificate, KeyData: key,
		}},
		Kubeconfig: inside, Image: image, Prompt: project + "/" + t.cluster.Name,
	}, nil
}

// errGone ends a terminal whose client has gone.
var errGone = errors.New("the client is gone")

// read takes what the client sends, until it goes.
func (t *terminal) read(sizes sizes, typed func([]byte) error) error {
	for {
		kind, content, err := t.conn.Read(t.conn.ctx)
		if err != nil {
			return errGone
		}
		if kind == websocket.MessageBinary {
			if typed(content) != nil {
				return errGone // nobody reads it any more
			}
			continue
		}
		var m TerminalMessage
		if json.Unmarshal(content, &m) == nil && m.Type == "resize" && m.Columns > 0 && m.Rows > 0 {
			sizes.set(remotecommand.TerminalSize{Width: m.Columns, Height: m.Rows})
		}
	}
}

// sizes has the newest size of the screen that the shell does not know.
type sizes chan remotecommand.TerminalSize

// Next waits for the next one.
func (s sizes) Next() *remotecommand.TerminalSize {
	size, ok := <-s
	if !ok {
		return nil
	}
	return &size
}

// set replaces the one that nobody has asked for. Only one goroutine calls it.
func (s sizes) set(size remotecommand.TerminalSize) {
	select {
	case <-s:
	default:
	}
	s <- size
}
