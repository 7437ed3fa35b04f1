// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package gatewayagent runs on every node of a user cluster whose API is reached by name. Clients of the Service
// "kubernetes" and of the tunnel connect to an address and name nobody; on the node that address leads here. The agent
// gives the node the address, accepts connections there, and leads them to the control plane: through the seed's gateway,
// which is told the name, or to the name itself. It reads no Kubernetes objects, and writes nothing but the address.
package gatewayagent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"canopy.dev/canopy/internal/forward"
)

// dialTimeout is how long it may take until the control plane is reached.
const dialTimeout = 10 * time.Second

type options struct {
	address  string
	gateway  string
	forwards []string
	health   string
}

// NewCommand returns the command `gateway-agent`, which runs until it is told to end.
func NewCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "gateway-agent",
		Short: "Lead clients on this node that can name no cluster to their control plane",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.address, "address", "", "IPv4 address to give this node and to listen at (required)")
	cmd.Flags().StringVar(&o.gateway, "gateway", "", "host:port of the gateway that is told where to lead to; empty: connect there directly")
	cmd.Flags().StringSliceVar(&o.forwards, "forward", nil, "<port>=<host>:<port>: what is listened for, and where it leads")
	cmd.Flags().StringVar(&o.health, "health-address", "127.0.0.1:10287", "address for /healthz")
	return cmd
}

func run(ctx context.Context, o options) error {
	address, err := netip.ParseAddr(o.address)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	if err := assign(address); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range o.forwards {
		port, to, ok := strings.Cut(f, "=")
		if !ok {
			return fmt.Errorf("--forward %q: want <port>=<host>:<port>", f)
		}
		listener, err := listen(ctx, net.JoinHostPort(o.address, port))
		if err != nil {
			return err
		}
		group.Go(func() error { return (&Forwarder{Gateway: o.gateway, To: to}).Serve(ctx, listener) })
	}
	health, err := listen(ctx, o.health)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	group.Go(func() error {
		if err := server.Serve(health); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering health checks: %w", err)
		}
		return nil
	})
	return group.Wait()
}

// assign gives the loopback interface the address, on which pods reach it as well. It stays when the agent ends: the next
// one needs it, and nobody else has it.
func assign(address netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback interface: %w", err)
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}, Scope: unix.RT_SCOPE_HOST}
	if err := netlink.AddrReplace(lo, addr); err != nil {
		return fmt.Errorf("giving this node the address %s: %w; it takes CAP_NET_ADMIN", address, err)
	}
	return nil
}

// listen lets a new agent listen before the old one has ended, so that no connection is refused in between.
func listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		controlErr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(controlErr, err)
	}}
	return config.Listen(ctx, "tcp4", address)
}

// Forwarder leads connections to one place.
type Forwarder struct {
	// Gateway is the host:port of the gateway; empty: To is dialled directly.
	Gateway string
	// To is the host:port that the gateway is asked for.
	To string
}

// Serve accepts connections until ctx ends. The accepted ones end with the process.
func (f *Forwarder) Serve(ctx context.Context, listener net.Listener) error {
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	return forward.Accept(listener, func(conn net.Conn) { go f.handle(ctx, conn) })
}

func (f *Forwarder) handle(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	server, ahead, err := f.dial(ctx)
	if err != nil {
		slog.Error("Cannot reach the control plane", "to", f.To, "gateway", f.Gateway, "error", err)
		return
	}
	defer func() { _ = server.Close() }()
	if len(ahead) > 0 {
		if _, err := client.Write(ahead); err != nil {
			return
		}
	}
	forward.Between(client, server, nil, nil)
}

// dial returns a connection to the place, and what has been read of it already.
func (f *Forwarder) dial(ctx context.Context) (conn net.Conn, ahead []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	address := f.To
	if f.Gateway != "" {
		address = f.Gateway
	}
	conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil || f.Gateway == "" {
		return conn, nil, err
	}
	if ahead, err = f.connect(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, ahead, nil
}

// connect tells the gateway where to lead to.
func (f *Forwarder) connect(ctx context.Context, conn net.Conn) (ahead []byte, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", f.To); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the gateway says %s", response.Status)
	}
	ahead = make([]byte, reader.Buffered())
	if _, err := io.ReadFull(reader, ahead); err != nil {
		return nil, err
	}
	return ahead, conn.SetDeadline(time.Time{})
}
