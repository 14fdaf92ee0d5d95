// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tick is the time of the protocol packages: a point on a monotonic
// clock that the caller owns. The engine never asks a clock; every call that
// depends on time takes a Time, so a simulation can run a day in a
// millisecond and repeat it to the bit.
package tick

import (
	"math"
	"time"
)

// Time is a number of nanoseconds since an origin that the caller chose once,
// such as the start of the process. It must not run backwards. It is eight
// bytes, so that a session can hold several of them cheaply.
type Time int64

// Never is later than any Time. A layer whose Deadline is Never waits for
// input only.
const Never Time = math.MaxInt64

// Add returns the point d after t. It stays at Never instead of wrapping.
func (t Time) Add(d time.Duration) Time {
	if t == Never || d > 0 && t > Never-Time(d) {
		return Never
	}
	return t + Time(d)
}

// Sub returns the duration from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// First returns the earliest of ts, and Never if there is none. Layers merge
// the deadlines of what they hold with it.
func First(ts ...Time) Time {
	first := Never
	for _, t := range ts {
		if t < first {
			first = t
		}
	}
	return first
}
