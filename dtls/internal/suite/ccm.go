// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// lanes is how many blocks of keystream are made ahead: enough for most
// records.
const lanes = 4

// aesCCM is AES-CCM (RFC 3610, NIST SP 800-38C). The length L of its length
// and counter fields follows from the nonce: the 12 bytes of RFC 6655 §3 and
// RFC 5116 §5.3 leave L = 3.
//
// The two AES calls of a block, one for the keystream and one for the
// CBC-MAC, do not depend on each other; made in turn, the processor overlaps
// them. What AES loads is stored well before or 16 bytes at once, as by
// subtle.XORBytes: a load of 16 bytes right after a shorter store waits until
// all that came before is done. That is why each lane has its own counter.
//
// The scratch blocks live here because what is passed to cipher.Block
// escapes to the heap.
type aesCCM struct {
	block  cipher.Block
	tagLen int // M: 4, 6, ... 16

	mac     [aes.BlockSize]byte         // CBC-MAC so far
	mask    [aes.BlockSize]byte         // S_0 of RFC 3610 §2.3, which hides the MAC
	counter [lanes][aes.BlockSize]byte  // A_i, for the next block of each lane
	stream  [lanes * aes.BlockSize]byte // S_i of each lane
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
		part := text[:min(len(c.stream), len(text))]
		for i, rest := 0, part; len(rest) > 0; i++ {
			n := subtle.XORBytes(c.mac[:], c.mac[:], rest)
			c.keystream(i)
			c.block.Encrypt(c.mac[:], c.mac[:])
			rest = rest[n:]
		}
		subtle.XORBytes(part, part, c.stream[:])
		text = text[len(part):]
	}
	subtle.XORBytes(c.mac[:], c.mac[:], c.mask[:])
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
	for i := 0; i < lanes && i*aes.BlockSize < n; i++ {
		c.keystream(i)
	}
	for len(text) > 0 {
		part := text[:min(len(c.stream), len(text))]
		text = text[len(part):]
		subtle.XORBytes(part, part, c.stream[:])
		for i := 0; len(part) > 0; i++ {
			n := subtle.XORBytes(c.mac[:], c.mac[:], part)
			if i*aes.BlockSize < len(text) {
				c.keystream(i) // of the part to come
			}
			c.block.Encrypt(c.mac[:], c.mac[:])
			part = part[n:]
		}
	}
	subtle.XORBytes(c.mac[:], c.mac[:], c.mask[:])
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
// §2.2) and S_0, and sets the counters to those of the first blocks.
func (c *aesCCM) start(nonce, aad []byte, n int) {
	lengthLen := aes.BlockSize - 1 - len(nonce) // L
	c.mask = [aes.BlockSize]byte{byte(lengthLen - 1)}
	copy(c.mask[1:], nonce)
	for i := range c.counter {
		c.counter[i] = c.mask
		c.counter[i][aes.BlockSize-1] = byte(1 + i)
	}

	c.mac = [aes.BlockSize]byte{}
	binary.BigEndian.PutUint32(c.mac[12:], uint32(n)) // the nonce covers its zeros
	copy(c.mac[1:], nonce)
	// Flags: Adata, (M-2)/2, L-1.
	c.mac[0] = byte(c.tagLen-2)/2<<3 | byte(lengthLen-1)
	if len(aad) > 0 {
		c.mac[0] |= 1 << 6
	}
	rest := c.additional(aad)

	c.block.Encrypt(c.mask[:], c.mask[:])
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(aad) > 0 {
		subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:aes.BlockSize])
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
	for len(rest) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], rest)
		c.block.Encrypt(c.mac[:], c.mac[:])
		rest = rest[n:]
	}
}

// additional writes the first block of additional data to the first lane,
// where no keystream is yet: two bytes of length, the data, zeros. A record
// has 13 bytes of it, which fit. What does not is returned.
func (c *aesCCM) additional(aad []byte) (rest []byte) {
	if len(aad) >= 0xff00 {
		panic("suite: additional data too long") // would need a longer length
	}
	first := c.stream[:aes.BlockSize]
	clear(first)
	binary.BigEndian.PutUint16(first, uint16(len(aad)))
	return aad[copy(first[2:], aad):]
}

// keystream computes the next block of a lane and advances its counter. The
// counter field may be shorter than the 32 bits added to here, but ccmMaxLen
// keeps what is used from running over into the nonce.
func (c *aesCCM) keystream(lane int) {
	counter := &c.counter[lane%lanes]
	c.block.Encrypt(c.stream[lane%lanes*aes.BlockSize:], counter[:])
	binary.BigEndian.PutUint32(counter[12:], binary.BigEndian.Uint32(counter[12:])+lanes)
}
