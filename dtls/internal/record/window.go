// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/binary"

	"github.com/coaps-go/coaps/dtls/internal/pack"
)

// windowLen is the number of sequence numbers the replay window remembers.
// RFC 6347 §4.1.2.6 prefers 64; datagrams of a block-wise transfer in a batch
// of 64 can swap with those of the next.
const windowLen = 128

// window is the sliding receive window of RFC 6347 §4.1.2.6. The zero value
// has seen nothing.
type window struct {
	next uint64    // one more than the highest number seen
	seen [2]uint64 // bit i of the 128: number next-1-i was seen
}

// fresh reports whether a number has not been seen and is not too old to
// tell. It changes nothing.
func (w *window) fresh(seq uint64) bool {
	if seq >= w.next {
		return true
	}
	age := w.next - 1 - seq
	return age < windowLen && w.seen[age/64]>>(age%64)&1 == 0
}

// mark records that a number was seen. Call it for a fresh number of a record
// that authenticated, and for no other: "The receive window is updated only
// if the MAC verification succeeds."
func (w *window) mark(seq uint64) {
	if seq >= w.next {
		w.shift(seq + 1 - w.next)
		w.next = seq + 1
	}
	age := w.next - 1 - seq
	w.seen[age/64] |= 1 << (age % 64)
}

// shift moves the window n numbers to the right.
func (w *window) shift(n uint64) {
	if n >= 64 {
		w.seen[1], w.seen[0] = w.seen[0], 0
		n -= 64
	}
	if n >= 64 {
		w.seen = [2]uint64{}
		return
	}
	w.seen[1] = w.seen[1]<<n | w.seen[0]>>(64-n)
	w.seen[0] <<= n
}

// pack packs or unpacks the window.
func (w *window) pack(c *pack.Coder) {
	var seen [16]byte
	binary.BigEndian.PutUint64(seen[:8], w.seen[0])
	binary.BigEndian.PutUint64(seen[8:], w.seen[1])
	pack.Uint(c, &w.next)
	c.Fixed(seen[:])
	w.seen[0], w.seen[1] = binary.BigEndian.Uint64(seen[:8]), binary.BigEndian.Uint64(seen[8:])
}
