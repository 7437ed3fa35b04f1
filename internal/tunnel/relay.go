// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"canopy.dev/canopy/internal/forward"
)

const (
	// handshakeTimeout bounds how long a caller may take to say who it is.
	handshakeTimeout = 10 * time.Second
	// nextAgentAfter is how long one agent may take to answer before another is tried as well.
	nextAgentAfter = 250 * time.Millisecond
	// agentsTimeout is how long is tried to reach any agent: longer than a VPN that was cut takes to come back.
	agentsTimeout = 8 * time.Second
	// keepAlive finds connections whose other end has gone without a word.
	keepAlive = 15 * time.Second
)

// relay hands the connections of the control plane to an agent.
type relay struct {
	agents []netip.AddrPort
	// caller is the common name of the certificate that callers have to show.
	caller string
	tls    *tls.Config
	meter  *relayMeter

	preferred atomic.Int32 // index of the agent that answered last: a guess that saves time
}

// loadTLS returns how the relay speaks to callers. The files are read once: new certificates come with a new pod.
func loadTLS(certFile, keyFile, caFile string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the relay's certificate: %w", err)
	}
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authority of callers: %w", err)
	}
	callers := x509.NewCertPool()
	if !callers.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading the authority of callers: %s holds no certificate", caFile)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    callers,
		MinVersion:   tls.VersionTLS13,
	}, nil
}

// serve accepts connections until the listener is closed.
func (r *relay) serve(ctx context.Context, listener net.Listener) error {
	return forward.Accept(listener, func(conn net.Conn) { go r.handle(ctx, conn) })
}

func (r *relay) handle(ctx context.Context, raw net.Conn) {
	conn := tls.Server(raw, r.tls)
	if err := r.admit(ctx, conn); err != nil {
		klog.InfoS("refused a connection", "from", raw.RemoteAddr(), "err", err)
		r.meter.refused.Inc()
		_ = raw.Close()
		return
	}
	start := time.Now()
	agent, err := r.dial(ctx)
	if err != nil {
		r.meter.failed.Inc()
		klog.InfoS("no agent can be reached", "err", err)
		// The caller speaks HTTP's CONNECT to the agent; this is the answer that explains most.
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 503 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", err)
		_ = conn.Close()
		return
	}
	r.meter.dial.Observe(time.Since(start).Seconds())
	r.meter.open.Inc()
	defer r.meter.open.Dec()
	forward.Between(conn, agent, nil, nil)
}

// admit lets in who shows the certificate of the control plane.
func (r *relay) admit(ctx context.Context, conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; name != r.caller {
		return fmt.Errorf("it is %q, and only %q may come in", name, r.caller)
	}
	return nil
}

// dial returns a connection to an agent. While the VPN is being built, it keeps trying.
func (r *relay) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, agentsTimeout)
	defer cancel()
	for {
		conn, err := r.race(ctx)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no client of the tunnel is connected (%s)", strings.ReplaceAll(err.Error(), "\n", "; "))
		case <-time.After(nextAgentAfter):
		}
	}
}

// race tries the agent that answered last, after a moment the next one as well, and returns the first connection.
func (r *relay) race(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		agent int
		conn  net.Conn
		err   error
	}
	answers := make(chan answer, len(r.agents))
	dialer := net.Dialer{KeepAlive: keepAlive, Timeout: 2 * time.Second}
	try := func(agent int) {
		conn, err := dialer.DialContext(ctx, "tcp", r.agents[agent].String())
		answers <- answer{agent, conn, err}
	}
	order := r.order()
	go try(order[0])
	started, failed := 1, []error(nil)
	next := time.NewTimer(nextAgentAfter)
	defer next.Stop()
	for len(failed) < len(order) {
		select {
		case <-next.C:
		case a := <-answers:
			if a.err == nil {
				r.preferred.Store(int32(a.agent))
				go func(pending int) { // whoever answers later is not needed
					for range pending {
						if late := <-answers; late.conn != nil {
							_ = late.conn.Close()
						}
					}
				}(started - len(failed) - 1)
				return a.conn, nil
			}
			failed = append(failed, a.err)
		}
		if started < len(order) {
			go try(order[started])
			started++
			next.Reset(nextAgentAfter)
		}
	}
	return nil, errors.Join(failed...)
}

// order returns the agents' indexes, the preferred one first.
func (r *relay) order() []int {
	first := int(r.preferred.Load())
	order := []int{first}
	for i := range r.agents {
		if i != first {
			order = append(order, i)
		}
	}
	return order
}

// agentPorts returns where the agents of the tunnel listen.
func agentPorts(a Addresses) []netip.AddrPort {
	ports := make([]netip.AddrPort, 0, len(a.Clients))
	for _, client := range a.Clients {
		ports = append(ports, netip.AddrPortFrom(client, AgentPort))
	}
	return slices.Clip(ports)
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: keepAlive}
	listener, err := config.Listen(ctx, "tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}
