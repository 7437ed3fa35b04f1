// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"
	ctrl "sigs.k8s.io/controller-runtime"
)

type options struct {
	domain, address, health string
	// linger is how long new connections are still accepted when the gateway was told to end: as long as it takes until
	// none are sent its way. drain is how long it then waits for those that are open.
	linger, drain time.Duration
}

// NewCommand returns the command `gateway`, which runs until it is told to end.
func NewCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Lead to all control planes of a seed at one address, by name",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.domain, "domain", "", "DNS domain of which clusters are subdomains, for example seed-eu.example.com (required)")
	flags.StringVar(&o.address, "address", ":8443", "address to accept connections at")
	flags.StringVar(&o.health, "health-address", ":8080", "address of the health checks and the metrics")
	flags.DurationVar(&o.linger, "linger", 5*time.Second, "how long connections are still accepted after the signal to end")
	flags.DurationVar(&o.drain, "drain", 20*time.Second, "how long open connections may then go on")
	return cmd
}

func run(ctx context.Context, o options) error {
	if wrong := validation.IsDNS1123Subdomain(o.domain); len(wrong) > 0 {
		return fmt.Errorf("--domain %q: want a DNS domain such as seed-eu.example.com", o.domain)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("reading how to reach the seed's API: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.health)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	var ready atomic.Bool
	var group errgroup.Group
	// While it lingers it still needs to know where clusters are.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	routes, err := watchServices(ctx, watching.Done(), config)
	if err != nil {
		return err
	}
	server := NewServer(o.domain, routes)
	health := &http.Server{Handler: healthHandler(&ready, server.metrics), ReadHeaderTimeout: time.Second}
	group.Go(func() error {
		if err := health.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering health checks: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer func() { _ = health.Close() }() // nobody asks any more
		return serve(ctx, server, &ready, o)
	})
	return group.Wait()
}

// serve accepts connections until ctx ends, and a little longer.
func serve(ctx context.Context, server *Server, ready *atomic.Bool, o options) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.address)
	if err != nil {
		return err
	}
	ready.Store(true)
	stop := context.AfterFunc(ctx, func() {
		ready.Store(false)
		time.AfterFunc(o.linger, func() { _ = listener.Close() })
	})
	defer stop()
	//nolint:contextcheck // a connection goes on when ctx has ended
	if err := server.Serve(listener); err != nil {
		return err
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
	defer cancel()
	server.Drain(draining)
	return nil
}

func healthHandler(ready *atomic.Bool, m metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "it does not accept new connections", http.StatusServiceUnavailable)
		}
	})
	return mux
}
