// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/dashboard"
	"canopy.dev/canopy/internal/login"
	"canopy.dev/canopy/internal/machine"
)

// flags are what the command is told.
type flags struct {
	address, metrics string
	// certificates is a folder with tls.crt and tls.key; empty: the server has an authority of its own, for hosts.
	certificates string
	hosts        []string
	// publicURL is where people reach the server; issuer: it is an issuer of tokens itself.
	publicURL string
	issuer    bool
	version   string
	clouds    map[hostingv1alpha1.ProviderName]machine.Cloud
}

// NewCommand returns the command that serves the API, which asks the clouds that there are.
func NewCommand(clouds map[hostingv1alpha1.ProviderName]machine.Cloud) *cobra.Command {
	f := flags{clouds: clouds}
	logs := textlogger.NewConfig()
	cmd := &cobra.Command{
		Use:   "api",
		Short: "Serve the REST API of the platform, and the dashboard",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger := textlogger.NewLogger(logs)
			ctrl.SetLogger(logger)
			klog.SetLogger(logger)
			slog.SetDefault(slog.New(logr.ToSlogHandler(logger))) // what the issuer's library says
			return run(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.address, "address", ":8443", "address to serve at")
	cmd.Flags().StringVar(&f.metrics, "metrics-address", ":8080", "address of the health checks and the metrics")
	cmd.Flags().StringVar(&f.certificates, "certificate-dir", "", "folder with tls.crt and tls.key; without one the server has a certificate authority of its own")
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "DNS name or IP address by which the server is reached; for certificates of its own authority")
	cmd.Flags().StringVar(&f.publicURL, "public-url", "", "URL at which people reach the server, for example https://canopy.example.com; needed for logins of browsers")
	cmd.Flags().BoolVar(&f.issuer, "issuer", false, "be an OpenID Connect issuer with users of its own, at /issuer")
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
	logins, handlers, err := setUpLogins(ctx, config, own, f)
	if err != nil {
		return err
	}
	server, err := New(Options{
		Config: config, Authenticator: logins, Handlers: handlers, Pages: dashboard.Handler(), PublicURL: f.publicURL, Version: f.version, Clouds: f.clouds,
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Start(ctx) })
	group.Go(func() error {
		logins.Run(ctx)
		return nil
	})
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

// setUpLogins returns who knows callers, and what it serves.
func setUpLogins(ctx context.Context, config *rest.Config, own client.Client, f flags) (*login.Service, map[string]http.Handler, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own fairness
	machines, err := TokenReview(config)
	if err != nil {
		return nil, nil, fmt.Errorf("setting up the review of tokens: %w", err)
	}
	opts := login.SetupOptions{
		Config: config, Scheme: Scheme(), PublicURL: strings.TrimSuffix(f.publicURL, "/"), Issuer: f.issuer, Machines: machines, Log: ctrl.Log.WithName("login"),
	}
	if f.certificates == "" {
		public := &corev1.ConfigMap{}
		if err := own.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: AuthorityName}, public); err != nil {
			return nil, nil, fmt.Errorf("reading the certificate of the API's authority: %w", err)
		}
		opts.Authority = public.Data[AuthorityKey]
	}
	return login.Setup(ctx, opts)
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
