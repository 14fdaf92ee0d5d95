// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// A pacer says when the next operation is due. In a closed loop that is as soon
// as somebody is free; in an open loop at even times, whether somebody is free
// or not.
type pacer struct {
	step  float64 // nanoseconds between two; 0 for a closed loop
	start tick.Time
	begun uint64
}

// newPacer begins at start, at rate a second.
func newPacer(start tick.Time, rate float64) pacer {
	p := pacer{start: start}
	if rate > 0 {
		p.step = float64(time.Second) / rate
	}
	return p
}

// next is when the next one is due; in a closed loop, now.
func (p *pacer) next(now tick.Time) tick.Time {
	if p.step == 0 {
		return now
	}
	return p.start.Add(time.Duration(float64(p.begun) * p.step))
}

// overdue is how many were due before now and have not been begun.
func (p *pacer) overdue(now tick.Time) uint64 {
	if p.step == 0 || now < p.start {
		return 0
	}
	due := uint64(float64(now.Sub(p.start))/p.step) + 1
	return due - min(p.begun, due)
}

// A queue is the numbers of those who are free, first in, first out. It holds
// at most as many as it was made for.
type queue struct {
	ring  []uint32
	first int
	n     int
}

func newQueue(size int) queue { return queue{ring: make([]uint32, size)} }

func (q *queue) push(v uint32) {
	at := q.first + q.n
	if at >= len(q.ring) {
		at -= len(q.ring)
	}
	q.ring[at] = v
	q.n++
}

func (q *queue) pop() uint32 {
	v := q.ring[q.first]
	if q.first++; q.first == len(q.ring) {
		q.first = 0
	}
	q.n--
	return v
}
