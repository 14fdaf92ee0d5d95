// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// aesCCM is AES-CCM (RFC 3610, NIST SP 800-38C) with a nonce of 12 bytes,
// hence a length field of L = 3 bytes, as RFC 6655 §3 and RFC 5116 §5.3 set
// it.
//
// The two AES calls of a block, one for the keystream and one for the
// CBC-MAC, do not depend on each other; made one after the other, the
// processor overlaps them. The scratch blocks live here because what is
// passed to cipher.Block escapes to the heap.
type aesCCM struct {
	block  cipher.Block
	tagLen int

	mac     [aes.BlockSize]byte // CBC-MAC so far
	counter [aes.BlockSize]byte // A_i of RFC 3610 §2.3
	stream  [aes.BlockSize]byte // S_i
}

// ccmLengthLen is L, the length of CCM's length and counter fields.
const ccmLengthLen = aes.BlockSize - 1 - NonceLen

// ccmMaxLen is the longest message that the length field can say. Records
// are far shorter.
const ccmMaxLen = 1<<(8*ccmLengthLen) - 1

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
	text, tag := buf[:n:n], buf[n:n+c.tagLen]
	c.start(nonce, aad, n)
	for len(text) >= aes.BlockSize {
		block := (*[aes.BlockSize]byte)(text)
		c.nextKeystream()
		xorBlock(&c.mac, block)
		c.block.Encrypt(c.mac[:], c.mac[:])
		xorBlock(block, &c.stream)
		text = text[aes.BlockSize:]
	}
	if len(text) > 0 {
		c.nextKeystream()
		subtle.XORBytes(c.mac[:], c.mac[:], text)
		c.block.Encrypt(c.mac[:], c.mac[:])
		subtle.XORBytes(text, text, c.stream[:])
	}
	c.finish()
	copy(tag, c.mac[:])
}

func (c *aesCCM) Open(buf []byte, nonce *[NonceLen]byte, aad []byte) (n int, ok bool) {
	n = len(buf) - c.tagLen
	if n < 0 || n > ccmMaxLen {
		clear(buf)
		return 0, false
	}
	text, tag := buf[:n:n], buf[n:]
	c.start(nonce, aad, n)
	for len(text) >= aes.BlockSize {
		block := (*[aes.BlockSize]byte)(text)
		c.nextKeystream()
		xorBlock(block, &c.stream)
		xorBlock(&c.mac, block)
		c.block.Encrypt(c.mac[:], c.mac[:])
		text = text[aes.BlockSize:]
	}
	if len(text) > 0 {
		c.nextKeystream()
		subtle.XORBytes(text, text, c.stream[:])
		subtle.XORBytes(c.mac[:], c.mac[:], text)
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
	c.finish()
	if subtle.ConstantTimeCompare(tag, c.mac[:c.tagLen]) != 1 {
		clear(buf)
		return 0, false
	}
	return n, true
}

// start computes the CBC-MAC over B_0 and the additional data (RFC 3610
// §2.2) and sets the counter to zero.
func (c *aesCCM) start(nonce *[NonceLen]byte, aad []byte, n int) {
	// Flags: Adata, (M-2)/2, L-1.
	flags := byte((c.tagLen-2)/2)<<3 | (ccmLengthLen - 1)
	if len(aad) > 0 {
		flags |= 1 << 6
	}
	binary.BigEndian.PutUint32(c.mac[12:], uint32(n)) // byte 12 is the nonce's
	c.mac[0] = flags
	copy(c.mac[1:], nonce[:])
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(aad) > 0 {
		c.additional(aad)
	}
	binary.BigEndian.PutUint32(c.counter[12:], 0)
	c.counter[0] = ccmLengthLen - 1
	copy(c.counter[1:], nonce[:])
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

// nextKeystream advances the counter, which is 24 bits of a 32 bit word that
// begins with the nonce's last byte, and computes its keystream block.
func (c *aesCCM) nextKeystream() {
	binary.BigEndian.PutUint32(c.counter[12:], binary.BigEndian.Uint32(c.counter[12:])+1)
	c.block.Encrypt(c.stream[:], c.counter[:])
}

// finish turns the CBC-MAC into the tag: T XOR S_0.
func (c *aesCCM) finish() {
	c.counter[13], c.counter[14], c.counter[15] = 0, 0, 0
	c.block.Encrypt(c.stream[:], c.counter[:])
	xorBlock(&c.mac, &c.stream)
}

// xorBlock is dst ^= src, as two words. The byte order does not matter.
func xorBlock(dst, src *[aes.BlockSize]byte) {
	le := binary.LittleEndian
	le.PutUint64(dst[:8], le.Uint64(dst[:8])^le.Uint64(src[:8]))
	le.PutUint64(dst[8:], le.Uint64(dst[8:])^le.Uint64(src[8:]))
}
