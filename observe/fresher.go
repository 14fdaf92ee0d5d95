// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

const (
	// numbers is how many sequence numbers there are: an Observe Option carries
	// the 24 least-significant bits (RFC 7641 section 4.4).
	numbers = 1 << 24

	// reorderTime is after how long a notification needs no number to be newer
	// (RFC 7641 section 3.4): a datagram is not under way for longer.
	reorderTime = 128 * time.Second
)

// Fresher reports whether the notification with the number v2, which came elapsed
// after the freshest one so far with the number v1, was sent more recently than that
// one (RFC 7641 section 3.4). Of the numbers the 24 least-significant bits count.
func Fresher(v1, v2 uint32, elapsed time.Duration) bool {
	return later(v1, v2) || elapsed > reorderTime
}

// later reports whether v1 < v2 in 24-bit serial number arithmetic (RFC 1982).
func later(v1, v2 uint32) bool {
	ahead := (v2 - v1) % numbers
	return ahead != 0 && ahead != numbers/2 && ahead < numbers/2
}
