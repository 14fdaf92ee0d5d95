// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"math"
	"time"

	"github.com/coaps-go/coaps/tick"
)

// The Message IDs are followed in blocks: one time a block instead of one time
// an ID. The price is that up to a block more than necessary rests, so that a
// link sends 57,344 messages in EXCHANGE_LIFETIME at least, not 65,536.
const (
	midBlocks   = 8
	midBlockLen = 1 << 16 / midBlocks
)

// messageIDs hands out Message IDs in sequence from a random start, and none
// twice within a lifetime: "The same Message ID MUST NOT be reused (in
// communicating with the same endpoint) within the EXCHANGE_LIFETIME" (RFC 7252
// section 4.4).
type messageIDs struct {
	last [midBlocks]tick.Time // when an ID of the block was used last
	used uint8                // bit set: last is valid
	next uint16
}

// start begins a new sequence. It must only be called when nothing rests.
func (m *messageIDs) start(at uint16) { *m = messageIDs{next: at} }

// rests returns the time until which the next Message ID must rest.
func (m *messageIDs) rests(lifetime time.Duration) tick.Time {
	block := m.next / midBlockLen
	// Within a block all IDs are free, because entering it waited for the last.
	if m.next%midBlockLen != 0 || m.used>>block&1 == 0 {
		return math.MinInt64
	}
	return m.last[block].Add(lifetime)
}

// take uses the next Message ID. It reports false if none is free.
func (m *messageIDs) take(now tick.Time, lifetime time.Duration) (mid uint16, ok bool) {
	if m.rests(lifetime) > now {
		return 0, false
	}
	mid = m.next
	m.last[mid/midBlockLen] = now
	m.used |= 1 << (mid / midBlockLen)
	m.next++
	return mid, true
}
