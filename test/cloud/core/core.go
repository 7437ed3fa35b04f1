// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package core is what every test cloud has, whatever protocol it speaks: objects, instances that come and go, counted calls,
// and faults on demand. A test cloud is an http.Handler in a package of its own, which
//
//   - embeds a *Cloud, made by New;
//   - hands each request to Serve, with the name of the operation and how its provider says no;
//   - keeps what it has in Tables, and its instances by Launch, Instances and End.
//
// It runs inside tests and benchmarks, keeps everything in memory and calls nobody but its Booter.
package core

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
)

// Cloud is one account. Its exported fields are set before it serves.
type Cloud struct {
	// Booter runs the instances; nil: they only say that they run.
	Booter Booter
	// PageSize is how many objects an answer has at most, however many were asked for. 0: as many as were asked for.
	PageSize int
	// Looks is how many times an instance is looked at before it has come, and before it has gone.
	Looks int

	// mu is held while a request is served, and by each of the methods for tests.
	mu     sync.Mutex
	calls  map[string]int
	faults []*Fault
	// quota is how many instances there may be, 0: any number; soldOut are sizes of which there are none, by size and zone.
	quota   int
	soldOut map[string]bool
	serial  int
	tables  []interface{ left() []string }
	// machines are the instances.
	machines *Table[*Instance]
}

// New returns a cloud without anything.
func New() *Cloud {
	c := &Cloud{calls: map[string]int{}, soldOut: map[string]bool{}, Looks: 1}
	c.machines = NewTable[*Instance](c, "instance")
	return c
}

// Kind is a way in which a cloud says no.
type Kind string

// The kinds. What a provider does not say, its package maps to the next best.
const (
	Unauthenticated Kind = "unauthenticated"
	Unauthorized    Kind = "unauthorized"
	Quota           Kind = "quota"
	SoldOut         Kind = "sold out"
	RateLimited     Kind = "rate limited"
	Invalid         Kind = "invalid"
	NotFound        Kind = "not found"
	// Conflict is for what is in use, or whose name is taken.
	Conflict Kind = "conflict"
	Internal Kind = "internal"
	// Lost does what was asked for, and breaks the connection instead of answering.
	Lost Kind = "lost"
)

// Refusal is an error of a cloud.
type Refusal struct { //nolint:errname // what a cloud answers, before it is anybody's error
	Kind    Kind
	Message string
}

// Refuse returns a *Refusal with a formatted message.
func Refuse(kind Kind, format string, args ...any) *Refusal {
	return &Refusal{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Fault makes calls fail.
type Fault struct {
	// Operation is the name of the calls as the cloud counts them; empty: all.
	Operation string
	Kind      Kind
	// After is how many of them are answered before, and Times how many fail; 0: one, Always: all.
	After, Times int
}

// Always is for a fault that does not pass before Heal.
const Always = -1

// Inject adds a fault.
func (c *Cloud) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	c.faults = append(c.faults, &f)
}

// Heal ends all faults, the quota, and lack of sizes.
func (c *Cloud) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.quota = nil, 0
	clear(c.soldOut)
}

// SetQuota is how many instances there may be; 0: any number.
func (c *Cloud) SetQuota(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quota = n
}

// SellOut makes a size be had no more in a zone, which is the name that the cloud gives to Launch.
func (c *Cloud) SellOut(size, zone string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.soldOut[size+"@"+zone] = true
}

// Calls returns how many calls there were, by the names of their operations.
func (c *Cloud) Calls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Total returns how many calls there were.
func (c *Cloud) Total() int {
	n := 0
	for _, count := range c.Calls() {
		n += count
	}
	return n
}

// Left returns what was made and is still there, such as "vpc 1234", sorted.
func (c *Cloud) Left() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []string
	for _, t := range c.tables {
		left = append(left, t.left()...)
	}
	slices.Sort(left)
	return left
}

// Do runs f while no request is served: tests reach what the cloud's package keeps by it.
func (c *Cloud) Do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Serve answers one call. It counts it; then do answers it, unless it is to fail: then refuse says so as the provider does.
// While either runs, nothing else does.
func (c *Cloud) Serve(w http.ResponseWriter, operation string, refuse func(http.ResponseWriter, *Refusal), do func(http.ResponseWriter)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[operation]++
	switch kind := c.fault(operation); kind {
	case "":
		do(w)
	case Lost:
		do(httptest.NewRecorder())
		panic(http.ErrAbortHandler)
	default:
		refuse(w, Refuse(kind, "%s: this call is refused (%s)", operation, kind))
	}
}

// fault returns the kind of the first fault whose turn it is; empty: none.
func (c *Cloud) fault(operation string) Kind {
	for _, f := range c.faults {
		switch {
		case f.Operation != "" && f.Operation != operation, f.Times == 0:
		case f.After > 0:
			f.After--
		default:
			if f.Times != Always {
				f.Times--
			}
			return f.Kind
		}
	}
	return ""
}

// Serial returns a number that was never returned before. It is called while a request is served, or by Do.
func (c *Cloud) Serial() int {
	c.serial++
	return c.serial
}

// Page cuts out the page of size that begins at offset, and returns where the next one begins; 0: there is none.
func Page[T any](c *Cloud, all []T, offset, size int) (page []T, next int) {
	if c.PageSize > 0 && (size <= 0 || size > c.PageSize) {
		size = c.PageSize
	}
	if size <= 0 {
		size = len(all)
	}
	offset = min(max(offset, 0), len(all))
	end := min(offset+size, len(all))
	if end < len(all) {
		next = end
	}
	return all[offset:end], next
}

// Booter runs what the instances of a cloud are. Its methods return soon: what takes a while shows in Look.
type Booter interface {
	// Boot starts a machine with the user data as it was given to the cloud, decoded.
	Boot(ctx context.Context, instance Instance) error
	// Look returns the address of the instance with this ID, and whether it has booted. An address that is not known yet is
	// empty.
	Look(ctx context.Context, id string) (address string, running bool)
	// Stop ends it, and lets go of what it had.
	Stop(ctx context.Context, id string) error
}
