// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the local platform: how long a cluster takes to come up, alone and among others, what that costs,
// and what a control plane and its monitoring cost at rest. It runs on the platform's machine as root, creates clusters named bench-* and
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
	"os"
	"os/signal"
	"slices"
	"time"
)

func main() {
	serial := flag.Int("serial", 10, "how many clusters are created one after another")
	parallel := flag.String("parallel", "4,5", "how many clusters are created at once, one number for each round")
	execs := flag.Int("execs", 1000, "how many small execs go through each tunnel")
	rest := flag.Duration("rest", time.Minute, "how long a control plane rests before its memory is read")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *serial, *parallel, *execs, *rest)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, serial int, parallel string, execs int, rest time.Duration) error {
	rounds, err := counts(parallel)
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
	slices.Sort(values)
	at := func(q float64) float64 { return values[min(len(values)-1, int(q*float64(len(values))))] }
	line, _ := json.Marshal(struct {
		Metric string  `json:"metric"`
		P50    float64 `json:"p50"`
		P99    float64 `json:"p99"`
		N      int     `json:"n"`
		Unit   string  `json:"unit"`
	}{metric, round(at(0.5)), round(at(0.99)), len(values), unit})
	fmt.Println(string(line))
}

func round(v float64) float64 { return float64(int(v*100+0.5)) / 100 }

func counts(s string) ([]int, error) {
	var list []int
	if err := json.Unmarshal([]byte("["+s+"]"), &list); err != nil {
		return nil, fmt.Errorf("-parallel %q: want numbers with commas between them", s)
	}
	return list, nil
}
