// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controllermanageroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// The garbage collector is relaxed while the process starts, which saves a quarter of the CPU seconds until ready, and tight
// afterwards, which saves a quarter of the memory. What is between, while the other components fill their caches, saves them a
// fifth of their CPU seconds; more than that would be seen in the memory at rest, where caches are spread among what was garbage.
const (
	gcPercentStarting = 200
	gcPercentReady    = 50
	gcPercentSettled  = 25
	// askEvery is how often the API is asked whether it is there: each time costs it about a millisecond.
	askEvery = 100 * time.Millisecond
	// settle is how long after the API is ready the other components have filled their caches.
	settle = 10 * time.Second
)

// newControlPlaneCommand returns a command that takes the arguments of each component after the component's name:
//
//	control-plane kube-apiserver --etcd-servers=… kube-controller-manager --kubeconfig=… kube-scheduler --kubeconfig=…
func newControlPlaneCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "control-plane kube-apiserver [flags] kube-controller-manager [flags] kube-scheduler [flags]",
		Short:              "Run kube-apiserver, kube-controller-manager and kube-scheduler in one process",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		RunE: func(_ *cobra.Command, args []string) error {
			split, err := splitArgs(args, "kube-apiserver", "kube-controller-manager", "kube-scheduler")
			if err != nil {
				return err
			}
			return runControlPlane(split[0], split[1], split[2])
		},
	}
}

// splitArgs cuts args into one slice for each name; the names must stand in args in the given order, the first one at
// the start.
func splitArgs(args []string, names ...string) ([][]string, error) {
	var split [][]string
	for i, name := range names {
		if len(args) == 0 || args[0] != name {
			return nil, fmt.Errorf("want the arguments of %v, each after its name and in this order; %q is missing", names, name)
		}
		args = args[1:]
		end := len(args)
		if i+1 < len(names) {
			if end = slices.Index(args, names[i+1]); end < 0 {
				end = len(args)
			}
		}
		split = append(split, args[:end])
		args = args[end:]
	}
	return split, nil
}

// runControlPlane returns when the first of the three ends: the process then exits as a whole and its supervisor starts
// it again.
func runControlPlane(apiserverArgs, controllerManagerArgs, schedulerArgs []string) error {
	// All three configure the same process-wide logger.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	debug.SetGCPercent(gcPercentStarting)

	api := apiserver.NewAPIServerCommand() // the only one of the three that handles SIGTERM
	api.SetArgs(apiserverArgs)
	server, err := newProbe(apiserverArgs)
	if err != nil {
		return err
	}

	ended := make(chan error, 3)
	go func() { ended <- named("kube-apiserver", api.ExecuteContext(api.Context())) }()
	go func() {
		// Before the API answers they would only take CPU from it.
		ctx := api.Context()
		if !server.waitFor(ctx, "/livez") {
			return
		}
		go func() { ended <- named("kube-controller-manager", runControllerManager(controllerManagerArgs)) }()
		go func() { ended <- named("kube-scheduler", runScheduler(ctx, schedulerArgs)) }()
		if server.waitFor(ctx, "/readyz") {
			debug.SetGCPercent(gcPercentReady)
			debug.FreeOSMemory()
			time.AfterFunc(settle, func() {
				debug.SetGCPercent(gcPercentSettled)
				debug.FreeOSMemory()
			})
		}
	}()
	err = <-ended
	klog.Flush()
	return err
}

func named(component string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", component, err)
}

// withName returns a context whose logger puts the component's name before its lines, as far as a component takes its
// logger from the context.
func withName(ctx context.Context, component string) context.Context {
	return klog.NewContext(ctx, klog.LoggerWithName(klog.Background(), component))
}

func runControllerManager(args []string) error {
	opts, err := controllermanageroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, off, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	sets := opts.Flags(known, off, aliases)
	if err := parse("kube-controller-manager", sets, args); err != nil {
		return err
	}
	opts.ParsedFlags = &sets
	ctx := withName(context.Background(), "kube-controller-manager")
	config, err := opts.Config(ctx, known, off, aliases)
	if err != nil {
		return err
	}
	return controllermanager.Run(ctx, config.Complete())
}

func runScheduler(ctx context.Context, args []string) error {
	opts := scheduleroptions.NewOptions()
	if err := parse("kube-scheduler", *opts.Flags, args); err != nil {
		return err
	}
	ctx = withName(ctx, "kube-scheduler")
	config, sched, err := scheduler.Setup(ctx, opts)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, config, sched)
}

func parse(component string, sets cliflag.NamedFlagSets, args []string) error {
	flags := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	return flags.Parse(args)
}

// probe asks the API server of this very process for its health.
type probe struct {
	client *http.Client
	base   string
}

// newProbe reads from the API server's arguments where it will listen and which certificate it will show; it trusts that
// one certificate and no other. The API server itself cannot parse its arguments twice.
func newProbe(args []string) (*probe, error) {
	flags := pflag.NewFlagSet("probe", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	certFile := flags.String("tls-cert-file", "", "")
	port := flags.String("secure-port", "6443", "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(*certFile)
	if err != nil {
		return nil, fmt.Errorf("reading --tls-cert-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("--tls-cert-file holds no certificate")
	}
	return &probe{
		base: "https://" + net.JoinHostPort("localhost", *port),
		client: &http.Client{
			Timeout:   time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}},
		},
	}, nil
}

// waitFor returns true when path has answered 200, false when ctx ended first.
func (p *probe) waitFor(ctx context.Context, path string) bool {
	defer p.client.CloseIdleConnections()
	return wait.PollUntilContextCancel(ctx, askEvery, true, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
		if err != nil {
			return false, err
		}
		resp, err := p.client.Do(req)
		if err != nil {
			return false, nil // not listening yet
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	}) == nil
}
