// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import "github.com/prometheus/client_golang/prometheus"

// Why connections were refused.
const (
	reasonBadHello    = "bad-hello"    // neither TLS with a name nor CONNECT, or too slow
	reasonUnknownName = "unknown-name" // no cluster has that name, or not that port
	reasonUnavailable = "unavailable"  // the control plane does not accept connections
)

type metrics struct {
	registry    *prometheus.Registry
	open        prometheus.Gauge
	connections *prometheus.CounterVec
	refused     *prometheus.CounterVec
	in, out     prometheus.Counter
}

func newMetrics() metrics {
	m := metrics{
		registry: prometheus.NewRegistry(),
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "canopy_gateway_open_connections", Help: "Connections of clients that are open."}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "canopy_gateway_connections_total", Help: "Connections that were led to a control plane, by how they named it.",
		}, []string{"by"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "canopy_gateway_refused_connections_total", Help: "Connections that led nowhere, by reason.",
		}, []string{"reason"}),
	}
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "canopy_gateway_bytes_total", Help: "Bytes that were handed on, to control planes (in) and from them (out).",
	}, []string{"direction"})
	m.in, m.out = bytes.WithLabelValues("in"), bytes.WithLabelValues("out")
	for _, by := range []string{byName, byConnect} {
		m.connections.WithLabelValues(by)
	}
	for _, reason := range []string{reasonBadHello, reasonUnknownName, reasonUnavailable} {
		m.refused.WithLabelValues(reason)
	}
	m.registry.MustRegister(m.open, m.connections, m.refused, bytes)
	return m
}
