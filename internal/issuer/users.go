// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/secretstore"
)

// User is a person who can log in with a password.
type User struct {
	// Email is the user's name everywhere, in lower case.
	Email string `json:"email"`
	// Groups are told to whoever asks who the user is.
	Groups []string `json:"groups,omitempty"`
	// LockedUntil is when the next attempt to log in is possible again; zero: now.
	LockedUntil time.Time `json:"lockedUntil,omitzero"`
}

// account is a user with what the user's attempts to log in are judged by.
type account struct {
	User `json:",inline"`

	// Hash is the password's.
	Hash passwordHash `json:"hash"`
	// Failures is how many attempts have failed since the last that did not.
	Failures int `json:"failures,omitempty"`
	// NotBefore is when the password was set: who has logged in before that is out.
	NotBefore time.Time `json:"notBefore"`
}

var accounts = secretstore.Kind[account]{Name: "user"}

// passwordHash is by argon2id, with what OWASP recommends where memory is scarce.
type passwordHash struct {
	Salt    []byte `json:"salt"`
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"` // KiB
	Threads uint8  `json:"threads"`
	Hash    []byte `json:"hash"`
}

func hashPassword(password string) passwordHash {
	h := passwordHash{Salt: make([]byte, 16), Time: 2, Memory: 19 * 1024, Threads: 1}
	_, _ = rand.Read(h.Salt) // it never fails
	h.Hash = h.of(password)
	return h
}

func (h passwordHash) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.Salt, h.Time, h.Memory, h.Threads, 32)
}

func (h passwordHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password), h.Hash) == 1
}

// Users are the issuer's own.
type Users struct{ Store *secretstore.Store }

var emailPattern = regexp.MustCompile(`^[^@\sA-Z]+@[^@\sA-Z]+$`)

// Add makes a user and returns a random password, which is kept nowhere.
func (u Users) Add(ctx context.Context, email string, groups []string) (password string, err error) {
	if !emailPattern.MatchString(email) || len(email) > 254 || identity.IsReserved(email) {
		return "", fmt.Errorf("%q is no e-mail address in lower case", email)
	}
	if slices.ContainsFunc(groups, identity.IsReserved) {
		return "", fmt.Errorf("names of groups that start with %s are reserved", strings.Join(identity.Reserved, " or "))
	}
	password = newPassword()
	a := account{User: User{Email: email, Groups: groups}, Hash: hashPassword(password), NotBefore: u.Store.Now().UTC()}
	err = accounts.Create(ctx, u.Store, email, a)
	if errors.Is(err, secretstore.ErrConflict) {
		return "", fmt.Errorf("there is a user %s already: %w", email, err)
	}
	return password, err
}

// ResetPassword gives a user a new random password, which is kept nowhere, and unlocks the user. Whoever is logged in as the
// user with the old one is out.
func (u Users) ResetPassword(ctx context.Context, email string) (password string, err error) {
	record, err := accounts.Get(ctx, u.Store, email)
	if err != nil {
		return "", fmt.Errorf("user %s: %w", email, err)
	}
	password = newPassword()
	record.Value.Hash, record.Value.NotBefore = hashPassword(password), u.Store.Now().UTC()
	record.Value.Failures, record.Value.LockedUntil = 0, time.Time{}
	return password, accounts.Update(ctx, u.Store, record)
}

// Remove removes a user, who is out when the ID token that the user has is no longer valid.
func (u Users) Remove(ctx context.Context, email string) error {
	if _, err := accounts.Get(ctx, u.Store, email); err != nil {
		return fmt.Errorf("user %s: %w", email, err)
	}
	return accounts.Delete(ctx, u.Store, email)
}

// List returns the users by their names.
func (u Users) List(ctx context.Context) ([]User, error) {
	records, err := accounts.List(ctx, u.Store)
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(records))
	for _, record := range records {
		users = append(users, record.Value.User)
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.Email, b.Email) })
	return users, nil
}

// newPassword has 120 bits, in five groups that can be typed.
func newPassword() string {
	b := make([]byte, 15)
	_, _ = rand.Read(b) // it never fails
	s := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	var groups []string
	for len(s) > 0 {
		n := min(5, len(s))
		groups, s = append(groups, s[:n]), s[n:]
	}
	return strings.Join(groups, "-")
}

const (
	// freeFailures is how many attempts may fail before the next has to wait.
	freeFailures = 5
	// firstLock doubles with each further failure, up to longestLock.
	firstLock   = 15 * time.Second
	longestLock = 15 * time.Minute
	// atOnce bounds the memory that passwords being checked take.
	atOnce = 4
)

// errDenied says no more than that it did not work, whatever the reason; lockedError says when to try again.
var errDenied = errors.New("the e-mail address or the password is wrong")

type lockedError struct{ until time.Time }

func (e lockedError) Error() string { return "too many attempts have failed" }

// lock returns how long an account is locked after so many failures.
func lock(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	wait := firstLock
	for range failures - freeFailures {
		if wait *= 2; wait >= longestLock {
			return longestLock
		}
	}
	return wait
}

// nobody has a hash that takes as long to check as anybody's, and that no password has. It is made when an issuer starts, not in
// every program that has this package: it takes a while.
var nobody = sync.OnceValue(func() passwordHash { return hashPassword(random(16)) })

// logIn checks a password. An attempt counts as failed before it is checked, so that many at the same time do not get more
// tries than one after the other.
func (s *storage) logIn(ctx context.Context, email, password string) (User, error) {
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	case <-ctx.Done():
		return User{}, ctx.Err()
	}
	email = strings.ToLower(strings.TrimSpace(email))
	record, err := accounts.Get(ctx, s.store, email)
	if errors.Is(err, secretstore.ErrNotFound) {
		nobody().matches(password)
		return User{}, errDenied
	}
	if err != nil {
		return User{}, err
	}
	if until := record.Value.LockedUntil; s.store.Now().Before(until) {
		return User{}, lockedError{until}
	}
	record.Value.Failures++
	record.Value.LockedUntil = s.store.Now().Add(lock(record.Value.Failures)).UTC()
	if err := accounts.Update(ctx, s.store, record); errors.Is(err, secretstore.ErrConflict) {
		return User{}, lockedError{s.store.Now().Add(time.Second)}
	} else if err != nil {
		return User{}, err
	}
	if !record.Value.Hash.matches(password) {
		return User{}, errDenied
	}
	record.Value.Failures, record.Value.LockedUntil = 0, time.Time{}
	if err := accounts.Update(ctx, s.store, record); err != nil {
		return User{}, err
	}
	return record.Value.User, nil
}

// userSince returns a user who has logged in at a time, unless that does not count any more.
func (s *storage) userSince(ctx context.Context, email string, loggedIn time.Time) (User, error) {
	record, err := accounts.Get(ctx, s.store, email)
	if err != nil {
		return User{}, err
	}
	if loggedIn.Before(record.Value.NotBefore.Truncate(time.Second)) {
		return User{}, secretstore.ErrNotFound
	}
	return record.Value.User, nil
}
