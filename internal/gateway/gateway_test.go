// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/gatewayagent"
	"canopy.dev/canopy/internal/pki"
)

const domain = "seed.example.test"

// table is a gateway's routes, as a test wants them.
type table struct {
	mu    sync.Mutex
	ports map[string]string // "cluster:port" → address
}

func (t *table) Route(cluster, port string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	address, ok := t.ports[cluster+":"+port]
	return address, ok
}

func (t *table) set(key, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if address == "" {
		delete(t.ports, key)
		return
	}
	t.ports[key] = address
}

// fixture is a gateway with an authority for the control planes behind it.
type fixture struct {
	*testing.T
	*table
	server  *Server
	address string
	ca      pki.KeyPair
}

func newFixture(t *testing.T, mods ...func(*Server)) *fixture {
	t.Helper()
	ca, err := pki.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, table: &table{ports: map[string]string{}}, ca: ca}
	f.server = NewServer(domain, f.table)
	for _, mod := range mods {
		mod(f.server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(listener) }()
	t.Cleanup(func() {
		_ = listener.Close()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		f.server.Drain(ctx)
	})
	return f
}

// cluster adds a control plane, which echoes lines after its own name.
func (f *fixture) cluster(name string) {
	f.Helper()
	pair, err := f.ca.Issue(pki.Leaf{CommonName: name, Names: []string{name + "." + domain}}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		f.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer shut(conn)
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					_, _ = fmt.Fprintf(conn, "%s: %s\n", name, lines.Text())
				}
			}()
		}
	}()
	f.set(name+":443", listener.Addr().String())
}

// shut closes what a test is done with.
func shut(c io.Closer) { _ = c.Close() }

// talk sends a line over conn and returns the answer.
func talk(conn net.Conn, line string) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (f *fixture) tlsConfig(serverName string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(f.ca.Cert)
	return &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

func (f *fixture) dial(cluster string) (*tls.Conn, error) {
	return tls.Dial("tcp", f.address, f.tlsConfig(cluster+"."+domain))
}

func (f *fixture) wantTalk(conn net.Conn, cluster string) {
	f.Helper()
	if got, err := talk(conn, "hello"); err != nil || got != cluster+": hello" {
		f.Errorf("from %s: %q, %v", cluster, got, err)
	}
}

// metrics returns what the gateway counts.
func (f *fixture) metrics() string {
	f.Helper()
	recorder := httptest.NewRecorder()
	healthHandler(nil, f.server.metrics).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

func (f *fixture) wantMetric(line string) {
	f.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(f.metrics(), line+"\n") {
		if time.Now().After(deadline) {
			f.Fatalf("there is no %q in:\n%s", line, f.metrics())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestEachNameLeadsToItsCluster(t *testing.T) {
	f := newFixture(t)
	const clusters = 50
	conns := map[string]*tls.Conn{}
	for i := range clusters {
		name := fmt.Sprintf("c%d", i)
		f.cluster(name)
		conn, err := f.dial(name)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(conn)
		conns[name] = conn
	}
	for name, conn := range conns {
		f.wantTalk(conn, name)
	}
	f.wantMetric(fmt.Sprintf("canopy_gateway_open_connections %d", clusters))
	f.wantMetric(fmt.Sprintf(`canopy_gateway_connections_total{by="sni"} %d`, clusters))
}

// A cluster that comes or goes is of no concern to the others.
func TestClustersComeAndGoWhileConnectionsFlow(t *testing.T) {
	f := newFixture(t)
	f.cluster("steady")
	steady, err := f.dial("steady")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(steady)
	ctx, stop := context.WithCancel(t.Context())
	var flowing sync.WaitGroup
	answers := 0
	flowing.Go(func() {
		for ; ctx.Err() == nil; answers++ {
			f.wantTalk(steady, "steady")
		}
	})
	for i := range 100 {
		name := fmt.Sprintf("c%d", i)
		f.cluster(name)
		conn, err := f.dial(name)
		if err != nil {
			t.Fatalf("a new cluster is not reached: %v", err)
		}
		f.set(name+":443", "")
		f.wantTalk(conn, name) // what is open stays open
		_ = conn.Close()
		if _, err := f.dial(name); err == nil {
			t.Fatalf("%s is reached after it has gone", name)
		}
	}
	stop()
	flowing.Wait()
	if answers < 100 {
		t.Errorf("only %d answers meanwhile", answers)
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	f := newFixture(t)
	f.cluster("known")
	for _, name := range []string{"unknown." + domain, "known.elsewhere.test", "known.known." + domain, domain, "known"} {
		_, err := tls.Dial("tcp", f.address, f.tlsConfig(name))
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.wantMetric(`canopy_gateway_refused_connections_total{reason="unknown-name"} 5`)
	// A client that names nobody cannot be led anywhere.
	if _, err := tls.Dial("tcp", f.address, f.tlsConfig("127.0.0.1")); err == nil {
		t.Error("a client without a name was led somewhere")
	}
	f.wantMetric(`canopy_gateway_refused_connections_total{reason="unknown-name"} 6`)
}

func TestNamesAreOfAnyCase(t *testing.T) {
	f := newFixture(t)
	f.cluster("known")
	conn, err := tls.Dial("tcp", f.address, f.tlsConfig("KNOWN."+strings.ToUpper(domain)))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(conn)
	f.wantTalk(conn, "known")
}

// exchange sends text as a whole and returns all that comes back.
func (f *fixture) exchange(text string) string {
	f.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.Fatal(err)
	}
	defer shut(conn)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		f.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// It must never become an open proxy.
func TestConnectLeadsOnlyToClusters(t *testing.T) {
	f := newFixture(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody got out") }))
	defer elsewhere.Close()
	f.cluster("known")
	for _, request := range []string{
		"CONNECT " + strings.TrimPrefix(elsewhere.URL, "http://") + " HTTP/1.1\r\nHost: known." + domain + ":443\r\n\r\n",
		"CONNECT unknown." + domain + ":443 HTTP/1.1\r\nHost: unknown\r\n\r\n",
		"CONNECT known." + domain + ":2379 HTTP/1.1\r\nHost: known\r\n\r\n",
		"CONNECT 127.0.0.1.known." + domain + ":443 HTTP/1.1\r\nHost: known\r\n\r\n",
		"GET " + elsewhere.URL + " HTTP/1.1\r\nHost: " + elsewhere.URL + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: known." + domain + "\r\n\r\n",
	} {
		if answer := f.exchange(request); !strings.HasPrefix(answer, "HTTP/1.1 404 Not Found\r\n") {
			t.Errorf("%q: %q", request, answer)
		}
	}
	for _, nonsense := range []string{"SSH-2.0-OpenSSH_9.2\r\n\r\n", "\x16\x03\x01\x00\x05hello", "CONNECT known\r\n\r\n"} {
		if answer := f.exchange(nonsense + strings.Repeat("x", maxHello)); strings.Contains(answer, "200") {
			t.Errorf("%q: %q", nonsense, answer)
		}
	}
	f.wantMetric(`canopy_gateway_refused_connections_total{reason="bad-hello"} 3`)
}

func TestAControlPlaneThatIsDown(t *testing.T) {
	f := newFixture(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.set("down:443", listener.Addr().String())
	_ = listener.Close()
	if answer := f.exchange("CONNECT down." + domain + ":443 HTTP/1.1\r\nHost: down\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 502 ") {
		t.Errorf("%q", answer)
	}
	f.wantMetric(`canopy_gateway_refused_connections_total{reason="unavailable"} 1`)
}

// A client that says nothing, or only half of it, is not waited for.
func TestSlowClientsAreCutOff(t *testing.T) {
	f := newFixture(t, func(s *Server) { s.timeout = 100 * time.Millisecond })
	for _, half := range []string{"", "\x16\x03\x01", "CONNECT known"} {
		start := time.Now()
		if answer := f.exchange(half); strings.Contains(answer, "200") {
			t.Errorf("%q: %q", half, answer)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q held a connection for %s", half, took)
		}
	}
	// The limit is for the hello only.
	f.cluster("known")
	conn, err := f.dial("known")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(conn)
	time.Sleep(2 * f.server.timeout)
	f.wantTalk(conn, "known")
}

func TestTheEndOfOneHalfIsHandedOn(t *testing.T) {
	f := newFixture(t)
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(backend)
	f.set("known:1194", backend.Addr().String())
	received := make(chan string, 1)
	go func() {
		conn, err := backend.Accept()
		if err != nil {
			return
		}
		defer shut(conn)
		all, _ := io.ReadAll(conn) // until the client ends its half
		received <- string(all)
		_, _ = io.WriteString(conn, "thanks")
	}()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(conn)
	payload := strings.Repeat("tunnel ", 100_000)
	_, _ = io.WriteString(conn, "CONNECT known."+domain+":1194 HTTP/1.1\r\nHost: known\r\n\r\n"+payload)
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasSuffix(answer, []byte("\r\n\r\nthanks")) {
		t.Errorf("answer %q, %v", answer, err)
	}
	if got := <-received; got != payload {
		t.Errorf("%d bytes arrived of %d", len(got), len(payload))
	}
	f.wantMetric(`canopy_gateway_bytes_total{direction="in"} 700000`)
}

func TestDrainWaitsAndThenCloses(t *testing.T) {
	f := newFixture(t)
	f.cluster("known")
	conn, err := f.dial("known")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(conn)
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan struct{})
	go func() {
		f.server.Drain(ctx)
		close(drained)
	}()
	f.wantTalk(conn, "known")
	select {
	case <-drained:
		t.Fatal("it did not wait")
	default:
	}
	cancel()
	<-drained
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}

// The agent of a node and the gateway understand each other.
func TestAnAgentLeadsClientsWithoutANameThroughTheGateway(t *testing.T) {
	f := newFixture(t)
	f.cluster("known")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forwarder := &gatewayagent.Forwarder{Gateway: f.address, To: "known." + domain + ":443"}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- forwarder.Serve(ctx, listener) }()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config := f.tlsConfig("known." + domain)
	config.ServerName, config.InsecureSkipVerify = "127.0.0.1", true // an address is no name: none is sent
	conn := tls.Client(raw, config)
	defer shut(conn)
	f.wantTalk(conn, "known")
	f.wantMetric(`canopy_gateway_connections_total{by="connect"} 1`)
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
