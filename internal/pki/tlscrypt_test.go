// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/pem"
	"testing"
	"time"
)

// What the server does with the key that a client sends: check its tag, and read the client's key out of it.
func TestTheServerCanReadItsClientsKeys(t *testing.T) {
	server := NewTLSCryptServerKey()
	client, err := NewTLSCryptClientKey(server, time.Unix(1800000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	serverBlock, _ := pem.Decode(server)
	clientBlock, _ := pem.Decode(client)
	key, wrapped := clientBlock.Bytes[:256], clientBlock.Bytes[256:]
	size := wrapped[len(wrapped)-2:]
	if got := int(size[0])<<8 | int(size[1]); got != len(wrapped) {
		t.Fatalf("its size says %d, and it has %d bytes", got, len(wrapped))
	}
	block, err := aes.NewCipher(serverBlock.Bytes[:32])
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, len(wrapped)-2-sha256.Size)
	cipher.NewCTR(block, wrapped[:16]).XORKeyStream(plain, wrapped[sha256.Size:len(wrapped)-2])
	if !bytes.Equal(plain[:256], key) {
		t.Error("the server reads another key")
	}
	mac := hmac.New(sha256.New, serverBlock.Bytes[64:96])
	mac.Write(size)
	mac.Write(plain)
	if !hmac.Equal(mac.Sum(nil), wrapped[:sha256.Size]) {
		t.Error("the tag is wrong")
	}
}

func TestNewTLSCryptClientKeyRefusesOtherKeys(t *testing.T) {
	for name, key := range map[string][]byte{
		"none": nil, "another format": []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
	} {
		if _, err := NewTLSCryptClientKey(key, time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
