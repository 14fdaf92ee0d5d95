// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ring has a queue of a fixed size: the numbers of those whose turn it
// is, who are in it at most once each.
package ring

// A Queue is first in, first out, and holds at most as many as it was made for.
// It is for one goroutine.
type Queue[T any] struct {
	ring  []T
	first int
	n     int
}

// New makes a queue for so many.
func New[T any](size int) Queue[T] { return Queue[T]{ring: make([]T, size)} }

// Len is how many are in the queue.
func (q *Queue[T]) Len() int { return q.n }

// Push puts v at the end. The caller knows that there is room.
func (q *Queue[T]) Push(v T) {
	at := q.first + q.n
	if at >= len(q.ring) {
		at -= len(q.ring)
	}
	q.ring[at] = v
	q.n++
}

// Pop takes the first. The caller knows that there is one.
func (q *Queue[T]) Pop() T {
	v := q.ring[q.first]
	if q.first++; q.first == len(q.ring) {
		q.first = 0
	}
	q.n--
	return v
}

// Clear takes out all.
func (q *Queue[T]) Clear() { q.n = 0 }
