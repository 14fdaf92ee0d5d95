// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// aesCCM is AES-CCM (RFC 3610, NIST SP 800-38C). The length L of its length
// and counter fields follows from the nonce: the 12 bytes of RFC 6655 §3 and
// RFC 5116 §5.3 leave L = 3.
//
// The two AES calls of a block, one for the keystream and one for the
// CBC-MAC, do not depend on each other; made in turn, the processor overlaps
// them. What AES loads is stored well before or 16 bytes at once, as by
// subtle.XORBytes: a load of 16 bytes right after a shorter store stalls.
//
// The scratch blocks live here because what is passed to cipher.Block
// escapes to the heap.
type aesCCM struct {
	block  cipher.Block
	tagLen int // M: 4, 6, ... 16

	mac     [aes.BlockSize]byte // CBC-MAC so far
	counter [aes.BlockSize]byte // A_i of RFC 3610 §2.3, for the next block
	stream  [aes.BlockSize]byte // S_i
}

func newCCM16(key []byte) AEAD { return newCCM(key, 16) }
func newCCM8(key []byte) AEAD  { return newCCM(key, 8) }

func newCCM(key []byte, tagLen int) *aesCCM {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("suite: " + err.Error()) // the table holds legal key lengths only
	}
	return &aesCCM{block: block, tagLen: tagLen}
}

func (c *aesCCM) Seal(buf []byte, n int, nonce *[NonceLen]byte, aad []byte) {
	c.seal(buf, n, nonce[:], aad)
}

func (c *aesCCM) Open(buf []byte, nonce *[NonceLen]byte, aad []byte) (n int, ok bool) {
	return c.open(buf, nonce[:], aad)
}

func (c *aesCCM) seal(buf []byte, n int, nonce, aad []byte) {
	if n > ccmMaxLen(nonce) {
		panic("suite: message too long for CCM")
	}
	text, tag := buf[:n:n], buf[n:n+c.tagLen]
	c.start(nonce, aad, n)
	for len(text) > 0 {
		block := text[:min(aes.BlockSize, len(text))]
		subtle.XORBytes(c.mac[:], c.mac[:], block)
		c.nextKeystream()
		c.block.Encrypt(c.mac[:], c.mac[:])
		subtle.XORBytes(block, block, c.stream[:])
		text = text[len(block):]
	}
	c.finish(len(nonce))
	copy(tag, c.mac[:])
}

func (c *aesCCM) open(buf []byte, nonce, aad []byte) (n int, ok bool) {
	n = len(buf) - c.tagLen
	if n < 0 || n > ccmMaxLen(nonce) {
		clear(buf)
		return 0, false
	}
	text, tag := buf[:n:n], buf[n:]
	c.start(nonce, aad, n)
	c.nextKeystream() // always one block ahead of the CBC-MAC
	for len(text) > 0 {
		block := text[:min(aes.BlockSize, len(text))]
		subtle.XORBytes(block, block, c.stream[:])
		subtle.XORBytes(c.mac[:], c.mac[:], block)
		c.nextKeystream()
		c.block.Encrypt(c.mac[:], c.mac[:])
		text = text[len(block):]
	}
	c.finish(len(nonce))
	if subtle.ConstantTimeCompare(tag, c.mac[:c.tagLen]) != 1 {
		clear(buf)
		return 0, false
	}
	return n, true
}

// ccmMaxLen is the longest message that the length field can say, where the
// field is shorter than the 32 bits that are used of longer ones.
func ccmMaxLen(nonce []byte) int {
	return 1<<min(8*(aes.BlockSize-1-len(nonce)), 31) - 1
}

// start computes the CBC-MAC over B_0 and the additional data (RFC 3610
// §2.2) and sets the counter to one, the first block's.
func (c *aesCCM) start(nonce, aad []byte, n int) {
	lengthLen := aes.BlockSize - 1 - len(nonce) // L
	c.counter = [aes.BlockSize]byte{byte(lengthLen - 1)}
	copy(c.counter[1:], nonce)
	c.counter[15] = 1

	c.mac = [aes.BlockSize]byte{}
	binary.BigEndian.PutUint32(c.mac[12:], uint32(n)) // the nonce covers its zeros
	copy(c.mac[1:], nonce)
	// Flags: Adata, (M-2)/2, L-1.
	c.mac[0] = byte(c.tagLen-2)/2<<3 | byte(lengthLen-1)
	if len(aad) > 0 {
		c.mac[0] |= 1 << 6
	}
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(aad) > 0 {
		c.additional(aad)
	}
}

// additional runs the additional data through the CBC-MAC: two bytes of
// length, the data, zeros up to a whole block. A record has 13 bytes of it,
// which is one block.
func (c *aesCCM) additional(aad []byte) {
	if len(aad) >= 0xff00 {
		panic("suite: additional data too long") // would need a longer length
	}
	c.mac[0] ^= byte(len(aad) >> 8)
	c.mac[1] ^= byte(len(aad))
	n := subtle.XORBytes(c.mac[2:], c.mac[2:], aad)
	c.block.Encrypt(c.mac[:], c.mac[:])
	for aad = aad[n:]; len(aad) > 0; aad = aad[n:] {
		n = subtle.XORBytes(c.mac[:], c.mac[:], aad)
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
}

// nextKeystream computes the counter's block and advances it. The counter
// field may be shorter than the 32 bits added to here, but ccmMaxLen keeps it
// from running over into the nonce.
func (c *aesCCM) nextKeystream() {
	c.block.Encrypt(c.stream[:], c.counter[:])
	binary.BigEndian.PutUint32(c.counter[12:], binary.BigEndian.Uint32(c.counter[12:])+1)
}

// finish turns the CBC-MAC into the tag: T XOR S_0.
func (c *aesCCM) finish(nonceLen int) {
	clear(c.counter[1+nonceLen:])
	c.block.Encrypt(c.stream[:], c.counter[:])
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
}
