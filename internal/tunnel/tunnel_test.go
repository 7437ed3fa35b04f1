// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"canopy.dev/canopy/internal/pki"
)

func TestNewAddresses(t *testing.T) {
	got, err := NewAddresses("169.254.88.0/28")
	if err != nil {
		t.Fatal(err)
	}
	if got.Server.String() != "169.254.88.1" || got.Clients[0].String() != "169.254.88.2" || got.Clients[1].String() != "169.254.88.3" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"", "10.0.0.1", "10.0.0.0/30"} {
		if _, err := NewAddresses(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

const openvpnClient = "openvpn-client-0"

// ends is a relay and its agents on loopback addresses.
type ends struct {
	address string
	agents  []net.Listener
	// The stranger's certificate has the same authority.
	caller, stranger *tls.Config
}

// start runs a relay for the caller "kube-apiserver" and those of its agents whose numbers are in up.
func start(t *testing.T, up ...int) ends {
	t.Helper()
	ca, err := pki.NewCA("tunnel", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	loopback := Addresses{Server: netip.MustParseAddr("127.0.0.1"), Range: netip.MustParsePrefix("127.0.0.0/8")}
	e := ends{}
	r := &relay{caller: "kube-apiserver", meter: newRelayMeter(prometheus.NewRegistry()), tls: serverTLS(t, ca)}
	for i := range Clients {
		listener := listenAt(t, fmt.Sprintf("127.0.0.%d:0", i+2))
		r.agents = append(r.agents, netip.MustParseAddrPort(listener.Addr().String()))
		if !slices.Contains(up, i) {
			_ = listener.Close()
			continue
		}
		a := &agent{addresses: loopback, meter: newAgentMeter(prometheus.NewRegistry())}
		go func() { _ = a.serve(listener) }()
		e.agents = append(e.agents, listener)
	}
	listener := listenAt(t, "127.0.0.1:0")
	go func() { _ = r.serve(t.Context(), listener) }()
	e.address, e.caller = listener.Addr().String(), clientTLS(t, ca, "kube-apiserver")
	e.stranger = clientTLS(t, ca, openvpnClient)
	return e
}

func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func serverTLS(t *testing.T, ca pki.KeyPair) *tls.Config {
	t.Helper()
	config := clientTLS(t, ca, "openvpn", "relay.test")
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, config.RootCAs
	return config
}

func clientTLS(t *testing.T, ca pki.KeyPair, name string, hosts ...string) *tls.Config {
	t.Helper()
	pair, err := ca.Issue(pki.Leaf{CommonName: name, Names: hosts}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: "relay.test", MinVersion: tls.VersionTLS13}
}

// connect does what kube-apiserver does, and returns the connection and the status line of the answer.
func (e ends) connect(t *testing.T, target string) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	conn := tls.Client(raw, e.caller)
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil) //nolint:bodyclose // it is the connection
	if err != nil {
		return conn, reader, err.Error()
	}
	return conn, reader, resp.Status
}

// echo answers with what it gets, after it has been told that nothing more comes.
func echo(t *testing.T) string {
	t.Helper()
	listener := listenAt(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				got, _ := io.ReadAll(conn)
				_, _ = conn.Write(append([]byte("you said "), got...))
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func TestBytesPassBothWays(t *testing.T) {
	for name, up := range map[string][]int{"both agents": {0, 1}, "only the first": {0}, "only the second": {1}} {
		t.Run(name, func(t *testing.T) {
			e := start(t, up...)
			conn, reader, status := e.connect(t, echo(t))
			if !strings.HasPrefix(status, "200 ") {
				t.Fatalf("status %q", status)
			}
			_, _ = conn.Write([]byte("hello"))
			_ = conn.(*tls.Conn).CloseWrite()
			if got, err := io.ReadAll(reader); string(got) != "you said hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestAConnectionOutlivesTheOtherAgent(t *testing.T) {
	e := start(t, 0, 1)
	conn, reader, _ := e.connect(t, echo(t))
	for _, agent := range e.agents {
		_ = agent.Close() // takes no new connections
	}
	_, _ = conn.Write([]byte("still here"))
	_ = conn.(*tls.Conn).CloseWrite()
	if got, err := io.ReadAll(reader); string(got) != "you said still here" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheReasonIsInTheStatusLine(t *testing.T) {
	closed := listenAt(t, "127.0.0.1:0")
	_ = closed.Close()
	_, _, status := start(t, 0).connect(t, closed.Addr().String())
	if !strings.HasPrefix(status, "502 ") || !strings.Contains(status, "connection refused") {
		t.Errorf("status %q", status)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	e := start(t, 0)
	e.caller = e.stranger
	_, _, status := e.connect(t, echo(t))
	if strings.HasPrefix(status, "200") {
		t.Errorf("somebody else got the answer %q", status)
	}
}

// Who reaches the agent's pod by another way than the tunnel gets no answer.
func TestTheAgentAnswersOnlyTheTunnel(t *testing.T) {
	vpn, err := NewAddresses("169.254.88.0/28")
	if err != nil {
		t.Fatal(err)
	}
	listener := listenAt(t, "127.0.0.1:0")
	a := &agent{addresses: vpn, meter: newAgentMeter(prometheus.NewRegistry())}
	go func() { _ = a.serve(listener) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = conn.Write([]byte("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"))
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("it answered %q", got)
	}
}
