// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/lru"
)

// Key tells accounts apart, without the credentials in it.
func (a Account) Key() ([sha256.Size]byte, error) {
	content, err := json.Marshal(a)
	return sha256.Sum256(content), err
}

// accountsKept is how many accounts are open at a time.
const accountsKept = 1000

// Opened keeps what was opened with accounts, of those that were used last: clients, with their tokens and connections.
type Opened[T any] struct{ byKey *lru.Cache }

// NewOpened returns one in which nothing is open.
func NewOpened[T any]() Opened[T] { return Opened[T]{lru.New(accountsKept)} }

// Get returns what was opened with the account, or else opens it. An error is not kept.
func (o Opened[T]) Get(a Account, open func() (T, error)) (T, error) {
	key, err := a.Key()
	if err != nil {
		return *new(T), err
	}
	if found, ok := o.byKey.Get(key); ok {
		return found.(T), nil //nolint:forcetypeassert // nothing else is put there
	}
	opened, err := open()
	if err == nil {
		o.byKey.Add(key, opened)
	}
	return opened, err
}

// Lookups remembers for a while what names mean at a cloud.
type Lookups struct {
	age   time.Duration
	mu    sync.Mutex
	known *cache.Expiring
}

// NewLookups returns one that remembers for as long as age.
func NewLookups(age time.Duration) *Lookups { return &Lookups{age: age, known: cache.NewExpiring()} }

// Lookup returns what find found for the key lately. Others who want to know something wait meanwhile, so that ten machines
// ask once. An error is not kept.
func Lookup[T any](l *Lookups, key string, find func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if value, ok := l.known.Get(key); ok {
		if found, ok := value.(T); ok {
			return found, nil
		}
	}
	found, err := find()
	if err == nil {
		l.known.Set(key, found, l.age)
	}
	return found, err
}

// Forget forgets everything.
func (l *Lookups) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = cache.NewExpiring()
}

// RetryAfter is what an answer says of when to ask again, in whole seconds; otherwise where it says nothing.
func RetryAfter(header http.Header, otherwise time.Duration) time.Duration {
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return otherwise
}
