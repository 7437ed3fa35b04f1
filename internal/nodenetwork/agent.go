// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/knftables"
)

const (
	// settle is the least time between two changes of the rules: pods come and go in groups.
	settle = 50 * time.Millisecond
	// rewriteAfter is how long it lasts that somebody else removed our rules.
	rewriteAfter = time.Minute
	// retryAfter is how soon a change that failed is tried again.
	retryAfter = time.Second
)

// agent keeps the rules of one node.
type agent struct {
	node    string
	nft     knftables.Interface
	watches *watches
	results string // folder of the results of CNI plugins
	// wake holds at most one event: what happens meanwhile is seen in the same look.
	wake chan struct{}

	enforced Ruleset
	ready    atomic.Bool // the rules have been written once
}

func newAgent(config *rest.Config, node string) (*agent, error) {
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err != nil {
		return nil, fmt.Errorf("looking for nftables: %w; it takes the nft command, CAP_NET_ADMIN and a kernel with nf_tables", err)
	}
	a := &agent{node: node, nft: nft, results: resultsDir, wake: make(chan struct{}, 1)}
	if a.watches, err = watch(config, node, a.changed); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *agent) changed() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run enforces until ctx ends. The rules stay when it has ended: pods remain isolated while the agent is replaced.
func (a *agent) run(ctx context.Context) error {
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	defer files.Close() //nolint:errcheck // nothing is written through it
	if err := files.Add(a.results); err != nil {
		return fmt.Errorf("watching %s: %w", a.results, err)
	}
	// Not before: half of the policies could let through what the other half forbids.
	a.watches.start(ctx)
	a.changed()
	rewrite := time.NewTicker(rewriteAfter)
	defer rewrite.Stop()
	for {
		again := false
		select {
		case <-ctx.Done():
			return nil
		case err := <-files.Errors:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				break // whatever we missed, we look at everything
			}
			return fmt.Errorf("watching %s: %w", a.results, err)
		case <-files.Events:
		case <-a.wake:
		case <-rewrite.C:
			again = true
		}
		pause := settle
		if err := a.enforce(ctx, again); err != nil {
			slog.Error("Rules are not up to date", "error", err)
			pause = retryAfter
			a.changed()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// enforce writes the rules if they are not what they should be, or in any case with again.
func (a *agent) enforce(ctx context.Context, again bool) error {
	attached, err := attachedPods(a.results)
	if err != nil {
		return err
	}
	wanted := Rules(a.watches.cluster(a.node, attached))
	if a.ready.Load() && !again && reflect.DeepEqual(wanted, a.enforced) {
		return nil
	}
	tx := a.nft.NewTransaction()
	wanted.write(tx)
	if err := a.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("writing %d lines of nftables rules: %w", tx.NumOperations(), err)
	}
	if !a.ready.Swap(true) || !reflect.DeepEqual(wanted, a.enforced) {
		slog.Info("Rules are up to date", "isolatedIngress", len(wanted.Ingress.Isolated), "isolatedEgress", len(wanted.Egress.Isolated), "lines", tx.NumOperations())
	}
	a.enforced = wanted
	return nil
}
