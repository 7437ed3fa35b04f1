// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// dialBuckets are in seconds: a tunnel adds a few milliseconds when it is well.
var dialBuckets = []float64{.001, .002, .005, .01, .05, .25, 1, 5}

type relayMeter struct {
	open    prometheus.Gauge
	dial    prometheus.Histogram
	failed  prometheus.Counter
	refused prometheus.Counter
}

func newRelayMeter(r prometheus.Registerer) *relayMeter {
	return &relayMeter{
		open:    promauto.With(r).NewGauge(prometheus.GaugeOpts{Name: "canopy_tunnel_connections", Help: "Connections of the control plane that are open through the tunnel."}),
		dial:    promauto.With(r).NewHistogram(prometheus.HistogramOpts{Name: "canopy_tunnel_agent_dial_seconds", Help: "Time until an agent at the other end of the tunnel answered.", Buckets: dialBuckets}),
		failed:  promauto.With(r).NewCounter(prometheus.CounterOpts{Name: "canopy_tunnel_agent_dial_failures_total", Help: "Connections for which no agent could be reached."}),
		refused: promauto.With(r).NewCounter(prometheus.CounterOpts{Name: "canopy_tunnel_refused_connections_total", Help: "Connections of callers that could not say who they are."}),
	}
}

type agentMeter struct {
	open   prometheus.Gauge
	dial   prometheus.Histogram
	failed prometheus.Counter
}

func newAgentMeter(r prometheus.Registerer) *agentMeter {
	return &agentMeter{
		open:   promauto.With(r).NewGauge(prometheus.GaugeOpts{Name: "canopy_tunnel_connections", Help: "Connections of the control plane that are open through this agent."}),
		dial:   promauto.With(r).NewHistogram(prometheus.HistogramOpts{Name: "canopy_tunnel_target_dial_seconds", Help: "Time until a pod, Service or kubelet answered.", Buckets: dialBuckets}),
		failed: promauto.With(r).NewCounter(prometheus.CounterOpts{Name: "canopy_tunnel_target_dial_failures_total", Help: "Connections to pods, Services and kubelets that could not be made."}),
	}
}

// serveHealth answers /healthz, /readyz and /metrics until ctx ends. /readyz asks ready.
func serveHealth(ctx context.Context, registry *prometheus.Registry, ready func(context.Context) error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, req *http.Request) {
		if err := ready(req.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	listener, err := listen(ctx, MetricsPort)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: handshakeTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return ignoreClosed(server.Serve(listener))
}

// reachable returns nil if somebody accepts a connection at address.
func reachable(ctx context.Context, address netip.AddrPort) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return err
	}
	return conn.Close()
}
