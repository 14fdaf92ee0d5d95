// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"hash/maphash"

	"github.com/coaps-go/coaps/internal/linear"
)

// An index finds slots by their keys. The chains run through the slots. The seed
// is drawn by the runtime: nobody can choose addresses that meet in a chain.
type index struct {
	linear.Table
	seed maphash.Seed
}

func newIndex() index { return index{linear.New(), maphash.MakeSeed()} }

// head is where the chain begins in which a key is or would be.
func (x *index) head(k *key) *uint32 { return x.Head(uint32(maphash.Bytes(x.seed, k[:]))) }

// find returns the slot with the key, 0 if there is none.
func (x *index) find(s *slots, k *key) uint32 {
	i := *x.head(k)
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
	for loose := x.Add(); loose != 0; {
		one := loose
		loose = s.At(one).chain
		x.link(s, one)
	}
	x.link(s, i)
}

// link puts slot i into its chain.
func (x *index) link(s *slots, i uint32) {
	at := s.At(i)
	head := x.head(&at.key)
	at.chain, *head = *head, i
}

// remove takes out slot i, which must be in.
func (x *index) remove(s *slots, i uint32) {
	at := s.At(i)
	link := x.head(&at.key)
	for *link != i {
		link = &s.At(*link).chain
	}
	*link, at.chain = at.chain, 0
	x.Remove()
}
