// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"io"

	"github.com/coaps-go/coaps/internal/linear"
)

// index finds incoming messages by link and Message ID. The chains run through
// the records.
type index struct {
	linear.Table
	key uint64 // odd, random: peers cannot choose Message IDs that collide
}

// seed draws the key, once. Without randomness the index still works; Send will
// report the failure.
func (x *index) seed(m *Memory, rand io.Reader) {
	if x.key == 0 {
		n, _ := m.random(rand)
		x.Table, x.key = linear.New(), n|1
	}
}

// head is where the chain begins in which a message is or would be, by
// multiply-shift hashing modulo 2^(32+k), of which it takes the first k bits:
// universal for a random odd key and links below 2^(16+k).
func (x *index) head(link uint32, mid uint16) *uint32 {
	return x.Head(uint32((uint64(link)<<16 | uint64(mid)) * x.key >> 32))
}

// find returns the record of link l with the Message ID, 0 if there is none.
func (m *Memory) find(link uint32, mid uint16) uint32 {
	if m.index.Len() == 0 {
		return 0
	}
	i := *m.index.head(link, mid)
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
	for loose := m.index.Add(); loose != 0; {
		one := loose
		loose = m.records.At(one).ownerOrChain
		m.chain(one)
	}
	m.chain(i)
}

// chain puts record i into its chain.
func (m *Memory) chain(i uint32) {
	r := m.records.At(i)
	head := m.index.head(r.link, r.mid)
	r.ownerOrChain, *head = *head, i
}

// unindexRecord removes record i.
func (m *Memory) unindexRecord(i uint32) {
	r := m.records.At(i)
	at := m.index.head(r.link, r.mid)
	for *at != i {
		at = &m.records.At(*at).ownerOrChain
	}
	*at, r.ownerOrChain = r.ownerOrChain, 0
	m.index.Remove()
}
