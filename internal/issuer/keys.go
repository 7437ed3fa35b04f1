// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/internal/sealed"
	"canopy.dev/canopy/internal/secretstore"
)

const (
	// keyLifetime is how long tokens are signed with a key.
	keyLifetime = 30 * 24 * time.Hour
	// keyLead is how long a key is published before it is used, so that whoever keeps keys for a while knows it by then.
	keyLead = time.Hour
	// keyTail is how long it is published afterwards: longer than any token that it signed is valid.
	keyTail = 24 * time.Hour
)

// secrets are those of the issuer itself.
type secrets struct {
	// Seal encrypts what is handed to browsers and clients.
	Seal []byte `json:"seal"`
	// Client is the secret of the confidential client.
	Client string `json:"client"`
	// Keys are the signing keys, oldest first.
	Keys []key `json:"keys"`
}

// key is a private key, DER-encoded, and when it was made.
type key struct {
	KeyID   string    `json:"id"`
	Created time.Time `json:"created"`
	Private []byte    `json:"private"`
}

var secretsKind = secretstore.Kind[secrets]{Name: "issuer"}

// secretsKey is the key of the only record of its kind.
const secretsKey = "secrets"

// loadSecrets reads the issuer's own secrets, which the first replica makes, and adds and removes keys as they are due.
func loadSecrets(ctx context.Context, store *secretstore.Store) (secrets, error) {
	record, err := secretsKind.GetCached(ctx, store, secretsKey)
	if errors.Is(err, secretstore.ErrNotFound) {
		fresh, err := newSecrets(store.Now())
		if err != nil {
			return secrets{}, err
		}
		err = secretsKind.Create(ctx, store, secretsKey, fresh)
		if err == nil {
			return fresh, nil
		}
		if !errors.Is(err, secretstore.ErrConflict) {
			return secrets{}, err
		}
		record, err = secretsKind.Get(ctx, store, secretsKey)
		if err != nil {
			return secrets{}, err
		}
	} else if err != nil {
		return secrets{}, err
	}
	keys, changed, err := rotate(record.Value.Keys, store.Now())
	if err != nil || !changed {
		return record.Value, err
	}
	old := record.Value
	record.Value.Keys = keys
	if err := secretsKind.Update(ctx, store, record); errors.Is(err, secretstore.ErrConflict) {
		return old, nil // another replica has done it, or does
	} else if err != nil {
		return secrets{}, err
	}
	return record.Value, nil
}

func newSecrets(now time.Time) (secrets, error) {
	s := secrets{Seal: sealed.NewKey(), Client: random(32)}
	first, err := newKey(now.Add(-keyLead))
	s.Keys = []key{first}
	return s, err
}

func newKey(now time.Time) (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	return key{KeyID: random(8), Created: now.UTC(), Private: der}, err
}

// rotate adds the next key in time, and drops those with which no valid token can be signed any more.
func rotate(keys []key, now time.Time) (rotated []key, changed bool, err error) {
	for i, k := range keys {
		if i+1 < len(keys) && now.After(keys[i+1].Created.Add(keyLead+keyTail)) {
			changed = true
			continue
		}
		rotated = append(rotated, k)
	}
	if len(rotated) == 0 || now.After(rotated[len(rotated)-1].Created.Add(keyLifetime)) {
		next, err := newKey(now)
		return append(rotated, next), true, err
	}
	return rotated, changed, nil
}

// signing returns the newest key that has been published for long enough.
func signing(keys []key, now time.Time) (key, error) {
	for i := len(keys) - 1; i >= 0; i-- {
		if i == 0 || !now.Before(keys[i].Created.Add(keyLead)) {
			return keys[i], nil
		}
	}
	return key{}, errors.New("there is no key to sign with")
}

func (k key) parse() (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("the signing key %s cannot be read", k.KeyID) // never the key itself
	}
	return private, nil
}

// privateKey and publicKey are a key as the provider wants them.
type privateKey struct {
	id      string
	private *ecdsa.PrivateKey
}

func (k privateKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k privateKey) Key() any                                    { return k.private }
func (k privateKey) ID() string                                  { return k.id }

type publicKey struct{ privateKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.private.PublicKey }

// SigningKey returns the key with which tokens are signed now.
func (s *storage) SigningKey(ctx context.Context) (op.SigningKey, error) {
	loaded, err := loadSecrets(ctx, s.store)
	if err != nil {
		return nil, err
	}
	k, err := signing(loaded.Keys, s.store.Now())
	if err != nil {
		return nil, err
	}
	private, err := k.parse()
	return privateKey{k.KeyID, private}, err
}

// KeySet returns the keys by which tokens are verified.
func (s *storage) KeySet(ctx context.Context) ([]op.Key, error) {
	loaded, err := loadSecrets(ctx, s.store)
	if err != nil {
		return nil, err
	}
	var keys []op.Key
	for _, k := range loaded.Keys {
		private, err := k.parse()
		if err != nil {
			return nil, err
		}
		keys = append(keys, publicKey{privateKey{k.KeyID, private}})
	}
	return keys, nil
}

// SignatureAlgorithms returns those of the keys.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

// random returns n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
