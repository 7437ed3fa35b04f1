// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// catchUp is how long a response to a write may wait for the cache. If that takes longer, the write is no less done.
const catchUp = 2 * time.Second

// freshness is up to which change the cache knows a kind, so that who has written something reads it afterwards.
type freshness struct {
	object client.Object

	mu      sync.Mutex
	latest  uint64
	changed chan struct{}
}

func newFreshness(object client.Object) *freshness {
	return &freshness{object: object, changed: make(chan struct{})}
}

// follow takes note of what the cache comes to know.
func (f *freshness) follow(ctx context.Context, from cache.Cache) error {
	informer, err := from.GetInformer(ctx, f.object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	note := func(obj any) {
		if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if obj, ok := obj.(client.Object); ok {
			f.observe(obj.GetResourceVersion())
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, obj any) { note(obj) }, DeleteFunc: note})
	return err
}

func (f *freshness) observe(version string) {
	number, err := strconv.ParseUint(version, 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || number <= f.latest {
		return
	}
	f.latest = number
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait waits until the cache knows the change with this version.
func (f *freshness) wait(ctx context.Context, version string) {
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return
	}
	for {
		f.mu.Lock()
		latest, changed := f.latest, f.changed
		f.mu.Unlock()
		if latest >= number {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// awaitCache waits until the cache knows what was just written.
func (s *Server) awaitCache(ctx context.Context, obj client.Object) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	if kind := s.seen[reflect.TypeOf(obj).Elem()]; kind != nil {
		kind.wait(ctx, obj.GetResourceVersion())
	}
}
