// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"canopy.dev/canopy/internal/controlplane"
)

// How a connection named its cluster.
const (
	byName    = "sni"
	byConnect = "connect"
)

// request is where a connection wants to go.
type request struct {
	by            string
	cluster, port string
	// sent is what the client has sent that is for the control plane.
	sent []byte
}

// tlsHandshake is the first byte of every TLS connection. No HTTP method starts with it.
const tlsHandshake = 0x16

// read returns where the connection wants to go. A name that is not below the domain is no error: nothing has that name.
func (s *Server) read(r *bufio.Reader) (request, error) {
	first, err := r.Peek(1)
	if err != nil {
		return request{}, err
	}
	if first[0] == tlsHandshake {
		name, hello, err := serverName(r)
		if err != nil {
			return request{}, err
		}
		return request{by: byName, cluster: s.clusterOf(name), port: strconv.Itoa(controlplane.ServicePortAPI), sent: append(hello, buffered(r)...)}, nil
	}
	connect, err := http.ReadRequest(r)
	if err != nil {
		return request{}, fmt.Errorf("neither TLS nor HTTP: %w", err)
	}
	if connect.Method != http.MethodConnect {
		return request{by: byConnect}, nil
	}
	host, port, err := net.SplitHostPort(connect.Host)
	if err != nil {
		return request{}, err
	}
	return request{by: byConnect, cluster: s.clusterOf(host), port: port, sent: buffered(r)}, nil
}

// buffered returns a copy of what r has read ahead.
func buffered(r *bufio.Reader) []byte {
	ahead, _ := r.Peek(r.Buffered()) // never more than there is
	return bytes.Clone(ahead)
}

// clusterOf returns the cluster's part of a host name; empty if the name is not of a cluster.
func (s *Server) clusterOf(host string) string {
	cluster, ok := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "."+s.Domain)
	if !ok || strings.Contains(cluster, ".") {
		return ""
	}
	return cluster
}

var errNamed = errors.New("the name is known")

// serverName returns the name in the client's first message, and the bytes that were read to get there. The parser is that
// of the standard library, which is stopped before it answers.
func serverName(r io.Reader) (name string, read []byte, err error) {
	var all bytes.Buffer
	err = tls.Server(reading{Reader: io.TeeReader(r, &all)}, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			name = hello.ServerName
			return nil, errNamed
		},
	}).Handshake() //nolint:noctx // it ends at the deadline of the connection
	if !errors.Is(err, errNamed) {
		return "", nil, fmt.Errorf("reading the client's first message: %w", err)
	}
	return name, all.Bytes(), nil
}

// reading is a connection that can only be read from.
type reading struct {
	io.Reader
	net.Conn // nil: nothing else is called
}

func (c reading) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c reading) Write(p []byte) (int, error) { return len(p), nil } // the alert that the parser was stopped

// unrecognizedName is TLS's fatal alert for a name that the server does not know (RFC 6066).
var unrecognizedName = []byte{21, 3, 1, 0, 2, 2, 112}

// refuse tells the client, in its own protocol, that there is no way.
func (q request) refuse(client io.Writer, status int) {
	if q.by == byName {
		if status == http.StatusNotFound {
			_, _ = client.Write(unrecognizedName) // it is closed in any case
		}
		return
	}
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status))
}
