// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command flanneld connects the pods of a node with those of all others: it reads the node's pod CIDR and the addresses
// of the other nodes from the Kubernetes API, and writes routes, vxlan forwarding entries, nftables rules and
// /run/flannel/subnet.env.
//
// It puts flannel's own packages together anew because upstream's main package links the backends of every cloud and of
// UDP, which needs cgo. Flags and files are upstream's, as far as they concern Kubernetes, nftables, vxlan and host-gw.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"k8s.io/klog/v2"
)

const (
	annotationPrefix  = "flannel.alpha.coreos.com"
	readHeaderTimeout = 10 * time.Second
)

type options struct {
	kubeconfig, netConf, subnetFile, iface, publicIP, healthzIP string
	healthzPort                                                 int
	ipMasq, kubeSubnetManager, networkUnavailable               bool
}

func main() {
	var o options
	flag.BoolVar(&o.kubeSubnetManager, "kube-subnet-mgr", true, "take subnets from the Kubernetes API; there is no other way")
	flag.BoolVar(&o.ipMasq, "ip-masq", false, "masquerade what leaves the pod network")
	flag.BoolVar(&o.networkUnavailable, "set-node-network-unavailable", true, "clear the node's NetworkUnavailable condition when ready")
	flag.StringVar(&o.kubeconfig, "kubeconfig-file", "", "kubeconfig; not needed in a pod")
	flag.StringVar(&o.netConf, "net-config-path", "/etc/kube-flannel/net-conf.json", "network configuration")
	flag.StringVar(&o.subnetFile, "subnet-file", "/run/flannel/subnet.env", "file to write for CNI plugins")
	flag.StringVar(&o.iface, "iface", "", "name or address of the interface that reaches the other nodes; empty: that of the default route")
	flag.StringVar(&o.publicIP, "public-ip", "", "IPv4 address at which other nodes reach this one; empty: the interface's")
	flag.StringVar(&o.healthzIP, "healthz-ip", "0.0.0.0", "address for /healthz and /readyz")
	flag.IntVar(&o.healthzPort, "healthz-port", 0, "port for /healthz and /readyz; 0: none")
	klog.InitFlags(nil)
	flag.Parse()

	if err := runUntilSignal(o); err != nil {
		klog.Background().Error(err, "Ended")
		klog.Flush()
		os.Exit(1)
	}
}

func runUntilSignal(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); ctx.Err() == nil {
		return err
	}
	return nil // what fails after the signal fails because of it
}

// run sets the node's network up and keeps it so until ctx ends.
func run(ctx context.Context, o options) error {
	if !o.kubeSubnetManager {
		return errors.New("subnets in etcd are not supported: leave --kube-subnet-mgr on")
	}
	var ready atomic.Bool
	if o.healthzPort > 0 {
		if err := serveHealth(ctx, net.JoinHostPort(o.healthzIP, strconv.Itoa(o.healthzPort)), &ready); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()

	subnets, err := kube.NewSubnetManager(ctx, "", o.kubeconfig, annotationPrefix, o.netConf, o.networkUnavailable)
	if err != nil {
		return fmt.Errorf("reading nodes: %w", err)
	}
	config, err := subnets.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("reading %s: %w", o.netConf, err)
	}
	if !config.EnableNFTables {
		return fmt.Errorf(`%s: only nftables is supported: set "EnableNFTables": true`, o.netConf)
	}
	network, err := register(ctx, &tasks, subnets, config, o)
	if err != nil {
		return err
	}
	if err := writeRules(ctx, config, network, o.ipMasq); err != nil {
		return err
	}
	lease := network.Lease()
	if err := subnets.HandleSubnetFile(o.subnetFile, config, o.ipMasq, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("writing %s: %w", o.subnetFile, err)
	}
	tasks.Go(func() { network.Run(ctx) })
	if err := subnets.CompleteLease(ctx, lease, &tasks); err != nil {
		return fmt.Errorf("reporting the node's network as available: %w", err)
	}
	ready.Store(true)
	klog.Background().Info("Ready", "subnet", lease.Subnet.String(), "backend", config.BackendType)
	<-ctx.Done()
	return nil
}

// register creates the backend's devices and writes this node's addresses to its annotations.
func register(ctx context.Context, tasks *sync.WaitGroup, subnets subnet.Manager, config *subnet.Config, o options) (backend.Network, error) {
	stack, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.netConf, err)
	}
	public := ipmatch.PublicIPOpts{PublicIP: o.publicIP}
	if v4, v6 := subnets.GetStoredPublicIP(ctx); v4 != "" || v6 != "" {
		public = ipmatch.PublicIPOpts{PublicIP: v4, PublicIPv6: v6}
	}
	name := o.iface
	if name == "" {
		name = public.PublicIP
	}
	external, err := ipmatch.LookupExtIface(name, "", "", stack, public)
	if err != nil {
		return nil, fmt.Errorf("looking for the interface that reaches the other nodes: %w", err)
	}
	b, err := backend.NewManager(ctx, subnets, external).GetBackend(config.BackendType)
	if err != nil {
		return nil, fmt.Errorf("%s: backend %q: %w; this build has vxlan and host-gw", o.netConf, config.BackendType, err)
	}
	network, err := b.RegisterNetwork(ctx, tasks, config)
	if err != nil {
		return nil, fmt.Errorf("setting up %s on %s: %w", config.BackendType, external.Iface.Name, err)
	}
	return network, nil
}

// writeRules lets pods' packets be forwarded and, if masquerade is set, gives those that leave the pod network the
// node's address.
func writeRules(ctx context.Context, config *subnet.Config, network backend.Network, masquerade bool) error {
	var rules nftables.NFTablesManager
	if err := rules.Init(ctx); err != nil {
		return fmt.Errorf("creating nftables tables: %w", err)
	}
	if masquerade {
		// The earlier networks matter to iptables only; nftables flushes its chains.
		err := rules.SetupAndEnsureMasqRules(ctx, config.Network, ip.IP4Net{}, ip.IP4Net{}, config.IPv6Network, ip.IP6Net{}, ip.IP6Net{},
			network.Lease(), 0, false)
		if err != nil {
			return fmt.Errorf("writing masquerading rules: %w", err)
		}
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, 0)
	return nil
}

// serveHealth answers in the background until the process ends.
func serveHealth(ctx context.Context, address string, ready *atomic.Bool) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "the network is not set up yet", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	go func() {
		if err := server.Serve(listener); err != nil {
			klog.Background().Error(err, "Health checks ended", "address", address)
		}
	}()
	return nil
}
