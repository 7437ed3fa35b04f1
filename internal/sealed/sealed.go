// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package sealed lets browsers and clients keep what they can neither read nor change: JSON, encrypted with AES-GCM. It runs
// in the API, and reads and writes nothing.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrInvalid is all that is said of what cannot be opened.
var ErrInvalid = errors.New("it was not sealed here")

// NewKey returns a random key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // it never fails
	return key
}

// Seal encrypts a value, in letters that a URL and a cookie can have.
func Seal(key []byte, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, nil)), nil
}

// Open decrypts what Seal has encrypted with the same key.
func Open(key []byte, text string, value any) error {
	content, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ErrInvalid
	}
	aead, err := newAEAD(key)
	if err != nil {
		return err
	}
	if len(content) < aead.NonceSize() {
		return ErrInvalid
	}
	plain, err := aead.Open(nil, content[:aead.NonceSize()], content[aead.NonceSize():], nil)
	if err != nil || json.Unmarshal(plain, value) != nil {
		return ErrInvalid
	}
	return nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
