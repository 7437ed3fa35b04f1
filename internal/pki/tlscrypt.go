// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"slices"
	"time"
)

// Keys of OpenVPN's tls-crypt-v2, which encrypts the TLS handshake itself, so that a server answers nobody who has no key.
// The formats are those of OpenVPN's doc/tls-crypt-v2.txt.
const (
	tlsCryptServerPEM = "OpenVPN tls-crypt-v2 server key"
	tlsCryptClientPEM = "OpenVPN tls-crypt-v2 client key"

	tlsCryptServerSize = 128 // 64 bytes for encryption, 64 for authentication; of each, the first 32 are used
	tlsCryptClientSize = 256
	tlsCryptUsed       = 32

	tlsCryptTimestamp = 1 // kind of metadata: when the key was made, in seconds
)

// NewTLSCryptServerKey returns a new key, PEM, with which a server reads the keys of its clients.
func NewTLSCryptServerKey() []byte {
	key := make([]byte, tlsCryptServerSize)
	_, _ = rand.Read(key) // never fails
	return pem.EncodeToMemory(&pem.Block{Type: tlsCryptServerPEM, Bytes: key})
}

// NewTLSCryptClientKey returns a new key, PEM, for a client of the server with the given key. The client sends it to the
// server in a form that only the server can read: the server needs no list of its clients' keys.
func NewTLSCryptClientKey(serverKey []byte, now time.Time) ([]byte, error) {
	block, _ := pem.Decode(serverKey)
	if block == nil || block.Type != tlsCryptServerPEM || len(block.Bytes) != tlsCryptServerSize {
		return nil, errors.New("making a client key: the server's is no tls-crypt-v2 key")
	}
	encryption, authentication := block.Bytes[:tlsCryptUsed], block.Bytes[tlsCryptServerSize/2:][:tlsCryptUsed]

	key := make([]byte, tlsCryptClientSize)
	_, _ = rand.Read(key)
	metadata := binary.BigEndian.AppendUint64([]byte{tlsCryptTimestamp}, uint64(now.Unix()))
	plain := slices.Concat(key, metadata)

	size := binary.BigEndian.AppendUint16(nil, uint16(sha256.Size+len(plain)+2))
	mac := hmac.New(sha256.New, authentication)
	mac.Write(size)
	mac.Write(plain)
	tag := mac.Sum(nil)

	block256, err := aes.NewCipher(encryption)
	if err != nil {
		return nil, err
	}
	wrapped := make([]byte, len(plain))
	cipher.NewCTR(block256, tag[:aes.BlockSize]).XORKeyStream(wrapped, plain)
	return pem.EncodeToMemory(&pem.Block{Type: tlsCryptClientPEM, Bytes: slices.Concat(key, tag, wrapped, size)}), nil
}
