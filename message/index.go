// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import "io"

// index finds incoming messages by link and Message ID: a linear hash table
// whose buckets are chains through the records. With each record more than
// buckets it gains one bucket, by splitting one, so that no message ever waits
// for the whole table to be moved. It does not shrink.
type index struct {
	buckets []*[bucketBlock]uint32 // first record of each chain, in blocks that never move
	n       uint32                 // buckets in use
	low     uint32                 // the largest power of two that is not more than n
	key     uint64                 // odd, random: peers cannot choose Message IDs that collide
	used    uint32
}

// bucketBlock is how many buckets are allocated at a time.
const bucketBlock = 256

// seed draws the key, once. Without randomness the index still works; Send will
// report the failure.
func (x *index) seed(m *Memory, rand io.Reader) {
	if x.key == 0 {
		n, _ := m.random(rand)
		x.key = n | 1
		x.buckets, x.n, x.low = append(x.buckets, new([bucketBlock]uint32)), 1, 1
	}
}

func (x *index) at(bucket uint32) *uint32 {
	return &x.buckets[bucket/bucketBlock][bucket%bucketBlock]
}

// bucket is multiply-shift hashing modulo 2^(32+k), of which it takes the first k
// bits: universal for a random odd key and links below 2^(16+k). There are as
// many bits as there are buckets for, one fewer for those not split yet.
func (x *index) bucket(link uint32, mid uint16) *uint32 {
	h := uint32((uint64(link)<<16 | uint64(mid)) * x.key >> 32)
	b := h & (2*x.low - 1)
	if b >= x.n {
		b &= x.low - 1
	}
	return x.at(b)
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
	if m.index.used == m.index.n {
		m.splitBucket()
	}
	m.chain(i)
	m.index.used++
}

// chain puts record i into its bucket.
func (m *Memory) chain(i uint32) {
	r := m.records.At(i)
	b := m.index.bucket(r.link, r.mid)
	r.ownerOrChain, *b = *b, i
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

// splitBucket adds bucket n. Its records are in the one whose number differs in
// the highest bit.
func (m *Memory) splitBucket() {
	x := &m.index
	if int(x.n/bucketBlock) == len(x.buckets) {
		x.buckets = append(x.buckets, new([bucketBlock]uint32))
	}
	old := x.at(x.n - x.low)
	i := *old
	*old = 0
	if x.n++; x.n == 2*x.low {
		x.low = x.n
	}
	for i != 0 {
		next := m.records.At(i).ownerOrChain
		m.chain(i)
		i = next
	}
}
