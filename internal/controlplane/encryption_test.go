// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// way follows the steps to wanted, at most most of them, and returns them and where they lead: "3 UsingKey key2,key1,identity".
func way(e Encryption, wanted string, most int) (Encryption, []string) {
	var steps []string
	for range most {
		next, step := e.Next(wanted)
		if step == "" {
			break
		}
		var names []string
		for _, k := range next.Keys {
			names = append(names, k.Name)
		}
		steps = append(steps, fmt.Sprintf("%d %s %s", next.Step, step, strings.Join(names, ",")))
		e = next
	}
	return e, steps
}

func TestEncryptionSteps(t *testing.T) {
	first := FirstEncryption(EncryptionKey{Name: "key1"})
	encrypted, _ := way(first, "key1", 9)
	adding, _ := way(encrypted, "key2", 1)
	using, _ := way(encrypted, "key2", 2)
	decrypting, _ := way(encrypted, Identity, 1)
	off, _ := way(encrypted, Identity, 9)
	for name, tc := range map[string]struct {
		from   Encryption
		wanted string
		want   []string
	}{
		"never":         {Encryption{}, Identity, nil},
		"a new cluster": {first, "key1", []string{"1 RewritingSecrets key1,identity"}},
		"done":          {encrypted, "key1", nil},
		"turned on": {Encryption{}, "key1", []string{
			"1 AddingKey identity,key1", "2 UsingKey key1,identity", "2 RewritingSecrets key1,identity",
		}},
		"rotated": {encrypted, "key2", []string{
			"2 AddingKey key1,key2,identity", "3 UsingKey key2,key1,identity", "3 RewritingSecrets key2,key1,identity", "4 RemovingKeys key2,identity",
		}},
		"turned off": {encrypted, Identity, []string{
			"2 UsingKey identity,key1", "2 RewritingSecrets identity,key1", "3 RemovingKeys identity",
		}},
		"turned on again": {off, "key1", []string{
			"4 AddingKey identity,key1", "5 UsingKey key1,identity", "5 RewritingSecrets key1,identity",
		}},
		"turned on again while it is turned off": {decrypting, "key1", []string{
			"3 UsingKey key1,identity", "3 RewritingSecrets key1,identity",
		}},
		"rotated once more after a key was added": {adding, "key3", []string{
			"3 AddingKey key1,key3,key2,identity", "4 UsingKey key3,key1,key2,identity", "4 RewritingSecrets key3,key1,key2,identity", "5 RemovingKeys key3,identity",
		}},
		"rotated once more while Secrets are rewritten": {using, "key3", []string{
			"4 AddingKey key2,key3,key1,identity", "5 UsingKey key3,key2,key1,identity", "5 RewritingSecrets key3,key2,key1,identity", "6 RemovingKeys key3,identity",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, steps := way(tc.from, tc.wanted, 9); !cmp.Equal(tc.want, steps) {
				t.Error(cmp.Diff(tc.want, steps))
			}
		})
	}
}

// Whatever one step writes, the ones before and after it can read.
func TestNeighbouringStepsReadEachOther(t *testing.T) {
	e := Encryption{Keys: []EncryptionKey{{Name: Identity}}, Rewritten: Identity}
	for _, wanted := range []string{"key1", "key2", Identity, "key3", "key4"} {
		for {
			next, step := e.Next(wanted)
			if step == "" {
				break
			}
			for _, pair := range [][2]Encryption{{e, next}, {next, e}} {
				writes, reads := pair[0], pair[1]
				if !strings.Contains(fmt.Sprint(reads.Keys), writes.Keys[0].Name) {
					t.Errorf("%s: %v writes what %v cannot read", step, writes.Keys, reads.Keys)
				}
			}
			e = next
		}
	}
}
