// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pack puts the state of a session that sleeps into few bytes, and
// takes it out again. The same calls do both, so that what is put in and what
// is taken out cannot come to differ:
//
//	func (s *state) pack(c *pack.Coder) {
//		pack.Uint(c, &s.sequence)
//		c.Fixed(s.key[:])
//	}
//
// What is packed is only read: others may be reading it at the same time.
//
// The bytes are for the process that made them. A Coder trusts them, and
// panics if they end too early.
package pack

import (
	"encoding/binary"
	"slices"
)

// Coder packs values at the end of a slice, or unpacks them from the front of
// one. It is made by Into or From.
type Coder struct {
	bytes     []byte
	unpacking bool
}

// Into packs values at the end of dst. There must be room: to grow would leave
// secrets behind.
func Into(dst []byte) Coder { return Coder{bytes: dst} }

// From unpacks values from the front of src.
func From(src []byte) Coder { return Coder{bytes: slices.Clip(src), unpacking: true} }

// Bytes is what was packed so far, or what is left to unpack.
func (c *Coder) Bytes() []byte { return c.bytes }

// Fixed packs or unpacks bytes whose number is known.
func (c *Coder) Fixed(b []byte) {
	if !c.unpacking {
		c.bytes = append(c.bytes, b...)
		return
	}
	copy(b, c.bytes[:len(b)])
	c.bytes = c.bytes[len(b):]
}

// Slice packs bytes with their number, or unpacks them into memory of their
// own. A nil slice comes back as nil, and an empty one empty.
func (c *Coder) Slice(b *[]byte) {
	view := *b
	if c.View(&view); c.unpacking {
		*b = slices.Clone(view)
	}
}

// View is Slice, but what is unpacked lies where it lay.
func (c *Coder) View(b *[]byte) {
	var size uint64
	if *b != nil {
		size = uint64(len(*b)) + 1
	}
	size = c.uint(size)
	switch {
	case !c.unpacking:
		c.bytes = append(c.bytes, *b...)
	case size == 0:
		*b = nil
	default:
		n := int(size - 1)
		*b = c.bytes[:n:n]
		c.bytes = c.bytes[n:]
	}
}

// String packs a string with its length, or unpacks it.
func (c *Coder) String(s *string) {
	n := c.uint(uint64(len(*s)))
	if !c.unpacking {
		c.bytes = append(c.bytes, *s...)
		return
	}
	*s = string(c.bytes[:n])
	c.bytes = c.bytes[n:]
}

// Bool packs or unpacks a truth value.
func (c *Coder) Bool(b *bool) {
	var n uint64
	if *b {
		n = 1
	}
	if n = c.uint(n); c.unpacking {
		*b = n != 0
	}
}

// Uint packs or unpacks a number that is not negative, and mostly small: in
// one byte for each seven bits.
func Uint[T ~int | ~int64 | ~uint8 | ~uint16 | ~uint64](c *Coder, v *T) {
	if n := c.uint(uint64(*v)); c.unpacking {
		*v = T(n)
	}
}

func (c *Coder) uint(v uint64) uint64 {
	if !c.unpacking {
		c.bytes = binary.AppendUvarint(c.bytes, v)
		return v
	}
	v, n := binary.Uvarint(c.bytes)
	if n <= 0 {
		panic("pack: the bytes end too early")
	}
	c.bytes = c.bytes[n:]
	return v
}
