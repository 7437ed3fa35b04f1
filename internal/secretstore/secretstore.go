// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package secretstore keeps small records as Secrets of one namespace, for the parts of the API that must remember
// something secret: sessions, grants, keys, local users. Any replica reads what another has written, and nothing is lost
// when one is killed. It runs in the API and in the canopy command.
package secretstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/kube"
)

// Namespace is where the records are. Nothing else is in it, so that the API needs no right to other Secrets.
const Namespace = "canopy-login"

const (
	labelKind    = "login.canopy.dev/kind"
	labelIndex   = "login.canopy.dev/index"
	expiryKey    = "login.canopy.dev/expires"
	dataKey      = "record"
	secretType   = "canopy.dev/login"
	listPageSize = 500
)

// Errors of a Store.
var (
	// ErrNotFound: there is no such record, or it has expired.
	ErrNotFound = errors.New("there is no such record")
	// ErrConflict: somebody else has changed the record since it was read, or made it first.
	ErrConflict = errors.New("the record was changed by somebody else")
)

// Store is where records of several kinds are.
type Store struct {
	// Client writes, and reads from a cache where it has one.
	Client client.Client
	// Live reads what is stored now.
	Live client.Reader
	// Now is the clock.
	Now func() time.Time
}

// Kind is a set of records of one type.
type Kind[T any] struct {
	// Name is part of the names of the Secrets.
	Name string
}

// Record is a value and what it was read from.
type Record[T any] struct {
	Value T
	// Created is when the record was made.
	Created time.Time
	// Expires is when the record ends to exist; zero: never.
	Expires time.Time

	secret *corev1.Secret
}

// Option says more about a new record.
type Option func(*corev1.Secret)

// Expires ends a record at a time.
func Expires(at time.Time) Option {
	return func(s *corev1.Secret) { s.Annotations = map[string]string{expiryKey: at.UTC().Format(time.RFC3339)} }
}

// Index lets a record be found by a second key.
func Index(key string) Option {
	return func(s *corev1.Secret) { s.Labels[labelIndex] = hash(key) }
}

// hash keeps keys, which may be secret, out of the names of Secrets.
func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:20])
}

// ID returns what identifies the record with a key, and does not tell the key: the name of its Secret.
func (k Kind[T]) ID(key string) string { return k.Name + "-" + hash(key) }

// ID is what identifies the record, as the ID of its kind.
func (r *Record[T]) ID() string { return r.secret.Name }

// Create makes a record; ErrConflict: there is one with the key.
func (k Kind[T]) Create(ctx context.Context, s *Store, key string, value T, options ...Option) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: k.ID(key), Labels: map[string]string{labelKind: k.Name}},
		Type:       secretType,
		Data:       map[string][]byte{dataKey: content},
	}
	for _, option := range options {
		option(secret)
	}
	err = kube.CreateNew(ctx, s.Client, secret)
	if apierrors.IsAlreadyExists(err) {
		return ErrConflict
	}
	return err
}

// Get reads a record as it is now.
func (k Kind[T]) Get(ctx context.Context, s *Store, key string) (*Record[T], error) {
	return k.get(ctx, s, s.Live, key)
}

// GetCached reads a record that may be some milliseconds old. One that is not in the cache yet is read as it is now.
func (k Kind[T]) GetCached(ctx context.Context, s *Store, key string) (*Record[T], error) {
	record, err := k.get(ctx, s, s.Client, key)
	if errors.Is(err, ErrNotFound) {
		return k.get(ctx, s, s.Live, key)
	}
	return record, err
}

func (k Kind[T]) get(ctx context.Context, s *Store, reader client.Reader, key string) (*Record[T], error) {
	secret := &corev1.Secret{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: k.ID(key)}, secret)
	if apierrors.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a record of the kind %s: %w", k.Name, err)
	}
	return k.decode(s, secret)
}

func (k Kind[T]) decode(s *Store, secret *corev1.Secret) (*Record[T], error) {
	record := &Record[T]{Created: secret.CreationTimestamp.Time, Expires: expiry(secret), secret: secret.DeepCopy()}
	if !record.Expires.IsZero() && !s.Now().Before(record.Expires) {
		return nil, ErrNotFound
	}
	if err := json.Unmarshal(secret.Data[dataKey], &record.Value); err != nil {
		return nil, fmt.Errorf("the record %s cannot be read", secret.Name) // the cause might repeat it
	}
	return record, nil
}

func expiry(obj client.Object) time.Time {
	at, err := time.Parse(time.RFC3339, obj.GetAnnotations()[expiryKey])
	if err != nil {
		return time.Time{} // it has none
	}
	return at
}

// Find returns the records with a second key.
func (k Kind[T]) Find(ctx context.Context, s *Store, index string) ([]*Record[T], error) {
	return k.list(ctx, s, client.MatchingLabels{labelKind: k.Name, labelIndex: hash(index)})
}

// List returns all records.
func (k Kind[T]) List(ctx context.Context, s *Store) ([]*Record[T], error) {
	return k.list(ctx, s, client.MatchingLabels{labelKind: k.Name})
}

func (k Kind[T]) list(ctx context.Context, s *Store, labels client.MatchingLabels) ([]*Record[T], error) {
	list := &corev1.SecretList{}
	if err := s.Live.List(ctx, list, client.InNamespace(Namespace), labels); err != nil {
		return nil, fmt.Errorf("reading the records of the kind %s: %w", k.Name, err)
	}
	var records []*Record[T]
	for i := range list.Items {
		record, err := k.decode(s, &list.Items[i])
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// Update writes the record's value and expiry; ErrConflict: it has been changed or deleted since it was read.
func (k Kind[T]) Update(ctx context.Context, s *Store, record *Record[T]) error {
	content, err := json.Marshal(record.Value)
	if err != nil {
		return err
	}
	err = kube.PatchFresh(ctx, s.Client, record.secret, func() {
		record.secret.Data = map[string][]byte{dataKey: content}
		if !record.Expires.IsZero() {
			Expires(record.Expires)(record.secret)
		}
	})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ErrConflict
	}
	return err
}

// Delete removes the record with the key; that there is none is no error.
func (k Kind[T]) Delete(ctx context.Context, s *Store, key string) error {
	return kube.Delete(ctx, s.Client, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: k.ID(key)}})
}

// Remove removes a record that was read.
func (k Kind[T]) Remove(ctx context.Context, s *Store, record *Record[T]) error {
	return kube.Delete(ctx, s.Client, record.secret)
}

// Count returns how many records there are, expired ones included.
func (k Kind[T]) Count(ctx context.Context, s *Store) (int, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := s.Live.List(ctx, list, client.InNamespace(Namespace), client.MatchingLabels{labelKind: k.Name}); err != nil {
		return 0, fmt.Errorf("counting the records of the kind %s: %w", k.Name, err)
	}
	return len(list.Items), nil
}

// Sweep deletes what has expired, of all kinds.
func Sweep(ctx context.Context, s *Store) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	var errs []error
	for {
		err := s.Live.List(ctx, list, client.InNamespace(Namespace), client.HasLabels{labelKind}, client.Limit(listPageSize), client.Continue(list.Continue))
		if err != nil {
			return fmt.Errorf("looking for expired records: %w", err)
		}
		for i := range list.Items {
			obj := &list.Items[i]
			if at := expiry(obj); at.IsZero() || s.Now().Before(at) {
				continue
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: obj.Namespace, Name: obj.Name}}
			errs = append(errs, kube.Delete(ctx, s.Client, secret, client.Preconditions{UID: &obj.UID, ResourceVersion: &obj.ResourceVersion}))
		}
		if list.Continue == "" {
			return errors.Join(errs...)
		}
	}
}

// Run sweeps now and then until ctx ends.
func Run(ctx context.Context, s *Store, every time.Duration, report func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := Sweep(ctx, s); err != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
