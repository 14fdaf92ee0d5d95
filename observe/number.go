// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// ticksPerSecond is how fast sequence numbers grow with the clock: "1 tick = (256
// seconds)/(2^23)" (RFC 7641 section 4.4).
const ticksPerSecond = numbers / 2 / 256

// Number is the sequence number for the next notification to an observer, later
// than its last one: the time, or one more. After the observer was removed and has
// come again it goes on with the time, which is later too.
func (l *List) Number(i uint32, now tick.Time) uint32 {
	o := l.At(i)
	o.number = max(o.number+1, ticks(l.origin+now))
	return uint32(o.number % numbers)
}

func ticks(t tick.Time) uint64 {
	second := uint64(time.Second)
	return uint64(t)/second*ticksPerSecond + uint64(t)%second*ticksPerSecond/second
}
