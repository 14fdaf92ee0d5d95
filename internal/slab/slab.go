// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package slab hands out numbered values of one type from blocks that never
// move, and links them into lists. A value costs no allocation once its block
// exists, an index costs four bytes where a pointer costs eight, and the
// collector has nothing to follow when T holds no pointers. A block of which
// nothing is used goes back to the collector.
package slab

import "math"

// blockLen is the number of values allocated at a time.
const blockLen = 256

// Pool is a bounded set of values of type T, numbered from 1. The zero Pool has
// room for none; New sets the bound.
type Pool[T any] struct {
	blocks []*block[T]
	usage  []usage   // of each block
	roomy  uint32    // list of the blocks with room, as number + 1
	empty  int       // how many of them hold nothing
	vacant []uint32  // numbers of the blocks that went back
	gone   *block[T] // stands in their place: all zero, and stays so
	made   uint32    // the highest number handed out so far
	limit  int
	used   int
}

// block holds nothing but cells: a few bytes more would take it into the next of
// the allocator's size classes, and cost a tenth of it.
type block[T any] [blockLen]cell[T]

type usage struct {
	prev, next uint32 // in roomy
	free       uint32 // list of cells given back, as place + 1
	made       uint32 // cells handed out at least once
	used       uint32
}

type cell[T any] struct {
	prev, next uint32
	value      T
}

// New returns a Pool of at most limit values. Nothing is allocated yet.
func New[T any](limit int) Pool[T] {
	return Pool[T]{limit: min(max(limit, 0), math.MaxInt32)}
}

// Alloc returns the index of a zero value. It reports false if the limit is
// reached.
func (p *Pool[T]) Alloc() (i uint32, ok bool) {
	if p.used >= p.limit {
		return 0, false
	}
	if p.roomy == 0 {
		p.grow()
	}
	n := p.roomy - 1
	u := &p.usage[n]
	place := u.free - 1
	if u.free != 0 {
		c := &p.blocks[n][place%blockLen]
		u.free, c.next = c.next, 0
	} else {
		place = u.made
		u.made++
		p.made = max(p.made, n*blockLen+place)
	}
	p.used++
	if u.used++; u.used == 1 {
		p.empty--
	} else if u.used == blockLen {
		p.unlink(n)
	}
	return n*blockLen + place, true
}

// Free wipes value i and gives it back. It must be in no list.
func (p *Pool[T]) Free(i uint32) {
	n, place := i/blockLen, i%blockLen
	u := &p.usage[n]
	p.blocks[n][place] = cell[T]{next: u.free}
	u.free = place + 1
	if u.used == blockLen {
		p.link(n)
	}
	u.used--
	p.used--
	if u.used > 0 {
		return
	}
	if p.empty++; p.empty > 1 { // one stays, for values that come and go
		p.release(n)
	}
}

// grow makes a block.
func (p *Pool[T]) grow() {
	n := uint32(len(p.blocks))
	if last := len(p.vacant) - 1; last >= 0 {
		n, p.vacant = p.vacant[last], p.vacant[:last]
		p.blocks[n] = new(block[T])
	} else {
		p.blocks, p.usage = append(p.blocks, new(block[T])), append(p.usage, usage{})
	}
	if n == 0 {
		p.usage[0].made, p.usage[0].used = 1, 1 // number 0 is nobody's
	} else {
		p.empty++
	}
	p.link(n)
}

// release gives block n back.
func (p *Pool[T]) release(n uint32) {
	p.unlink(n)
	p.empty--
	if p.gone == nil {
		p.gone = new(block[T])
	}
	p.blocks[n], p.usage[n] = p.gone, usage{}
	p.vacant = append(p.vacant, n)
}

// link puts block n at the front of those with room.
func (p *Pool[T]) link(n uint32) {
	u := &p.usage[n]
	u.prev, u.next = 0, p.roomy
	if u.next != 0 {
		p.usage[u.next-1].prev = n + 1
	}
	p.roomy = n + 1
}

func (p *Pool[T]) unlink(n uint32) {
	u := &p.usage[n]
	if u.next != 0 {
		p.usage[u.next-1].prev = u.prev
	}
	if u.prev != 0 {
		p.usage[u.prev-1].next = u.next
	} else {
		p.roomy = u.next
	}
	u.prev, u.next = 0, 0
}

// At returns value i, at the same address until it is freed.
func (p *Pool[T]) At(i uint32) *T { return &p.cell(i).value }

// Used returns the number of values handed out and not given back.
func (p *Pool[T]) Used() int { return p.used }

// Made returns the highest number handed out so far. Any up to it may be asked
// At, which is zero for one that was freed.
func (p *Pool[T]) Made() int { return int(p.made) }

func (p *Pool[T]) cell(i uint32) *cell[T] {
	return &p.blocks[i/blockLen][i%blockLen]
}

// List is a list of values of one Pool, in the order in which they were added.
// A value is in one List at a time.
type List struct {
	First, Last uint32 // 0 in an empty list
	Len         uint32
}

// PushBack adds value i at the end of l.
func (p *Pool[T]) PushBack(l *List, i uint32) {
	c := p.cell(i)
	c.prev, c.next = l.Last, 0
	if l.Last == 0 {
		l.First = i
	} else {
		p.cell(l.Last).next = i
	}
	l.Last = i
	l.Len++
}

// Remove takes value i out of l, which it must be in.
func (p *Pool[T]) Remove(l *List, i uint32) {
	c := p.cell(i)
	if c.prev == 0 {
		l.First = c.next
	} else {
		p.cell(c.prev).next = c.next
	}
	if c.next == 0 {
		l.Last = c.prev
	} else {
		p.cell(c.next).prev = c.prev
	}
	c.prev, c.next = 0, 0
	l.Len--
}

// Append moves all values of more to the end of l.
func (p *Pool[T]) Append(l, more *List) {
	switch {
	case more.Len == 0:
		return
	case l.Len == 0:
		*l = *more
	default:
		p.cell(l.Last).next, p.cell(more.First).prev = more.First, l.Last
		l.Last = more.Last
		l.Len += more.Len
	}
	*more = List{}
}

// Next returns the value after i in its list, 0 at the end.
func (p *Pool[T]) Next(i uint32) uint32 { return p.cell(i).next }
