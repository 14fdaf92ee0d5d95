// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"io"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// cookieLen is the length of a cookie in bytes.
const cookieLen = 16

// cookiePeriod is how long a cookie key is used to make cookies; for as long
// again it is used to verify them.
const cookiePeriod = 30 * time.Second

// cookies makes and verifies cookies without keeping any:
//
//	Cookie = HMAC(Secret, Client-IP, Client-Parameters)     (RFC 6347 §4.2.1)
//
// with HMAC-SHA-256 cut to 16 bytes. "The server can defend against this
// attack by changing the Secret value frequently", and has "a limited window
// during which it accepts both secrets". The lowest bit of the first byte is
// the number of the secret, so that one HMAC is enough.
type cookies struct {
	keys  [2]hash.Hash // keyed HMACs by the parity of their period
	begun tick.Time    // of the current period
	odd   byte         // parity of the current period
	valid [2]bool
	sum   [sha256.Size]byte
	head  [16 + 2 + 2 + 2]byte
}

// start draws the first key.
func (c *cookies) start(rand io.Reader, now tick.Time) error {
	c.begun = now
	return c.draw(rand)
}

// draw makes the key of the next period.
func (c *cookies) draw(rand io.Reader) error {
	var key [32]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return err
	}
	c.odd ^= 1
	c.keys[c.odd] = hmac.New(sha256.New, key[:])
	c.valid[c.odd] = true
	clear(key[:])
	return nil
}

// rotate begins a new period when the current one is over. If more than one
// has passed, the key before is as old as the cookies made with it. Without
// randomness the old key serves on.
func (c *cookies) rotate(rand io.Reader, now tick.Time) {
	passed := now.Sub(c.begun)
	if passed < cookiePeriod || c.draw(rand) != nil {
		return
	}
	c.valid[c.odd^1] = passed < 2*cookiePeriod
	c.begun = now
}

// make computes the cookie for a hello from an address.
func (c *cookies) make(remote netip.AddrPort, hello *wire.ClientHello) (cookie [cookieLen]byte) {
	c.compute(c.odd, remote, hello)
	copy(cookie[:], c.sum[:])
	return cookie
}

// verify reports whether a hello holds the cookie that was made for it, not
// long ago.
func (c *cookies) verify(rand io.Reader, now tick.Time, remote netip.AddrPort, hello *wire.ClientHello) bool {
	c.rotate(rand, now)
	if len(hello.Cookie) != cookieLen {
		return false
	}
	key := hello.Cookie[0] & 1
	if !c.valid[key] {
		return false
	}
	c.compute(key, remote, hello)
	return subtle.ConstantTimeCompare(hello.Cookie, c.sum[:cookieLen]) == 1
}

// compute leaves the cookie in sum. It covers the address, the port and all
// of the hello but the cookie itself, each part with its length.
func (c *cookies) compute(key byte, remote netip.AddrPort, hello *wire.ClientHello) {
	addr := remote.Addr().As16()
	head := append(c.head[:0], addr[:]...)
	head = binary.BigEndian.AppendUint16(head, remote.Port())
	head = binary.BigEndian.AppendUint16(head, uint16(len(hello.BeforeCookie)))
	head = binary.BigEndian.AppendUint16(head, uint16(len(hello.AfterCookie)))
	mac := c.keys[key]
	mac.Reset()
	mac.Write(head)
	mac.Write(hello.BeforeCookie)
	mac.Write(hello.AfterCookie)
	mac.Sum(c.sum[:0])
	c.sum[0] = c.sum[0]&^1 | key
}
