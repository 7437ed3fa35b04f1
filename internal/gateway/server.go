// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package gateway leads to all control planes of a seed at one address and one port. It runs as a Deployment of its own,
// reads the Services of control planes that want it, and writes nothing. A connection says itself where it goes:
//
//   - TLS names the cluster in its first message (SNI). It is passed through as it is, to the cluster's API: the gateway has
//     no keys and sees no contents.
//   - HTTP/1.1 CONNECT <cluster>.<domain>:<port> comes from the agents on nodes, for clients that send no name: those
//     of the Service "kubernetes", and the tunnel's. Only clusters' names and the two ports of their Services are known.
//
// server.go accepts and connects, hello.go reads the names, routes.go knows the clusters, command.go runs it.
package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"canopy.dev/canopy/internal/forward"
)

const (
	// helloTimeout is how long a client may take to say where it wants to go.
	helloTimeout = 10 * time.Second
	// dialTimeout is how long a control plane may take to accept a connection.
	dialTimeout = 10 * time.Second
	// maxHello is how much a client may send before it is known where it wants to go. Go's TLS takes as much.
	maxHello = 64 << 10
)

// Routes finds the address of a cluster's port, such as "10.96.0.17:443", by the cluster's name and the port's number.
type Routes interface {
	Route(cluster, port string) (address string, ok bool)
}

// Server is one gateway. Its fields must not be changed once it serves.
type Server struct {
	// Domain is what the names of clusters end with, without a leading dot.
	Domain string
	Routes Routes

	metrics metrics
	timeout time.Duration

	mu   sync.Mutex
	open map[net.Conn]struct{}
	idle sync.WaitGroup
}

// NewServer returns a gateway for the clusters that routes knows below domain.
func NewServer(domain string, routes Routes) *Server {
	return &Server{Domain: domain, Routes: routes, metrics: newMetrics(), timeout: helloTimeout, open: map[net.Conn]struct{}{}}
}

// Serve accepts connections until listener is closed, and then returns nil. The accepted ones go on.
func (s *Server) Serve(listener net.Listener) error {
	return forward.Accept(listener, func(conn net.Conn) {
		s.track(conn, true)
		go func() {
			defer s.track(conn, false)
			s.handle(conn)
		}()
	})
}

// Drain waits until all accepted connections have ended, and closes those that have not when ctx ends.
func (s *Server) Drain(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.idle.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	<-done
}

func (s *Server) track(conn net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open[conn] = struct{}{}
		s.idle.Add(1)
		s.metrics.open.Inc()
		return
	}
	delete(s.open, conn)
	s.idle.Done()
	s.metrics.open.Dec()
}

// handle serves one connection to its end.
func (s *Server) handle(client net.Conn) {
	defer func() { _ = client.Close() }()
	if err := client.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return
	}
	reader := bufio.NewReader(&io.LimitedReader{R: client, N: maxHello})
	want, err := s.read(reader)
	if err != nil {
		s.metrics.refused.WithLabelValues(reasonBadHello).Inc()
		return
	}
	address, ok := s.Routes.Route(want.cluster, want.port)
	if !ok {
		s.metrics.refused.WithLabelValues(reasonUnknownName).Inc()
		want.refuse(client, http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		s.metrics.refused.WithLabelValues(reasonUnavailable).Inc()
		want.refuse(client, http.StatusBadGateway)
		return
	}
	cancel()
	defer func() { _ = conn.Close() }()
	if !s.start(client, conn, want) {
		return
	}
	s.metrics.connections.WithLabelValues(want.by).Inc()
	forward.Between(client, conn, s.metrics.in, s.metrics.out)
}

// start says yes to the client, where it waits for that, and hands on what it has sent already.
func (s *Server) start(client, backend net.Conn, want request) bool {
	if want.by == byConnect {
		if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			return false
		}
	}
	if len(want.sent) > 0 {
		if _, err := backend.Write(want.sent); err != nil {
			return false
		}
		s.metrics.in.Add(float64(len(want.sent)))
	}
	return client.SetDeadline(time.Time{}) == nil
}
