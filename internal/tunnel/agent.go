// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"canopy.dev/canopy/internal/forward"
)

// targetTimeout is how long a pod, Service or kubelet may take to accept a connection. Callers give up after 30 seconds.
const targetTimeout = 10 * time.Second

// agent opens connections inside of the user cluster for the relay at the other end of the VPN.
type agent struct {
	addresses Addresses
	meter     *agentMeter
}

// serve answers on listener until it is closed.
func (a *agent) serve(listener net.Listener) error {
	server := &http.Server{Handler: a, ReadHeaderTimeout: handshakeTimeout}
	return ignoreClosed(server.Serve(onlyThrough{listener, a.addresses}))
}

// ServeHTTP answers CONNECT with a connection to the host that it names, and everything else with an error.
func (a *agent) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		http.Error(w, "want CONNECT", http.StatusMethodNotAllowed)
		return
	}
	start := time.Now()
	target, err := dialTarget(req.Context(), req.Host)
	caller, buffered, hijackErr := http.NewResponseController(w).Hijack()
	if hijackErr != nil {
		http.Error(w, hijackErr.Error(), http.StatusInternalServerError)
		return
	}
	if err != nil {
		a.meter.failed.Inc()
		// The reason is what people see: kube-apiserver shows the status line and nothing else.
		_, _ = fmt.Fprintf(caller, "HTTP/1.1 502 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		_ = caller.Close()
		return
	}
	a.meter.dial.Observe(time.Since(start).Seconds())
	a.meter.open.Inc()
	defer a.meter.open.Dec()
	_ = caller.SetDeadline(time.Time{})
	if err := establish(caller, buffered.Reader, target); err != nil {
		_ = caller.Close()
		_ = target.Close()
		return
	}
	forward.Between(caller, target, nil, nil)
}

// establish says yes to the caller, and hands on what it has sent ahead of that.
func establish(caller io.Writer, ahead *bufio.Reader, target io.Writer) error {
	if _, err := io.WriteString(caller, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return err
	}
	_, err := io.CopyN(target, ahead, int64(ahead.Buffered()))
	return err
}

func dialTarget(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: keepAlive, Timeout: targetTimeout}
	return dialer.DialContext(ctx, "tcp", address)
}

// onlyThrough accepts what comes from the tunnel's server to the tunnel's address, and closes everything else: other pods
// reach the agent's pod as well, but not by that address.
type onlyThrough struct {
	net.Listener
	addresses Addresses
}

func (o onlyThrough) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if o.addresses.Range.Contains(address(conn.LocalAddr())) && address(conn.RemoteAddr()) == o.addresses.Server {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func address(a net.Addr) netip.Addr {
	port, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return port.Addr().Unmap()
}
