// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"
)

// NonceLen is the length of every AEAD's nonce in bytes.
const NonceLen = 12

// AEAD protects the records of one direction, in place and without
// allocating. It holds scratch space, so it is not for concurrent use, and it
// must not be copied.
type AEAD interface {
	// Seal encrypts buf[:n] in place and writes the tag behind it, to
	// buf[n:n+TagLen], which must exist. A nonce must never be used twice
	// with one key.
	Seal(buf []byte, n int, nonce *[NonceLen]byte, aad []byte)

	// Open decrypts buf in place, ciphertext and tag, and returns the number
	// of bytes of plaintext at its front. If the tag is not right it reports
	// false, and no byte of unauthenticated plaintext is left in buf.
	Open(buf []byte, nonce *[NonceLen]byte, aad []byte) (n int, ok bool)
}

// library is an AEAD of the standard library, or of golang.org/x/crypto. All
// of them have a tag of 16 bytes, work in place and clear what did not
// authenticate.
type library struct{ aead cipher.AEAD }

func newGCM(key []byte) AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("suite: " + err.Error()) // the table holds legal key lengths only
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("suite: " + err.Error())
	}
	return &library{aead}
}

func newChaCha(key []byte) AEAD {
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		panic("suite: " + err.Error())
	}
	return &library{aead}
}

func (l *library) Seal(buf []byte, n int, nonce *[NonceLen]byte, aad []byte) {
	sealed := l.aead.Seal(buf[:0], nonce[:], buf[:n], aad)
	// With too little room the library would answer in new memory, and the
	// caller would send its plaintext.
	if &sealed[0] != &buf[0] {
		panic("suite: no room for the tag")
	}
}

func (l *library) Open(buf []byte, nonce *[NonceLen]byte, aad []byte) (n int, ok bool) {
	plain, err := l.aead.Open(buf[:0], nonce[:], buf, aad)
	return len(plain), err == nil
}
