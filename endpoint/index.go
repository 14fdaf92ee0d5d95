// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import "hash/maphash"

// An index finds slots by their keys. It is a linear hash table (Litwin, 1980):
// whenever it has more entries than buckets it gains one bucket, by splitting
// one. So it grows by one short chain at a time, and no insertion ever has to
// move the whole table. The chains run through the slots. The seed is drawn by
// the runtime: nobody can choose addresses that meet in a bucket.
//
// It has 4 bytes a bucket and does not shrink.
type index struct {
	seed    maphash.Seed
	buckets []*[bucketBlock]uint32 // the first slot of each chain, in blocks that never move
	n       uint32                 // buckets in use
	low     uint32                 // the largest power of two that is not more than n
	used    uint32                 // entries
}

// bucketBlock is how many buckets are allocated at a time.
const bucketBlock = 1 << 10

func newIndex() index {
	return index{seed: maphash.MakeSeed(), buckets: []*[bucketBlock]uint32{new([bucketBlock]uint32)}, n: 1, low: 1}
}

func (x *index) at(bucket uint32) *uint32 {
	return &x.buckets[bucket/bucketBlock][bucket%bucketBlock]
}

// bucketOf is the bucket of a key: by as many bits of its hash as there are
// buckets for, which is one bit fewer for those not split yet.
func (x *index) bucketOf(k *key) uint32 {
	h := uint32(maphash.Bytes(x.seed, k[:]))
	if b := h & (2*x.low - 1); b < x.n {
		return b
	}
	return h & (x.low - 1)
}

// find returns the slot with the key, 0 if there is none.
func (x *index) find(s *slots, k *key) uint32 {
	i := *x.at(x.bucketOf(k))
	for i != 0 {
		at := s.At(i)
		if at.key == *k {
			return i
		}
		i = at.chain
	}
	return 0
}

// insert adds slot i, whose key no other has.
func (x *index) insert(s *slots, i uint32) {
	if x.used == x.n {
		x.split(s)
	}
	at := s.At(i)
	head := x.at(x.bucketOf(&at.key))
	at.chain, *head = *head, i
	x.used++
}

// remove takes out slot i, which must be in.
func (x *index) remove(s *slots, i uint32) {
	at := s.At(i)
	link := x.at(x.bucketOf(&at.key))
	for *link != i {
		link = &s.At(*link).chain
	}
	*link, at.chain = at.chain, 0
	x.used--
}

// split adds bucket n. Its entries are in the bucket whose number differs in
// the highest bit.
func (x *index) split(s *slots) {
	if int(x.n/bucketBlock) == len(x.buckets) {
		x.buckets = append(x.buckets, new([bucketBlock]uint32))
	}
	old := x.at(x.n - x.low)
	chain := *old
	*old = 0
	if x.n++; x.n == 2*x.low {
		x.low = x.n
	}
	for chain != 0 {
		i, at := chain, s.At(chain)
		chain = at.chain
		head := x.at(x.bucketOf(&at.key))
		at.chain, *head = *head, i
	}
}
