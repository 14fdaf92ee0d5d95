// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ecdh"
	"fmt"
	"testing"
)

// One private number in 256 begins with the octet that a key in DER begins with.
func TestPrivateNumberThatBeginsLikeDER(t *testing.T) {
	for name, curve := range map[string]struct {
		ecdh.Curve
		size int
	}{"P-256": {ecdh.P256(), 32}, "P-384": {ecdh.P384(), 48}} {
		for _, begin := range [][]byte{{0x30}, {0x30, 0x2e}, {0x30, byte(curve.size - 2)}} {
			number := bytes.Repeat([]byte{0x11}, curve.size)
			copy(number, begin)
			pair, err := curve.NewPrivateKey(number)
			if err != nil {
				t.Fatal(err)
			}
			source := fmt.Appendf(nil, "unsigned char d[] = {%s};\nunsigned char q[] = {%s};\n", cArray(number), cArray(pair.PublicKey().Bytes()))
			got, err := parseKey(source)
			if err != nil {
				t.Errorf("%s, a number that begins with %x: %v", name, begin, err)
			} else if got.pair == nil {
				t.Errorf("%s, a number that begins with %x: no private key", name, begin)
			}
		}
	}
}
