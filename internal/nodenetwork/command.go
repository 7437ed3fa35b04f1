// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package nodenetwork runs on every node, in its network namespace. It enforces NetworkPolicies, which flannel and the ptp
// plugin do not: it reads the policies, namespaces and pods of the cluster, and the answers of CNI plugins on the node, and
// writes one nftables table. In user clusters it is also the last of the node's agents to become ready, and then writes
// the CNI configuration, so that the first pod finds a complete network. There it also keeps the file with the SSH keys of
// people, because it is on every node already.
//
// policy.go decides what is allowed (pure), nftables.go says it in rules (pure), watch.go and attached.go read, agent.go
// writes, cni.go lets pods in, sshkeys.go lets people in, objects.go is how it is deployed. Everything is IPv4, as the clusters' pods are.
package nodenetwork

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

type options struct {
	node, health string
	sshKeys      string
	gate         gate
}

// NewCommand returns the command that runs the agent until it is told to end.
func NewCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "node-network",
		Short:         "Enforce NetworkPolicies on this node, and let pods onto it when its network is complete",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.node, "node", os.Getenv("NODE_NAME"), "name of this node (default: $NODE_NAME)")
	cmd.Flags().StringVar(&o.health, "health-address", "127.0.0.1:10286", "address for /healthz and /readyz")
	cmd.Flags().StringVar(&o.gate.path, "cni-config", "", "CNI configuration to write when the node's network is complete; empty: none")
	cmd.Flags().StringVar(&o.gate.device, "cni-mtu-of", "flannel.1", "device whose MTU pods get")
	cmd.Flags().StringSliceVar(&o.gate.urls, "wait-for", nil, "URLs of the node's other agents that must answer 200 before pods are let in")
	cmd.Flags().StringVar(&o.sshKeys, "ssh-keys", "", "file to keep as the ConfigMap kube-system/"+SSHKeysConfigMap+" has it; empty: none")
	return cmd
}

func run(ctx context.Context, o options) error {
	if o.node == "" {
		return errors.New("--node is empty: name the node that this runs on")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster this runs in: %w", err)
	}
	agent, err := newAgent(config, o.node)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.health)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{Handler: health(agent.ready.Load), ReadHeaderTimeout: time.Second}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering health checks: %w", err)
		}
		return nil
	})
	context.AfterFunc(ctx, func() { _ = server.Close() })
	group.Go(func() error { return agent.run(ctx) })
	if o.gate.path != "" {
		group.Go(func() error {
			return o.gate.open(ctx, func() (netip.Prefix, bool) { return agent.watches.podRange(o.node) }, agent.ready.Load)
		})
	}
	if o.sshKeys != "" {
		keys, err := watchSSHKeys(config, o.sshKeys)
		if err != nil {
			return err
		}
		group.Go(func() error { return keys.run(ctx) })
	}
	return group.Wait()
}

func health(ready func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready() {
			http.Error(w, "the rules of network policies are not written yet", http.StatusServiceUnavailable)
		}
	})
	return mux
}
