// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gatewayagent

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve answers the first connection with answer, and returns where it listens and what it will have read up to an empty line.
func serve(t *testing.T, answer string) (address string, read chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	read = make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		var all strings.Builder
		for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
			all.WriteString(lines.Text() + "\n")
		}
		_, _ = io.WriteString(conn, answer)
		read <- all.String()
	}()
	return listener.Addr().String(), read
}

// through sends text to the forwarder and returns all that comes back.
func through(t *testing.T, f *Forwarder, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, text)
	answer, _ := io.ReadAll(conn) // a connection that is reset has no more to say
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	return string(answer)
}

func TestWithoutAGatewayTheNameItselfIsReached(t *testing.T) {
	address, read := serve(t, "hello")
	if got := through(t, &Forwarder{To: address}, "one\n\n"); got != "hello" {
		t.Errorf("got %q", got)
	}
	if got := <-read; got != "one\n" {
		t.Errorf("it was sent %q", got)
	}
}

func TestTheGatewayIsToldTheName(t *testing.T) {
	// What the control plane says at once may come together with the gateway's answer.
	address, read := serve(t, "HTTP/1.1 200 Connection established\r\n\r\nhello")
	if got := through(t, &Forwarder{Gateway: address, To: "a.seed.example.test:1194"}, ""); got != "hello" {
		t.Errorf("got %q", got)
	}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(<-read + "\r\n")))
	if err != nil || request.Method != http.MethodConnect || request.Host != "a.seed.example.test:1194" {
		t.Errorf("%+v, %v", request, err)
	}
}

func TestAClientIsCutOffWhenTheGatewayRefuses(t *testing.T) {
	address, _ := serve(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	if got := through(t, &Forwarder{Gateway: address, To: "gone.seed.example.test:443"}, "one\n"); got != "" {
		t.Errorf("the client was told %q", got)
	}
}
