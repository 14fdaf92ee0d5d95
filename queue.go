// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import "sync/atomic"

// A queue is a bounded ring of tasks that any number of goroutines put into and
// take from without waiting for each other. It is D. Vyukov's: tasks are
// numbered as they come, and each cell says which number it is ready for.
type queue struct {
	cells []cell
	_     [64]byte // the two on cache lines of their own: different processors write them
	last  atomic.Uint64
	_     [64]byte
	first atomic.Uint64
}

// A cell waits for task number ready to be put into it, or holds task number
// ready - 1.
type cell struct {
	ready atomic.Uint64
	task  task
}

// newQueue makes a queue for n tasks. With one cell free and full could not be
// told apart, so that there are at least two, or none.
func newQueue(n int) *queue {
	if n == 1 {
		n = 2
	}
	q := &queue{cells: make([]cell, n)}
	for i := range q.cells {
		q.cells[i].ready.Store(uint64(i))
	}
	return q
}

func (q *queue) at(number uint64) *cell { return &q.cells[number%uint64(len(q.cells))] }

// put reports false if the queue is full.
func (q *queue) put(t task) bool {
	for len(q.cells) > 0 {
		n := q.last.Load()
		c := q.at(n)
		switch ready := c.ready.Load(); {
		case ready < n:
			return false // it still has, or is being rid of, what was put there one round ago
		case ready == n && q.last.CompareAndSwap(n, n+1):
			c.task = t
			c.ready.Store(n + 1)
			return true
		}
	}
	return false
}

// take returns nil if the queue is empty.
func (q *queue) take() task {
	for len(q.cells) > 0 {
		n := q.first.Load()
		c := q.at(n)
		switch ready := c.ready.Load(); {
		case ready <= n:
			return nil // or is being filled: who does that wakes a worker afterwards
		case ready == n+1 && q.first.CompareAndSwap(n, n+1):
			t := c.task
			c.task = nil
			c.ready.Store(n + uint64(len(q.cells)))
			return t
		}
	}
	return nil
}

// empty may be wrong about tasks that are being put or taken.
func (q *queue) empty() bool { return q.first.Load() >= q.last.Load() }
