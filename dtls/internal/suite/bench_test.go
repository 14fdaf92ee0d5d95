// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"
)

// BenchmarkAEAD measures each AEAD in place, beside the standard library's
// AES-128-GCM used as it comes.
func BenchmarkAEAD(b *testing.B) {
	aeads := []struct {
		name   string
		aead   AEAD
		tagLen int
	}{
		{"AES-128-CCM_8", newCCM8(make([]byte, 16)), 8},
		{"AES-128-CCM", newCCM16(make([]byte, 16)), 16},
		{"AES-128-GCM", newGCM(make([]byte, 16)), 16},
		{"AES-256-GCM", newGCM(make([]byte, 32)), 16},
		{"ChaCha20-Poly1305", newChaCha(make([]byte, 32)), 16},
	}
	for _, size := range []int{64, 1024} {
		for _, a := range aeads {
			buf, nonce, aad := make([]byte, size+a.tagLen), new([NonceLen]byte), make([]byte, 13)
			b.Run(fmt.Sprintf("seal/%s/%d", a.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					a.aead.Seal(buf, size, nonce, aad)
				}
			})
			b.Run(fmt.Sprintf("open/%s/%d", a.name, size), func(b *testing.B) {
				a.aead.Seal(buf, size, nonce, aad)
				sealed := append([]byte(nil), buf...)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					copy(buf, sealed)
					if _, ok := a.aead.Open(buf, nonce, aad); !ok {
						b.Fatal("did not open")
					}
				}
			})
		}
		benchmarkLibraryGCM(b, size)
	}
}

func benchmarkLibraryGCM(b *testing.B, size int) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	buf, nonce, aad := make([]byte, size, size+16), make([]byte, 12), make([]byte, 13)
	b.Run(fmt.Sprintf("seal/stdlib-GCM/%d", size), func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			aead.Seal(buf[:0], nonce, buf, aad)
		}
	})
}
