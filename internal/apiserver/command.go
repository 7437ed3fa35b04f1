// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// flags are what the command is told.
type flags struct {
	address, metrics string
	// certificates is a folder with tls.crt and tls.key; empty: the server has an authority of its own, for hosts.
	certificates string
	hosts        []string
	version      string
}

// NewCommand returns the command that serves the API.
func NewCommand() *cobra.Command {
	var f flags
	logs := textlogger.NewConfig()
	cmd := &cobra.Command{
		Use:   "api",
		Short: "Serve the REST API of the platform",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger := textlogger.NewLogger(logs)
			ctrl.SetLogger(logger)
			klog.SetLogger(logger)
			return run(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.address, "address", ":8443", "address to serve at")
	cmd.Flags().StringVar(&f.metrics, "metrics-address", ":8080", "address of the health checks and the metrics")
	cmd.Flags().StringVar(&f.certificates, "certificate-dir", "", "folder with tls.crt and tls.key; without one the server has a certificate authority of its own")
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "DNS name or IP address by which the server is reached; for certificates of its own authority")
	cmd.Flags().StringVar(&f.version, "platform-version", "dev", "version of the platform, which the API reports")
	return cmd
}

func run(ctx context.Context, f flags) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("reading how to reach the master's API: %w", err)
	}
	own, err := client.New(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return fmt.Errorf("setting up the client: %w", err)
	}
	tlsConfig, err := certificates(ctx, own, f.certificates, f.hosts)
	if err != nil {
		return err
	}
	server, err := New(Options{Config: config, Version: f.version})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Start(ctx) })
	group.Go(func() error { return serveHealth(ctx, f.metrics, server) })
	group.Go(func() error {
		if !server.WaitForSync(ctx) {
			return nil // it is told to end before it has begun
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.address)
		if err != nil {
			return err
		}
		return server.Serve(ctx, listener, tlsConfig)
	})
	return group.Wait()
}

// serveHealth answers kubelet and Prometheus.
func serveHealth(ctx context.Context, address string, server *Server) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !server.ready.Load() {
			http.Error(w, "it does not accept connections", http.StatusServiceUnavailable)
		}
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	health := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	stop := context.AfterFunc(ctx, func() { _ = health.Close() }) // nobody asks any more
	defer stop()
	if err := health.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answering health checks: %w", err)
	}
	return nil
}
