// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package slab hands out numbered values of one type from blocks that never
// move, and links them into lists. A value costs no allocation once its block
// exists, an index costs four bytes where a pointer costs eight, and the
// collector has nothing to follow when T holds no pointers.
package slab

import "math"

// blockLen is the number of values allocated at a time.
const blockLen = 256

// Pool is a bounded set of values of type T, numbered from 1. The zero Pool has
// room for none; New sets the bound.
type Pool[T any] struct {
	blocks []*[blockLen]cell[T]
	free   uint32 // list of cells given back, linked by next
	made   uint32 // cells handed out at least once
	limit  uint32
	used   int
}

type cell[T any] struct {
	prev, next uint32
	value      T
}

// New returns a Pool of at most limit values. Nothing is allocated yet.
func New[T any](limit int) Pool[T] {
	return Pool[T]{limit: uint32(min(max(limit, 0), math.MaxInt32))}
}

// Alloc returns the index of a zero value. It reports false if the limit is
// reached.
func (p *Pool[T]) Alloc() (i uint32, ok bool) {
	switch {
	case p.free != 0:
		i = p.free
		p.free = p.cell(i).next
		p.cell(i).next = 0
	case p.made < p.limit:
		if int(p.made/blockLen) == len(p.blocks) {
			p.blocks = append(p.blocks, new([blockLen]cell[T]))
		}
		p.made++
		i = p.made
	default:
		return 0, false
	}
	p.used++
	return i, true
}

// Free wipes value i and gives it back. It must be in no list.
func (p *Pool[T]) Free(i uint32) {
	*p.cell(i) = cell[T]{next: p.free}
	p.free = i
	p.used--
}

// At returns value i, at the same address until it is freed.
func (p *Pool[T]) At(i uint32) *T { return &p.cell(i).value }

// Used returns the number of values handed out and not given back.
func (p *Pool[T]) Used() int { return p.used }

// Made returns the highest number handed out so far.
func (p *Pool[T]) Made() int { return int(p.made) }

func (p *Pool[T]) cell(i uint32) *cell[T] {
	return &p.blocks[(i-1)/blockLen][(i-1)%blockLen]
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
