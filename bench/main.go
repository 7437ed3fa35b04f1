// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the local platform: how long a cluster takes to come up, alone and among others, what that costs,
// and what a control plane and its monitoring cost at rest; or, with -gateway, what the gateway costs, with -master 2000 what the master does, and with -cloud what
// machines at clouds do. It runs on the platform's
// machine as root, creates clusters named bench-* and
// deletes them, and prints one JSON object a line:
//
//	{"metric":"create_to_readyz_seconds","p50":3.9,"p99":4.4,"n":10,"unit":"s"}
//
// It has no pass mark: machines are noisy. Compare two runs on the same machine.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	serial := flag.Int("serial", 10, "how many clusters are created one after another")
	parallel := flag.String("parallel", "4,5", "how many clusters are created at once, one number for each round")
	execs := flag.Int("execs", 1000, "how many small execs go through each tunnel")
	rest := flag.Duration("rest", time.Minute, "how long a control plane rests before its memory is read")
	gatewayOnly := flag.Bool("gateway", false, "measure the gateway instead, in a process on this machine; it needs no platform")
	masterClusters := flag.String("master", "", "measure the master instead, with so many clusters on two seeds that are API servers only, one number for each round; it needs no platform")
	apiClusters := flag.Int("api", 0, "measure the REST API, and bin/canopy with it, instead, with so many clusters that nobody hosts; it needs no platform")
	clouds := flag.Bool("cloud", false, "measure machines at clouds instead, 100 of 10 clusters at test clouds in this process; it needs no platform")
	profile := flag.String("profile", "", "a file that the API which is measured writes to what it spends its CPU time on, for go tool pprof")
	asAPI := flag.Bool("serve-api", false, "be the API that is measured")
	heap := flag.String("heap", "", "a file that the master which is measured writes its heap to, for go tool pprof, when it has all clusters")
	asMaster := flag.Bool("serve-master", false, "be the master that is measured")
	serve := flag.Bool("serve-gateway", false, "be the gateway that is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	switch {
	case *serve:
		err = serveGateway()
	case *asAPI:
		err = serveAPI(*profile)
	case *apiClusters > 0:
		err = benchAPI(ctx, *apiClusters, *profile)
	case *asMaster:
		err = serveMaster(*heap)
	case *masterClusters != "":
		err = runMaster(ctx, *masterClusters, *heap)
	case *clouds:
		err = benchClouds(ctx)
	case *gatewayOnly:
		err = benchGateway(ctx)
	default:
		err = run(ctx, *serial, *parallel, *execs, *rest)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func runMaster(ctx context.Context, clusters, heap string) error {
	rounds, err := counts("master", clusters)
	if err != nil {
		return err
	}
	return benchMasters(ctx, rounds, heap)
}

func run(ctx context.Context, serial int, parallel string, execs int, rest time.Duration) error {
	rounds, err := counts("parallel", parallel)
	if err != nil {
		return err
	}
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.cleanUp() //nolint:contextcheck // also after an interrupt
	if err := b.idle(ctx, rest); err != nil {
		return err
	}
	if err := b.logins(ctx); err != nil {
		return err
	}
	var all []times
	for i := range serial {
		t, err := b.cluster(ctx, fmt.Sprintf("bench-%d", i), true)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	report("", all)
	for _, n := range rounds {
		at, err := b.atOnce(ctx, n)
		if err != nil {
			return err
		}
		report(fmt.Sprintf("_%d_at_once", n), at)
	}
	if execs == 0 {
		return nil
	}
	return b.tunnels(ctx, execs, rest)
}

// times are the seconds from the creation of one cluster, and what it cost; zero: not measured.
type times struct {
	readyz, nodeReady, podRunning, gone float64
	cpu                                 float64 // CPU seconds of the whole platform until readyz, above what it takes at rest
}

func report(suffix string, all []times) {
	for _, m := range []struct {
		name string
		of   func(times) float64
	}{
		{"create_to_readyz", func(t times) float64 { return t.readyz }},
		{"create_to_node_ready", func(t times) float64 { return t.nodeReady }},
		{"readyz_to_node_ready", func(t times) float64 { return t.nodeReady - t.readyz }},
		{"create_to_pod_running", func(t times) float64 { return t.podRunning }},
		{"create_cpu", func(t times) float64 { return t.cpu }},
		{"delete_to_gone", func(t times) float64 { return t.gone }},
	} {
		var values []float64
		for _, t := range all {
			if v := m.of(t); v > 0 {
				values = append(values, v)
			}
		}
		emit(m.name+suffix+"_seconds", "s", values)
	}
}

// emit prints the median and the largest but one in a hundred of values; nothing if there are none.
func emit(metric, unit string, values []float64) {
	if len(values) == 0 {
		return
	}
	printLine(metric, unit, quantile(values, 0.5), quantile(values, 0.99), len(values))
}

func printLine(metric, unit string, p50, p99 float64, n int) {
	line, _ := json.Marshal(struct {
		Metric string  `json:"metric"`
		P50    float64 `json:"p50"`
		P99    float64 `json:"p99"`
		N      int     `json:"n"`
		Unit   string  `json:"unit"`
	}{metric, round(p50), round(p99), n, unit})
	fmt.Println(string(line))
}

// quantile sorts values.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

// emitDifference prints by how much a's quantiles are larger than b's.
func emitDifference(metric, unit string, a, b []float64) {
	printLine(metric, unit, quantile(a, 0.5)-quantile(b, 0.5), quantile(a, 0.99)-quantile(b, 0.99), len(a))
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

func counts(name, s string) ([]int, error) {
	var list []int
	if err := json.Unmarshal([]byte("["+s+"]"), &list); err != nil {
		return nil, fmt.Errorf("-%s %q: want numbers with commas between them", name, s)
	}
	return list, nil
}
