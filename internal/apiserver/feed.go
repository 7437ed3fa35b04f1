// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

const (
	// catchUp is how long a response to a write may wait for the cache. If that takes longer, the write is no less done.
	catchUp = 2 * time.Second
	// recent is how many changes of a kind are kept for clients that come back.
	recent = 4096
)

// change is one of an object. Those who watch share it.
type change struct {
	// kind is the resource as the API calls it, for example "clusters"; verb is added, modified or deleted.
	kind, verb      string
	namespace, name string
	version         uint64

	once sync.Once
	// object is how it was, until it is encoded: it would be kept beside the newest otherwise.
	object  client.Object
	encoded []byte
}

// project is the one that the object is in; empty: in none.
func (c *change) project() string {
	name, _ := strings.CutPrefix(c.namespace, v1alpha1.ProjectNamespacePrefix)
	return name
}

// data is what is sent of the change. It is encoded once, for all who watch.
func (c *change) data() []byte {
	c.once.Do(func() {
		copied, ok := c.object.DeepCopyObject().(client.Object)
		if !ok {
			return
		}
		copied.SetManagedFields(nil)
		kind := reflect.TypeOf(c.object).Elem().Name()
		copied.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
		var err error
		if c.encoded, err = jsonLine(WatchEvent{Kind: kind, Project: c.project(), Object: copied}); err != nil {
			panic(err) // the cache has decoded it from JSON
		}
		c.object = nil
	})
	return c.encoded
}

// feed is what happens to a kind: up to which change the cache knows it, so that who has written something reads it
// afterwards; the last changes, for those who come back; and who is told of the next.
type feed struct {
	kind, plural string
	object       client.Object
	// store has all objects, as the cache knows them.
	store toolscache.Indexer

	mu      sync.Mutex
	latest  uint64
	changed chan struct{}
	// floor is the version after which changes holds everything.
	floor   uint64
	changes []*change
	streams map[*stream]struct{}
	// opened is closed when floor is known.
	opened chan struct{}
}

func newFeed(kind, plural string, object client.Object) *feed {
	return &feed{kind: kind, plural: plural, object: object, changed: make(chan struct{}), streams: map[*stream]struct{}{}, opened: make(chan struct{})}
}

// follow takes note of what the cache comes to know, until ctx ends.
func (f *feed) follow(ctx context.Context, from cache.Cache) error {
	informer, err := from.GetInformer(ctx, f.object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return fmt.Errorf("an informer is a %T, whose store is not known", informer)
	}
	f.store = shared.GetIndexer()
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { f.note("added", obj, initial) },
		UpdateFunc: func(_, obj any) { f.note("modified", obj, false) },
		DeleteFunc: func(obj any) { f.note("deleted", obj, false) },
	})
	if err != nil {
		return err
	}
	go func() {
		// What happened between the list and the first change is not known: who has seen less than now has to list again.
		if toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
			f.open(shared.LastSyncResourceVersion())
		}
	}()
	return nil
}

func (f *feed) open(synced string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floor = max(f.latest, number64(synced))
	f.advance(f.floor)
	close(f.opened)
}

// objects returns those in a namespace; empty: all. They are the cache's own, and must not be changed.
func (f *feed) objects(namespace string) ([]any, error) {
	if namespace == "" {
		return f.store.List(), nil
	}
	return f.store.ByIndex(toolscache.NamespaceIndex, namespace)
}

func number64(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (f *feed) note(verb string, obj any, initial bool) {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	object, ok := obj.(client.Object)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	version := max(number64(object.GetResourceVersion()), f.latest)
	f.advance(version)
	if initial {
		return
	}
	c := &change{kind: f.kind, verb: verb, namespace: object.GetNamespace(), name: object.GetName(), version: version, object: object}
	f.changes = append(f.changes, c)
	if len(f.changes) > recent {
		f.floor = f.changes[0].version
		f.changes = slices.Clone(f.changes[len(f.changes)-recent*3/4:]) // seldom, rather than at every change
		f.floor = max(f.floor, f.changes[0].version-1)
	}
	for s := range f.streams {
		if !s.offer(c) {
			delete(f.streams, s)
		}
	}
}

// advance tells those who wait for a version.
func (f *feed) advance(version uint64) {
	if version <= f.latest {
		return
	}
	f.latest = version
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait waits until the cache knows the change with this version.
func (f *feed) wait(ctx context.Context, version uint64) {
	for {
		f.mu.Lock()
		latest, changed := f.latest, f.changed
		f.mu.Unlock()
		if latest >= version {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// join lets a stream have all changes after a version; from now on, if it is 0. It returns from where on the stream has them, and
// false if some after the version are not known any more.
func (f *feed) join(s *stream, after uint64) (from uint64, complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[s] = struct{}{}
	if after == 0 {
		return f.latest, true
	}
	if after < f.floor {
		return f.latest, false
	}
	for _, c := range f.changes {
		if c.version > after && !s.offer(c) {
			return f.latest, false
		}
	}
	return after, true
}

func (f *feed) leave(s *stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.streams, s)
}

// awaitCache waits until the cache knows what was just written.
func (s *Server) awaitCache(ctx context.Context, obj client.Object) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	if kind := s.feeds[reflect.TypeOf(obj).Elem()]; kind != nil {
		kind.wait(ctx, number64(obj.GetResourceVersion()))
	}
}
