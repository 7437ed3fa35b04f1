// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/gateway"
)

const (
	gatewayDomain   = "bench.test"
	gatewayNames    = 200
	gatewayIdle     = 1000
	gatewayRequests = 2000
)

// addresses are a gateway's routes: the address of each cluster's API.
type addresses map[string]string

// Route implements gateway.Routes.
func (a addresses) Route(cluster, _ string) (string, bool) {
	address, ok := a[cluster]
	return address, ok
}

// serveGateway is a gateway in a process of its own, so that its memory can be told from that of the measurement. It reads
// its routes, says where it listens, and runs until its input ends.
func serveGateway() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	routes := addresses{}
	if err := json.Unmarshal(line, &routes); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(0)
	}()
	return gateway.NewServer(gatewayDomain, routes).Serve(listener)
}

// benchGateway measures what connections cost that are idle, and how much later an answer comes through the gateway.
func benchGateway(ctx context.Context) error {
	routes := addresses{}
	for i := range gatewayNames {
		backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		defer backend.Close()
		routes[fmt.Sprintf("c%d", i)] = backend.Listener.Addr().String()
	}
	address, pid, stop, err := startGateway(ctx, routes)
	if err != nil {
		return err
	}
	defer stop()
	before, err := residentKiB(pid)
	if err != nil {
		return err
	}
	var idle []*http.Client
	for i := range gatewayIdle {
		c := httpsClient(address, i, true)
		if _, err := get(ctx, c); err != nil {
			return err
		}
		idle = append(idle, c)
	}
	after, err := residentKiB(pid)
	if err != nil {
		return err
	}
	emit("gateway_memory_without_connections", "MiB", []float64{before / 1024})
	emit(fmt.Sprintf("gateway_memory_%d_idle_connections", gatewayIdle), "MiB", []float64{after / 1024})
	emit("gateway_memory_per_idle_connection", "KiB", []float64{(after - before) / gatewayIdle})
	direct := map[int]*http.Client{}
	for i := range gatewayNames {
		direct[i] = httpsClient(routes[fmt.Sprintf("c%d", i)], i, true)
		if _, err := get(ctx, direct[i]); err != nil {
			return err
		}
	}
	if err := compare(ctx, "open_connection", func(i int) (*http.Client, *http.Client) {
		return direct[i%gatewayNames], idle[i%gatewayIdle]
	}); err != nil {
		return err
	}
	return compare(ctx, "new_connection", func(i int) (*http.Client, *http.Client) {
		name := i % gatewayNames
		return httpsClient(routes[fmt.Sprintf("c%d", name)], name, false), httpsClient(address, name, false)
	})
}

// compare asks both clients in turn.
func compare(ctx context.Context, what string, clients func(i int) (direct, through *http.Client)) error {
	var d, g []float64
	for i := range gatewayRequests {
		direct, through := clients(i)
		a, err := get(ctx, direct)
		if err != nil {
			return err
		}
		b, err := get(ctx, through)
		if err != nil {
			return err
		}
		d, g = append(d, a), append(g, b)
	}
	emit("direct_request_"+what, "ms", d)
	emit("gateway_request_"+what, "ms", g)
	emitDifference("gateway_added_latency_"+what, "ms", g, d)
	return nil
}

func startGateway(ctx context.Context, routes addresses) (address string, pid int, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	table, err := json.Marshal(routes)
	if err != nil {
		return "", 0, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve-gateway")
	cmd.Stderr = os.Stderr
	input, inErr := cmd.StdinPipe()
	output, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		return "", 0, nil, err
	}
	stop = func() {
		_ = input.Close()
		_ = cmd.Wait()
	}
	if _, err := input.Write(append(table, '\n')); err != nil {
		return "", 0, nil, err
	}
	address, err = bufio.NewReader(output).ReadString('\n')
	return strings.TrimSpace(address), cmd.Process.Pid, stop, err
}

// httpsClient has one connection to address, on which it asks for the nth name; or a new one for each request.
func httpsClient(address string, n int, keep bool) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: !keep,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{
			ServerName:         fmt.Sprintf("c%d.%s", n%gatewayNames, gatewayDomain),
			InsecureSkipVerify: true, //nolint:gosec // what is measured is not who answers
		},
	}}
}

// get returns how many milliseconds one request takes.
func get(ctx context.Context, c *http.Client) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://gateway/", nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return float64(time.Since(start).Microseconds()) / 1000, errors.Join(err, resp.Body.Close())
}

func residentKiB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if fields := strings.Fields(string(line)); len(fields) > 1 && fields[0] == "VmRSS:" {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}
