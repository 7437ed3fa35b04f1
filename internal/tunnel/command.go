// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// NewCommand returns the command with one subcommand for each end of the tunnel.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "tunnel",
		Short:         "Carry a control plane's connections through a VPN into its user cluster",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newRelayCommand(), newAgentCommand())
	return cmd
}

func newRelayCommand() *cobra.Command {
	var cidr, cert, key, ca, caller string
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Take connections from the control plane and hand them to an agent",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			addresses, err := NewAddresses(cidr)
			if err != nil {
				return err
			}
			config, err := loadTLS(cert, key, ca)
			if err != nil {
				return err
			}
			registry := prometheus.NewRegistry()
			return runRelay(cmd.Context(), registry, &relay{agents: agentPorts(addresses), caller: caller, tls: config, meter: newRelayMeter(registry)})
		},
	}
	cmd.Flags().StringVar(&cidr, "cidr", "", "range of the VPN's addresses")
	cmd.Flags().StringVar(&cert, "tls-cert-file", "", "certificate to show to callers")
	cmd.Flags().StringVar(&key, "tls-private-key-file", "", "its key")
	cmd.Flags().StringVar(&ca, "client-ca-file", "", "authority of the certificates of callers")
	cmd.Flags().StringVar(&caller, "caller", "", "common name of the certificate that callers must show")
	return cmd
}

func runRelay(ctx context.Context, registry *prometheus.Registry, r *relay) error {
	listener, err := listen(ctx, RelayPort)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	group.Go(func() error { return r.serve(ctx, listener) })
	// Whether an agent is connected is no reason to send callers elsewhere: there is no other relay.
	group.Go(func() error { return serveHealth(ctx, registry, func(context.Context) error { return nil }) })
	return group.Wait()
}

func newAgentCommand() *cobra.Command {
	var cidr string
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Open connections inside the user cluster for the relay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			addresses, err := NewAddresses(cidr)
			if err != nil {
				return err
			}
			registry := prometheus.NewRegistry()
			return runAgent(cmd.Context(), registry, &agent{addresses: addresses, meter: newAgentMeter(registry)})
		},
	}
	cmd.Flags().StringVar(&cidr, "cidr", "", "range of the VPN's addresses")
	return cmd
}

func runAgent(ctx context.Context, registry *prometheus.Registry, a *agent) error {
	listener, err := listen(ctx, AgentPort)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	group.Go(func() error { return a.serve(listener) })
	relay := netip.AddrPortFrom(a.addresses.Server, MetricsPort)
	group.Go(func() error {
		return serveHealth(ctx, registry, func(ctx context.Context) error { return reachable(ctx, relay) })
	})
	return group.Wait()
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
