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
