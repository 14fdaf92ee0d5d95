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
	roomy  uint32    // list of the blocks with room, as number + 1
	empty  int       // how many of them hold nothing
	vacant []uint32  // numbers of the blocks that went back
	gone   *block[T] // stands in their place: all zero, and stays so
	made   uint32    // the highest number handed out so far
	limit  int
	used   int
}

type block[T any] struct {
	cells      [blockLen]cell[T]
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
	b := p.blocks[n]
	place := b.free
	if place != 0 {
		c := &b.cells[(place-1)%blockLen]
		b.free, c.next = c.next, 0
	} else {
		b.made++
		place = b.made
		p.made = max(p.made, n*blockLen+place)
	}
	p.used++
	if b.used++; b.used == 1 {
		p.empty--
	} else if b.used == blockLen {
		p.unlink(n)
	}
	return n*blockLen + place, true
}

// Free wipes value i and gives it back. It must be in no list.
func (p *Pool[T]) Free(i uint32) {
	n, place := (i-1)/blockLen, (i-1)%blockLen
	b := p.blocks[n]
	b.cells[place] = cell[T]{next: b.free}
	b.free = place + 1
	if b.used == blockLen {
		p.link(n)
	}
	b.used--
	p.used--
	if b.used > 0 {
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
		p.blocks = append(p.blocks, new(block[T]))
	}
	p.empty++
	p.link(n)
}

// release gives block n back.
func (p *Pool[T]) release(n uint32) {
	p.unlink(n)
	p.empty--
	if p.gone == nil {
		p.gone = new(block[T])
	}
	p.blocks[n] = p.gone
	p.vacant = append(p.vacant, n)
}

// link puts block n at the front of those with room.
func (p *Pool[T]) link(n uint32) {
	b := p.blocks[n]
	b.prev, b.next = 0, p.roomy
	if b.next != 0 {
		p.blocks[b.next-1].prev = n + 1
	}
	p.roomy = n + 1
}

func (p *Pool[T]) unlink(n uint32) {
	b := p.blocks[n]
	if b.next != 0 {
		p.blocks[b.next-1].prev = b.prev
	}
	if b.prev != 0 {
		p.blocks[b.prev-1].next = b.next
	} else {
		p.roomy = b.next
	}
	b.prev, b.next = 0, 0
}

// At returns value i, at the same address until it is freed.
func (p *Pool[T]) At(i uint32) *T { return &p.cell(i).value }

// Used returns the number of values handed out and not given back.
func (p *Pool[T]) Used() int { return p.used }

// Made returns the highest number handed out so far. Any up to it may be asked
// At, which is zero for one that was freed.
func (p *Pool[T]) Made() int { return int(p.made) }

func (p *Pool[T]) cell(i uint32) *cell[T] {
	return &p.blocks[(i-1)/blockLen].cells[(i-1)%blockLen]
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

// Next returns the value after i in its list, 0 at the end.
func (p *Pool[T]) Next(i uint32) uint32 { return p.cell(i).next }
