// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"io"
	"math/bits"
)

// index finds incoming messages by link and Message ID: a hash table whose
// buckets are chains through the records. It grows with the records and does
// not shrink.
type index struct {
	buckets []uint32 // first record; the length is a power of two
	shift   uint8    // 64 - log2(len(buckets))
	key     uint64   // odd, random: peers cannot choose Message IDs that collide
	used    int
}

const firstBuckets = 64

// seed draws the key, once. Without randomness the index still works; Send will
// report the failure.
func (x *index) seed(m *Memory, rand io.Reader) {
	if x.key == 0 {
		n, _ := m.random(rand)
		x.key = n | 1
	}
}

// bucket is multiply-shift hashing, which is universal for a random odd key.
func (x *index) bucket(link uint32, mid uint16) *uint32 {
	return &x.buckets[(uint64(link)<<16|uint64(mid))*x.key>>x.shift]
}

// find returns the record of link l with the Message ID, 0 if there is none.
func (m *Memory) find(link uint32, mid uint16) uint32 {
	if m.index.used == 0 {
		return 0
	}
	i := *m.index.bucket(link, mid)
	for i != 0 {
		r := m.records.At(i)
		if r.link == link && r.mid == mid {
			return i
		}
		i = r.ownerOrChain
	}
	return 0
}

// indexRecord adds record i, whose link and Message ID are set.
func (m *Memory) indexRecord(i uint32) {
	if m.index.used >= len(m.index.buckets) {
		m.growIndex()
	}
	r := m.records.At(i)
	b := m.index.bucket(r.link, r.mid)
	r.ownerOrChain, *b = *b, i
	m.index.used++
}

// unindexRecord removes record i.
func (m *Memory) unindexRecord(i uint32) {
	r := m.records.At(i)
	at := m.index.bucket(r.link, r.mid)
	for *at != i {
		at = &m.records.At(*at).ownerOrChain
	}
	*at = r.ownerOrChain
	r.ownerOrChain = 0
	m.index.used--
}

// growIndex doubles the buckets and moves each record to its new one.
func (m *Memory) growIndex() {
	old := m.index.buckets
	n := max(firstBuckets, 2*len(old))
	m.index.buckets = make([]uint32, n)
	m.index.shift = uint8(64 - bits.TrailingZeros(uint(n)))
	for _, first := range old {
		for i := first; i != 0; {
			r := m.records.At(i)
			next := r.ownerOrChain
			b := m.index.bucket(r.link, r.mid)
			r.ownerOrChain, *b = *b, i
			i = next
		}
	}
}
